package routing

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A menu that is come back to is asked as if for the first time, and a counter-
// example is a short one.
func TestMenuThatIsComeBackTo(t *testing.T) {
	s := good()
	s.Accounts[0].Recording = RecordingPolicy{Mode: DoNotRecord}
	s.Flows = map[string]Flow{"sales": {{Menu: &Menu{Played: Played{Prompt: "press-1"}, Options: map[Keys]Flow{
		"1": {{Recording: &RecordingPolicy{Mode: RecordFromAnswer}}, {Redirect: &Redirected{Flow: "sales"}}},
		"9": dialling(norwegian),
	}, Default: Flow{{Hangup: &Hangup{}}}}}}}
	s.Invariants = map[string]Invariant{"rule": {RecordedOnly: ConsentOptIn}}
	got := strings.Join(violations(t, s), "\n")
	if want := ", 1 is pressed in flows.sales[0].menu, then 9 is pressed in flows.sales[0].menu: the talk is recorded"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A caller who is sent about more often than a call may be has come to nothing.
func TestRedirectedTooOften(t *testing.T) {
	s := good()
	s.Flows = map[string]Flow{"sales": {{Menu: &Menu{Played: Played{Prompt: "press-1"}, Options: map[Keys]Flow{
		"1": {{Redirect: &Redirected{Flow: "sales"}}},
	}, Default: dialling(norwegian)}}}}
	s.Invariants = map[string]Invariant{"rule": {Reaches: []string{ReachTarget}}}
	got := strings.Join(violations(t, s), "\n")
	if strings.Count(got, "1 is pressed") != maxJumps+1 || !strings.Contains(got, "the flow is through without having come to a target") {
		t.Errorf("got\n%s", got)
	}
}

// A hook may choose each of its flows, set the tags that steps ask for and name
// somebody; whom, is its owner's.
func TestWhatAHookMaySay(t *testing.T) {
	hook := func(flows ...string) Step {
		return Step{Hook: &Hook{URL: "https://hooks.example/x", Flows: flows}}
	}
	for _, test := range []struct {
		name  string
		flows map[string]Flow
		which Invariant
		want  string // empty: it holds
	}{
		{"a flow", map[string]Flow{"sales": {hook("abroad"), dialling(norwegian)[0]}, "abroad": dialling(swedish)}, Invariant{TargetsWithin: []string{"NO"}},
			", the hook of flows.sales[0].hook says flow abroad: flows.abroad[0].dial rings"},
		{"two tags", map[string]Flow{"sales": append(Flow{hook()}, matching(MatchCase{Tags: map[string]string{"vip": "yes", "team": "b"}})["sales"]...)}, Invariant{TargetsWithin: []string{"NO"}},
			", the hook of flows.sales[0].hook names nobody with the tag team = b with the tag vip = yes: flows.sales[1].match"},
		{"a tag that it cannot set", map[string]Flow{"sales": append(Flow{hook()}, matching(MatchCase{Tags: map[string]string{"vip": "Yes, indeed"}})["sales"]...)}, Invariant{TargetsWithin: []string{"NO"}}, ""},
		{"somebody who is recorded", map[string]Flow{"sales": {hook(), {Hangup: &Hangup{}}}}, Invariant{RecordedOnly: ConsentOptIn},
			", the hook of flows.sales[0].hook names a destination: the talk is recorded"},
		{"somebody of whom nobody knows", map[string]Flow{"sales": {hook(), dialling(norwegian)[0]}}, Invariant{TargetsWithin: []string{"NO"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := good()
			s.Flows = test.flows
			s.Invariants = map[string]Invariant{"rule": test.which}
			got := strings.Join(violations(t, s), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// What is resumed was begun under the policy of before, whatever holds now.
func TestResumedWithoutConsent(t *testing.T) {
	flow := func(order string, now RecordingPolicy) Flow {
		return append(append(dialling(norwegian), Step{Recording: &now}, Step{Record: &order}), dialling(norwegian)...)
	}
	table := func(f Flow) *Table {
		s := good()
		s.Flows = map[string]Flow{"sales": f}
		s.Invariants = map[string]Invariant{"rule": {RecordedOnly: ConsentAnnounced}}
		made, faults := NewTable(s)
		if faults != nil {
			t.Fatal(faults)
		}
		return made
	}
	for _, test := range []struct {
		order string
		want  bool
	}{{"resume", true}, {"pause", false}} {
		made := table(flow(test.order, RecordingPolicy{Mode: RecordFromAnswer, Consent: ConsentOptIn}))
		var broken string
		e := explorer{left: maxLooks, tags: made.mentions.replied(), visit: func(m moment) bool {
			if _, is := m.next.(Control); is {
				broken = made.invariants[0].unasked(m)
			}
			return false
		}}
		d := made.Decide(Request{Trunk: "carrier-a", From: "+4740000012", To: "+4721000001", At: thisYear})
		e.explore(moment{walk: d.Walk, next: d.First}, thisYear)
		if (broken != "") != test.want {
			t.Errorf("%s: %q", test.order, broken)
		}
	}
}

// No walk, whatever becomes of its instructions, comes to anything that the
// exploration has not come to.
func TestEveryWalkIsExplored(t *testing.T) {
	s := good()
	s.Flows = map[string]Flow{
		"sales": {
			{Menu: &Menu{Played: Played{Prompt: "recording-notice"}, Tries: 2, Options: map[Keys]Flow{
				"1":  {{Consent: new(OptIn)}, {Redirect: &Redirected{Flow: "sales"}}},
				"2":  {{Recording: &RecordingPolicy{Mode: OnDemand}}, {Tag: map[string]string{"team": "b"}}},
				"33": {{Hook: &Hook{URL: "https://hooks.example/x", Flows: []string{"late"}}}},
			}}},
			{Match: &Match{Cases: []MatchCase{{Tags: map[string]string{"team": "b"}, Steps: dialling(norwegian)}}}},
			{Dial: &Dial{Targets: []Destination{{Number: swedish, Trunk: "carrier-b"}}}},
			{Survey: &Survey{}},
			{Redirect: &Redirected{Flow: "late"}},
		},
		"late": {
			{Greeting: &Greeting{Played: Played{Prompt: "closed"}, Notice: true}},
			{Dial: &Dial{Targets: []Destination{{Number: norwegian, Trunk: "carrier-b"}}, Failover: []string{"busy"}}},
			{Menu: &Menu{Played: Played{Prompt: "press-1"}, Tries: 1, Options: map[Keys]Flow{"1": {{Voicemail: &Voicemail{}}}, "2": {{Redirect: &Redirected{Flow: "sales"}}}}}},
		},
	}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	decide := func() moment {
		d := table.Decide(Request{Trunk: "carrier-a", From: "+4740000012", To: "+4721000001", At: thisYear})
		return moment{walk: d.Walk, next: d.First}
	}
	shown := func(m moment) string {
		return fmt.Sprintf("%T %s %s %s %v", m.next, StepOf(m.next), m.walk.Consent(), m.walk.Recording().Mode, m.walk.Tags())
	}
	seen := map[string]bool{}
	e := explorer{left: maxLooks, tags: table.mentions.replied()}
	e.visit = func(m moment) bool { seen[shown(m)] = true; return false }
	e.explore(decide(), thisYear)
	if e.left < 0 || e.cannot != "" {
		t.Fatalf("%d left, %s", e.left, e.cannot)
	}
	t.Logf("%d states by %d instructions", len(seen), maxLooks-e.left)
	rapid.Check(t, func(t *rapid.T) {
		for m := decide(); ; {
			if !seen[shown(m)] {
				t.Fatalf("not explored: %s", shown(m))
			}
			ways := e.outcomes(m, thisYear)
			if len(ways) == 0 {
				return
			}
			m.next = m.walk.Next(ways[rapid.IntRange(0, len(ways)-1).Draw(t, "way")].outcome)
		}
	})
}
