package routing

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestListHoldsWhatItSays(t *testing.T) {
	s := good()
	s.Lists = map[string]NumberList{
		"vip":    {Numbers: []string{"+4791234567"}},
		"abroad": {Prefixes: []string{"+46", "+4673"}},
	}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	for number, want := range map[string]string{
		"+4791234567": "vip", "+479123456": "", "+47912345678": "", "+46812345678": "abroad", "+46731234567": "abroad",
		"+45123456": "", "": "", "anonymous": "", "+46": "",
	} {
		if got := strings.Join(table.Lists(number), " "); got != want {
			t.Errorf("%q is in %q, want %q", number, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { table.lists["abroad"].has(46812345678) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
	version := table.Version()
	s.Lists["abroad"] = NumberList{Prefixes: []string{"+4673", "+46"}}
	if table, _ = NewTable(s); table.Version() != version {
		t.Error("the order of a list changes the version")
	}
	s.Lists["abroad"] = NumberList{Prefixes: []string{"+46"}}
	if table, _ = NewTable(s); table.Version() == version {
		t.Error("the content of a list does not change the version")
	}
}

// The longest prefix is what a search by the text finds.
func TestLongestPrefix(t *testing.T) {
	digits := rapid.StringMatching(`[1-9][0-9]{0,14}`)
	rapid.Check(t, func(t *rapid.T) {
		var p prefixes[string]
		entered := map[string]bool{}
		for _, s := range rapid.SliceOfN(digits, 0, 20).Draw(t, "prefixes") {
			n, msg := checkNumberPrefix("+" + s)
			if msg != "" {
				t.Fatalf("%s: %s", s, msg)
			}
			if p.add(n, s) == entered[s] {
				t.Fatalf("%s entered twice", s)
			}
			entered[s] = true
		}
		called := rapid.StringMatching(`[1-9][0-9]{6,14}`).Draw(t, "number")
		if len(entered) > 0 && rapid.Bool().Draw(t, "near") {
			called = rapid.SampledFrom(slices.Sorted(maps.Keys(entered))).Draw(t, "head") + called
			called = called[:min(len(called), maxE164)]
		}
		want := ""
		for s := range entered {
			if strings.HasPrefix(called, s) && len(s) > len(want) {
				want = s
			}
		}
		n, ok := parseE164(called)
		if !ok {
			t.Fatal(called)
		}
		if got, ok := p.find(n); got != want || ok != (want != "") {
			t.Fatalf("%s: got %q, want %q", called, got, want)
		}
	})
}
