package routing

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRead(t *testing.T) {
	tests := []struct {
		in, country string
		want        string // empty: no number
		how         form
	}{
		{"+4721000001", "NO", "+4721000001", global},
		{"+4721000001", "", "+4721000001", global},
		{"+47 21 00 00 01", "SE", "+4721000001", global},
		{"004721000001", "NO", "+4721000001", dialledAbroad},
		{"01147 2100-0001", "US", "+4721000001", dialledAbroad},
		{"21000001", "NO", "+4721000001", dialledInland},
		{"02800", "NO", "+4702800", dialledInland},
		{"4721000001", "NO", "+4721000001", withoutPlus},
		{"47210000", "NO", "+4747210000", dialledInland}, // a Norwegian mobile, not a short +47
		{"112", "NO", "", incomplete},
		{"4721000001", "", "", unspecified},
		{"004721000001", "", "", unspecified},
		{"08-123 456 78", "SE", "+46812345678", dialledInland},
		{"46812345678", "SE", "+46812345678", withoutPlus},
		{"030 1234567", "DE", "+49301234567", dialledInland},
		{"49301234567", "DE", "+49301234567", withoutPlus},
		{"020 7946 0018", "GB", "+442079460018", dialledInland},
		{"+44 (0)20 7946 0018", "NO", "+442079460018", global},
		{"+39 (0)6 698 12345", "NO", "+390669812345", global}, // the zero is the number's own
		{"06 698 12345", "IT", "+390669812345", dialledInland},
		{"(415) 555-0100", "US", "+14155550100", dialledInland},
		{"1-415-555-0100", "CA", "+14155550100", dialledInland},
		{"8 (495) 123-45-67", "RU", "+74951234567", dialledInland},
		{"8001234567", "RU", "+78001234567", dialledInland},
		{"810 47 21000001", "RU", "+4721000001", dialledAbroad},
		{"06 1 234 5678", "HU", "+3612345678", dialledInland},
		{"0011 47 21000001", "AU", "+4721000001", dialledAbroad},
		{"tel:+4721000001", "", "+4721000001", global},
		{"TEL:21000001;phone-context=+47", "SE", "+4721000001", inContext},
		{"21000001;ext=5;Phone-Context=%2B47", "", "+4721000001", inContext},
		{"000001;phone-context=+4721", "", "+4721000001", inContext},
		{"21000001;phone-context=carrier.example", "NO", "+4721000001", dialledInland},
		{"21000001;phone-context=+4x7", "", "", unspecified},
		{"5;phone-context=+47", "", "", incomplete},
		{"+4721000001;npdi;rn=+4799", "NO", "+4721000001", global},
		{"%2B4721000001", "", "+4721000001", global},
		{"%2B47%2", "", "", foreign},
		{"+47%00", "", "", foreign},
		{"anonymous", "NO", "", withheld},
		{"Restricted", "NO", "", withheld},
		{"", "NO", "", withheld},
		{" ", "NO", "", withheld},
		{"alice", "NO", "", foreign},
		{"+", "NO", "", foreign},
		{"++4721000001", "NO", "", foreign},
		{"47+21000001", "NO", "", foreign},
		{"*31*21000001", "NO", "", foreign},
		{"+47２１０００００１", "NO", "", foreign}, // full-width digits
		{"+0721000001", "NO", "", incomplete},
		{"+472100", "NO", "", incomplete},
		{"+1234567890123456", "NO", "", incomplete},
		{strings.Repeat("1", 25), "NO", "", foreign},
		{"00 0721000001", "NO", "", incomplete},
	}
	for _, tt := range tests {
		n, how := read(tt.in, countryOf(tt.country))
		if n.e164() != tt.want || how != tt.how {
			t.Errorf("%q from %q: got %q (%v), want %q (%v)", tt.in, tt.country, n.e164(), how, tt.want, tt.how)
		}
	}
}

func TestNormaliseErrors(t *testing.T) {
	if _, err := Normalise("anonymous", "NO"); !errors.Is(err, ErrWithheld) {
		t.Error(err)
	}
	for _, in := range []string{"alice", "112", "+1"} {
		if _, err := Normalise(in, "NO"); !errors.Is(err, ErrNotNumber) || strings.Contains(err.Error(), in) {
			t.Error(in, err)
		}
	}
}

func TestCountriesAreSound(t *testing.T) {
	if !slices.IsSortedFunc(countries[:], func(a, b country) int { return strings.Compare(a.iso, b.iso) }) {
		t.Error("not sorted: look-up is a binary search")
	}
	plans := map[string]*country{}
	for i := range countries {
		c := &countries[i]
		if countryOf(c.iso) != c {
			t.Errorf("%s is not found or there twice", c.iso)
		}
		if len(c.iso) != 2 || len(c.code) < 1 || len(c.code) > 3 || c.code[0] == '0' || c.intl == "" || c.lengths == 0 {
			t.Errorf("%s: %+v", c.iso, c)
		}
		for n := range 16 {
			if c.lengths.has(n) && (n+len(c.code) > maxE164 || n+len(c.code) < minE164) {
				t.Errorf("%s: %d digits are no E.164 number", c.iso, n)
			}
		}
		if first := plans[c.code]; first == nil {
			plans[c.code] = c
		} else if first.intl != c.intl || first.national != c.national || first.lengths != c.lengths {
			t.Errorf("%s and %s share %s but not their rules", first.iso, c.iso, c.code)
		}
	}
	for code := range plans {
		for n := 1; n < len(code); n++ {
			if plans[code[:n]] != nil {
				t.Errorf("calling code %s hides %s", code[:n], code)
			}
		}
	}
}

// dialledText draws what a trunk may send, near numbers more often than not.
func dialledText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[+0-9 ().-]{0,20}`),
		rapid.StringMatching(`(tel:)?(\+|00|0|011|8)?[1-9][0-9]{3,14}(;phone-context=\+?[0-9a-z.]{1,6})?`),
		rapid.String(),
	)
}

func anyCountry() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		i := rapid.IntRange(-1, len(countries)-1).Draw(t, "country")
		if i < 0 {
			return ""
		}
		return countries[i].iso
	})
}

func TestNormaliseIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, iso := dialledText().Draw(t, "user"), anyCountry().Draw(t, "iso")
		checkNormalised(t, in, iso)
	})
}

// checkNormalised holds for any input: the result is E.164, reads as itself in
// every country, and an error hides what was read.
func checkNormalised(t interface{ Fatalf(string, ...any) }, in, iso string) {
	n, err := Normalise(in, iso)
	if err != nil {
		if !n.IsZero() {
			t.Fatalf("%q in %q: an error and a number", in, iso)
		}
		return
	}
	s := n.Reveal()
	if _, msg := checkE164(s); msg != "" {
		t.Fatalf("%q in %q: %q %s", in, iso, s, msg)
	}
	for _, other := range []string{iso, "", "US", "IT", "RU"} {
		if again, err := Normalise(s, other); err != nil || again != n {
			t.Fatalf("%q in %q: %q became %q (%v)", in, iso, s, again.Reveal(), err)
		}
	}
}

// A national number comes back out of each way it can be dialled.
func TestEveryWayToDial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &countries[rapid.IntRange(0, len(countries)-1).Draw(t, "country")]
		length := rapid.IntRange(4, 13).Filter(c.lengths.has).Draw(t, "length")
		// A first digit that neither the national prefix nor the calling code has.
		first := rapid.ByteRange('2', '9').Filter(func(b byte) bool { return !strings.HasPrefix(c.national, string(b)) && b != c.code[0] }).Draw(t, "first")
		nsn := string(first) + rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), length-1, length-1, -1).Draw(t, "rest")
		want := "+" + c.code + nsn
		prefix, _, _ := strings.Cut(c.intl, " ")
		for _, dialled := range []string{want, prefix + c.code + nsn, c.national + nsn, nsn, nsn + ";phone-context=+" + c.code} {
			n, how := read(dialled, c)
			if n.e164() != want {
				t.Fatalf("%s: %q is %q (%v), want %q", c.iso, dialled, n.e164(), how, want)
			}
		}
	})
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"+4721000001", "tel:21000001;phone-context=+47", "%2B47", "+44 (0)20", "anonymous", "0011", "+39(0)6", ";phone-context=+"} {
		f.Add(s, "NO")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, in, iso string) { checkNormalised(t, in, iso) })
}
