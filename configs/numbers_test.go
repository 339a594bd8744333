package configs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ringdown/routing"
)

func readNumbers(t testing.TB, text string) (got []string, faults []string) {
	t.Helper()
	found, err := ReadNumbers("F.csv", strings.NewReader(text), func(line int, n routing.TrackingNumber) error {
		got = append(got, fmt.Sprintf("%d %s %s %s %s %s %s-%s %v %s %v", line, n.Number, n.Account, n.Flow, n.Pool, n.State, n.ValidFrom, n.ValidUntil, n.Trunks, n.Regulatory, n.Attribution))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		faults = append(faults, f.String())
	}
	return got, faults
}

func TestReadNumbers(t *testing.T) {
	for name, tt := range map[string]struct{ text, got, faults string }{
		"everything": {"\ufeffNumber, account,flow,pool,state,valid_from,valid_until,trunks,regulatory_ref,attribution.source\r\n" +
			"+4721000001,demo,sales,,suspended,2026-01-01,2026-02-01T12:00:00Z,carrier-a carrier-b,\"case 1, page 2\",ads\r\n" +
			"+4721000002,,,site,,,,,,\r\n",
			"2 +4721000001 demo sales  suspended 2026-01-01T00:00:00Z-2026-02-01T12:00:00Z [carrier-a carrier-b] case 1, page 2 map[source:ads]\n" +
				"3 +4721000002   site  - []  map[]", ""},
		"nothing":    {"", "", "F.csv:1: is empty: the first line names the columns"},
		"no numbers": {"account\ndemo\n", "", "F.csv:1: number: is missing: the column of the numbers"},
		"columns": {"number,acount,number,+4721000001,attribution.A B\n", "",
			`F.csv:1: has a column "acount" that is not known; did you mean "account"?` + "\nF.csv:1: number: is there twice\n" +
				"F.csv:1: has a column (not shown) that is not known; known: number, account, flow, pool, state, valid_from, valid_until, trunks, regulatory_ref, attribution.KEY\n" +
				"F.csv:1: has a column attribution.KEY whose key is not an id"},
		"lines": {"number,state,valid_from,account\n21000001,dead,,demo\n+4721000001\n+4721000002,,tomorrow,demo\n\n+4721000003,,,\"de\nmo\"\n+4721000004,,,4721000001\n+4721000005,,,demo\n",
			"9 +4721000005 demo    - []  map[]",
			"F.csv:2: number: is not E.164: a + and 7 to 15 digits, the first not 0, nothing between them\n" +
				`F.csv:2: state: "dead" is not known; allowed: active, suspended, unassigned, ported-out, quarantined` + "\n" +
				"F.csv:3: has 1 fields, the header has 4\n" +
				`F.csv:4: valid_from: is not a time such as "2026-01-31T12:00:00Z" nor a date such as "2026-01-31", which is its midnight in UTC` + "\n" +
				"F.csv:6: account: is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit\n" +
				"F.csv:8: account: looks like a telephone number; ids are shown in subjects and paths"},
		"a quote that stays open": {"number\n\"+4721000001\n", "", "F.csv:2: is not CSV: extraneous or missing \" in quoted-field"},
	} {
		t.Run(name, func(t *testing.T) {
			got, faults := readNumbers(t, tt.text)
			if s := strings.Join(got, "\n"); s != tt.got {
				t.Errorf("got\n%s\nwant\n%s", s, tt.got)
			}
			if s := strings.Join(faults, "\n"); s != tt.faults {
				t.Errorf("faults\n%s\nwant\n%s", s, tt.faults)
			}
		})
	}
}

// Who has mistaken a column is told a thousand times, and how often besides.
func TestReadNumbersTellsNotAll(t *testing.T) {
	_, faults := readNumbers(t, "number\n"+strings.Repeat("21000001\n", 5000))
	if len(faults) != maxFaults+1 || faults[maxFaults] != "F.csv:1001: and 4000 more faults behind it" {
		t.Errorf("%d faults, the last %q", len(faults), faults[len(faults)-1])
	}
}

func TestReadNumbersEnds(t *testing.T) {
	enough := errors.New("enough")
	lines := 0
	_, err := ReadNumbers("F.csv", strings.NewReader("number\n+4721000001\n+4721000002\n"), func(int, routing.TrackingNumber) error {
		lines++
		return enough
	})
	if !errors.Is(err, enough) || lines != 1 {
		t.Errorf("%v after %d", err, lines)
	}
}

func FuzzReadNumbers(f *testing.F) {
	f.Add("number,account,attribution.source\n+4721000001,demo,ads\n")
	f.Add("number\n\"+47\n2100\"\"\"\n")
	f.Add("\ufeffnumber;account\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, faults := readNumbers(t, text)
		if len(got)+len(faults) == 0 && strings.Count(strings.TrimSpace(text), "\n") > 0 && !strings.ContainsAny(text, "\r\"") {
			t.Errorf("%q: neither a number nor a fault", text)
		}
		for _, s := range faults {
			if !strings.HasPrefix(s, "F.csv:") {
				t.Errorf("%q", s)
			}
		}
	})
}
