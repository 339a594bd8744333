package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	norwegian = "+4791234567"
	swedish   = "+46812345678"
)

// matching is a flow with one case that rings abroad.
func matching(c MatchCase) map[string]Flow {
	c.Steps = dialling(swedish)
	return map[string]Flow{"sales": {{Match: &Match{Cases: []MatchCase{c}, Default: dialling(norwegian)}}}}
}

// Each of these tables rings a Swede in some calls only; where all stay at home
// the invariant holds.
func TestCallsThatAreLookedAt(t *testing.T) {
	campaign := func(h HeaderMatch) func(*Spec) {
		h.Name = "X-Campaign"
		return func(s *Spec) {
			s.Trunks[0].Headers.In = []string{"x-campaign"}
			s.Flows = matching(MatchCase{Header: h})
		}
	}
	for _, test := range []struct {
		name  string
		make  func(*Spec)
		broad string // part of the words about the call; empty: the invariant holds
	}{
		{"a second pool", func(s *Spec) {
			s.Numbers = nil
			s.Flows = map[string]Flow{"home": dialling(norwegian), "abroad": dialling(swedish)}
			s.Pools = map[string]Pool{"a": {Account: "demo", Flow: "home", Numbers: []string{"+4721000010"}}, "b": {Account: "demo", Flow: "abroad", Numbers: []string{"+4721000011"}}}
		}, "calls +47*****11 of account demo"},
		{"a number that begins tomorrow", func(s *Spec) {
			s.Flows["sales"] = dialling(swedish)
			s.Numbers[0].ValidFrom = InstantOf(thisYear.Add(24 * time.Hour))
		}, "at Tue 2026-06-02 00:00Z: flows.sales"},
		{"a number that is over before it is closed", func(s *Spec) {
			*s = guarded()
			s.Numbers[0].ValidFrom, s.Numbers[0].ValidUntil = InstantOf(thisYear.Add(8*time.Hour)), InstantOf(thisYear.Add(9*time.Hour))
		}, ""},
		{"and one that is not", func(s *Spec) {
			*s = guarded()
			s.Numbers[0].ValidFrom, s.Numbers[0].ValidUntil = InstantOf(thisYear.Add(8*time.Hour)), InstantOf(thisYear.Add(15*time.Hour))
		}, "at Mon 2026-06-01 14:00Z: flows.sales[0].schedule.closed"},
		{"attested callers only, of the table", func(s *Spec) {
			s.Flows["sales"], s.Screening = dialling(swedish), &Screening{Attestation: RequirePassed}
		}, "TN-Validation-Passed A calls"},
		{"attested callers only, of the number", func(s *Spec) {
			s.Flows["sales"], s.Numbers[0].Screening = dialling(swedish), &Screening{Attestation: AttestB}
		}, "TN-Validation-Passed A calls"},
		{"attested callers only, of the trunk", func(s *Spec) {
			s.Flows["sales"], s.Trunks[0].STIR.Require = dialling(swedish), AttestA
		}, "TN-Validation-Passed A calls"},
		{"who is not challenged", func(s *Spec) {
			s.Screening = &Screening{Challenge: ChallengeUnattested}
			s.Flows = matching(MatchCase{Verstat: []string{verstatPassed}})
		}, "TN-Validation-Passed A calls"},
		{"a second trunk that requires less", func(s *Spec) {
			s.Trunks[0].STIR.Require = AttestA
			s.Flows = matching(MatchCase{Attestation: []string{AttestC}})
		}, "TN-Validation-Passed C calls +47*****01 of account demo by trunk carrier-b"},
		{"a header and an attestation", func(s *Spec) {
			s.Trunks[0].Headers.In = []string{"X-Campaign"}
			s.Flows = matching(MatchCase{Header: HeaderMatch{Name: "X-Campaign", Equals: "a"}, Attestation: []string{AttestA}})
		}, "TN-Validation-Passed A, with header X-Campaign calls"},
		{"two headers", func(s *Spec) {
			s.Trunks[0].Headers.In = []string{"X-A", "X-B"}
			s.Flows = matching(MatchCase{Header: HeaderMatch{Name: "X-A"}})
			inner := matching(MatchCase{Header: HeaderMatch{Name: "X-B"}})["sales"]
			s.Flows["sales"][0].Match.Cases[0].Steps = inner
		}, "with header X-A, with header X-B calls"},
		{"two headers of two trunks", func(s *Spec) {
			s.Trunks[0].Headers.In, s.Trunks[1].Headers.In = []string{"X-A"}, []string{"X-B"}
			s.Flows = matching(MatchCase{Header: HeaderMatch{Name: "X-A"}})
			inner := matching(MatchCase{Header: HeaderMatch{Name: "X-B"}})["sales"]
			s.Flows["sales"][0].Match.Cases[0].Steps = inner
		}, ""},
		{"a header by an expression", campaign(HeaderMatch{Matches: `^(spring|autumn)-[0-9]{2,4}$`}), "with header X-Campaign"},
		{"a header without its expression's text", campaign(HeaderMatch{Matches: `\bsale\b`}), "with header X-Campaign"},
		{"a header that begins and holds", func(s *Spec) {
			campaign(HeaderMatch{Prefix: "spring-"})(s)
			s.Flows["sales"][0].Match.Cases[0].Steps = matching(MatchCase{Header: HeaderMatch{Name: "X-Campaign", Contains: "oslo"}})["sales"]
		}, "with header X-Campaign"},
		{"the ninth of a list", func(s *Spec) {
			all := make([]string, 9)
			for i := range all {
				all[i] = fmt.Sprintf("+474000000%d", i)
			}
			s.Lists = map[string]NumberList{"all": {Numbers: all}, "but-one": {Numbers: all[:8]}}
			s.Flows = matching(MatchCase{Callers: []string{"all"}, NotCallers: []string{"but-one"}})
		}, "a caller of NO (+47*****08) calls"},
		{"a prefix without a longer one", func(s *Spec) {
			s.Lists = map[string]NumberList{"swiss": {Prefixes: []string{"+41"}}, "part": {Prefixes: []string{"+412", "+4151", "+41552"}}}
			s.Flows = matching(MatchCase{Callers: []string{"swiss"}, NotCallers: []string{"part"}})
		}, "a caller of CH"},
		{"a prefix whose longer ones are all of it", func(s *Spec) {
			var parts []string
			for d := range 10 {
				parts = append(parts, fmt.Sprintf("+41%d", d))
			}
			s.Lists = map[string]NumberList{"swiss": {Prefixes: []string{"+41"}}, "part": {Prefixes: parts}}
			s.Flows = matching(MatchCase{Callers: []string{"swiss"}, NotCallers: []string{"part"}})
		}, ""},
		{"one of a list who withholds his number", func(s *Spec) {
			s.Lists = map[string]NumberList{"vip": {Numbers: []string{"+4740000012"}}}
			s.Flows = matching(MatchCase{Callers: []string{"vip"}, Withheld: new(true)})
		}, "a caller who withholds his number calls"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := good()
			test.make(&s)
			s.Invariants = map[string]Invariant{"rule": {TargetsWithin: []string{"NO"}}}
			got := strings.Join(violations(t, s), "\n")
			if test.broad == "" && got != "" || !strings.Contains(got, test.broad) {
				t.Errorf("got\n%s\nwant\n%s", got, test.broad)
			}
			if test.broad != "" && !strings.HasPrefix(got, "invariants.rule does not hold: a caller") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Who withholds his number is of no country, wherever it is from.
func TestWhoWithholdsIsOfNoCountry(t *testing.T) {
	s := good()
	s.Flows = matching(MatchCase{Withheld: new(true)})
	s.Invariants = map[string]Invariant{"rule": {When: InvariantWhen{Countries: []string{"NO"}}, TargetsWithin: []string{"NO"}}}
	if got := violations(t, s); len(got) > 0 {
		t.Errorf("%q", got)
	}
	s.Invariants = map[string]Invariant{"rule": {When: InvariantWhen{Withheld: new(true)}, TargetsWithin: []string{"NO"}}}
	if got := violations(t, s); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// A caller who is refused by the screening has not come to the flow.
func TestScreenedCallersReachNothing(t *testing.T) {
	s := good()
	s.Screening = &Screening{Anonymous: ScreenReject, Challenge: ChallengeUnattested}
	s.Invariants = map[string]Invariant{"rule": {Reaches: []string{ReachTarget}}}
	if got := violations(t, s); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// What could not be looked at is told, with the reason, and is no pass.
func TestCannotBeChecked(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(*Spec)
		want string
	}{
		{"nobody is let in", func(s *Spec) {
			var all []string
			for d := 1; d < 10; d++ {
				all = append(all, fmt.Sprintf("+%d", d))
			}
			s.Lists = map[string]NumberList{"all": {Prefixes: all}}
			s.Screening = &Screening{Block: []string{"all"}, Anonymous: ScreenReject, Attestation: AttestA}
		}, ""}, // a caller whose address is no number is let in
		{"no trunk", func(s *Spec) { s.Numbers[0].Trunks, s.Trunks[1].Sources = []string{"carrier-b"}, nil },
			"no trunk takes its calls: +47*****01 of account demo"},
		{"an expression without an example", func(s *Spec) {
			s.Trunks[0].Headers.In = []string{"X-A"}
			s.Flows = matching(MatchCase{Header: HeaderMatch{Name: "X-A", Matches: `a\bb`}})
			s.Flows["sales"][0].Match.Cases[0].Steps = dialling(norwegian)
		}, "no value is found that the expression for header X-A holds for: +47*****01 of account demo"},
		{"too many headers together", func(s *Spec) {
			var f Flow
			for i := range 14 {
				name := fmt.Sprintf("X-%c", 'A'+i)
				s.Trunks[0].Headers.In = append(s.Trunks[0].Headers.In, name)
				f = append(f, Step{Match: &Match{Cases: []MatchCase{{Header: HeaderMatch{Name: name}, Steps: dialling(norwegian)}}}})
			}
			s.Flows = map[string]Flow{"sales": f}
		}, "the headers of trunk carrier-a can come together in too many ways"},
		{"too many tags together", func(s *Spec) {
			f := Flow{{Hook: &Hook{URL: "https://hooks.example/x"}}}
			for i := range 9 {
				f = append(f, Step{Match: &Match{Cases: []MatchCase{{Tags: map[string]string{fmt.Sprintf("tag-%d", i): "yes"}, Steps: dialling(norwegian)}}}})
			}
			s.Flows = map[string]Flow{"sales": f}
		}, "the hook of flows.sales[0].hook can set the tags that steps ask for in too many ways"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := good()
			s.Flows["sales"] = dialling(norwegian)
			test.make(&s)
			s.Invariants = map[string]Invariant{"rule": {TargetsWithin: []string{"NO"}}}
			got := strings.Join(violations(t, s), "\n")
			if test.want == "" && got != "" || test.want != "" && !strings.HasPrefix(got, "invariants.rule cannot be checked: "+test.want) {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// Whatever the table knows, every caller is of a class that is looked at.
func TestEveryNumberIsOfAClass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		heads := rapid.SliceOfNDistinct(rapid.StringMatching(`\+(4[0-9]|1|881)[0-9]{0,4}`), 1, 8, rapid.ID[string])
		all := heads.Draw(t, "prefixes")
		s := guarded()
		s.Lists = map[string]NumberList{
			"one": {Prefixes: all[:1], Numbers: rapid.SliceOfNDistinct(rapid.StringMatching(`\+4[0-9]{9}`), 0, 4, rapid.ID[string]).Draw(t, "numbers")},
			"all": {Prefixes: all},
		}
		table, faults := NewTable(s)
		if faults != nil {
			t.Fatal(faults)
		}
		line, known := table.line(), map[numberClass]bool{}
		for _, n := range line.classes() {
			known[line.class(n)] = true
		}
		digits := strings.TrimPrefix(rapid.SampledFrom(append(all, "+")).Draw(t, "head"), "+") + rapid.StringMatching(`[1-9][0-9]{9}`).Draw(t, "tail")
		n, ok := parseE164(digits)
		if !ok || n.ground() == "" && n.String() == "" {
			t.Skip("no number")
		}
		if !known[line.class(n)] {
			t.Fatalf("nobody stands for %d, which is %+v", n, line.class(n))
		}
	})
}

// exampleOf is checked with each expression when it is read; these have one.
func TestExpressionsHaveExamples(t *testing.T) {
	for _, text := range []string{`^a+$`, `(?i)SPRING`, `[^a]`, `x{3,}y?`, `.`, `^$`, `(a|b)c`, `\d{4}-\d{2}`, `[[:space:]]x`, `\Aq\z`} {
		s := good()
		s.Trunks[0].Headers.In = []string{"X-A"}
		s.Flows = matching(MatchCase{Header: HeaderMatch{Name: "X-A", Matches: text}})
		table, faults := NewTable(s)
		if faults != nil {
			t.Fatal(text, faults)
		}
		if m := table.mentions.headers[0]; m.cannot {
			t.Errorf("%s is not met by %q", text, m.value)
		}
	}
}
