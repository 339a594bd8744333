package routing

import (
	"strings"
	"testing"
)

func TestCountryOf(t *testing.T) {
	want := map[string]string{
		"+4721000001": "NO", "+4779021234": "SJ", "+12125550123": "US", "+14165550123": "CA", "+18765550123": "JM", "+17875550123": "PR",
		"+18005550123": "", "+19005550123": "", "+12995550123": "", "+13415550123": "US",
		"+74951234567": "RU", "+77012345678": "KZ", "+76012345678": "KZ", "+442071234567": "GB", "+441481123456": "GG", "+441534123456": "JE",
		"+441624123456": "IM", "+447911123456": "GG", "+447911234567": "GB", "+447700300000": "JE", "+447700900000": "GB",
		"+390669812345": "VA", "+390612345678": "IT", "+61891621234": "CC", "+61891641234": "CX", "+61291234567": "AU",
		"+212528812345": "EH", "+212522123456": "MA", "+262269123456": "YT", "+262262123456": "RE", "+3581812345": "AX", "+35891234567": "FI",
		"+590590123456": "GP", "+59995123456": "CW", "+5997123456": "BQ", "+46812345678": "SE", "+6834002": "NU", "+80012345678": "",
		"+883510001234": "", "+99912345678": "", "": "", "anonymous": "", "4721000001": "", "+47": "",
	}
	for number, iso := range want {
		if got := CountryOf(number); got != iso {
			t.Errorf("%s is of %q, want %q", number, got, iso)
		}
	}
	n, _ := parseE164("14165550123")
	if allocs := testing.AllocsPerRun(100, func() { n.ground() }); allocs != 0 {
		t.Errorf("allocates %v times", allocs)
	}
}

// Each calling code has a country that its numbers belong to unless a longer
// prefix says otherwise, and each country of a shared one is told or named as
// one that cannot be.
func TestEveryCountryIsToldOrNot(t *testing.T) {
	not := map[string]bool{"BL": true, "MF": true}
	shared := map[string]int{}
	for _, c := range countries {
		shared[c.code]++
		if told()[c.iso] == not[c.iso] {
			t.Errorf("%s: told %v", c.iso, told()[c.iso])
		}
	}
	for _, territory := range territories {
		if shared[territory.code] < 2 {
			t.Errorf("+%s belongs to %s alone", territory.code, territory.first)
		}
		delete(shared, territory.code)
		for group := range strings.FieldsSeq(territory.others) {
			iso, heads, _ := strings.Cut(group, ":")
			if c := countryOf(iso); iso != "" && (c == nil || c.code != territory.code) {
				t.Errorf("%s is no country of +%s", iso, territory.code)
			}
			for head := range strings.SplitSeq(heads, ",") {
				if !strings.HasPrefix(head, territory.code) {
					t.Errorf("+%s is not behind +%s", head, territory.code)
				}
			}
		}
	}
	for code, n := range shared {
		if n > 1 {
			t.Errorf("%d countries share +%s, and nothing tells them apart", n, code)
		}
	}
}

func TestCountriesThatCannotBeTold(t *testing.T) {
	b := builder{table: &Table{}}
	b.countryList([]string{"NO", "BL", "no", "XX", "NO"}, "countries")
	var got []string
	for _, f := range b.faults {
		got = append(got, f.Path+": "+f.Msg)
	}
	want := `countries[1]: has numbers that cannot be told from those of GP: name that
countries[2]: is written in capitals: NO
countries[3]: is not the ISO 3166-1 code of a country whose numbers are known, such as NO
countries[4]: is in the list already`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
