package routing

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var thisYear = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// guarded is an office with hours and a holiday, which red-days writes down for
// the invariants to go by.
func guarded() Spec {
	s := good()
	s.Calendars = map[string]Calendar{
		"office":   {Zone: "Europe/Oslo", Open: []OpenHours{{Days: []string{"mon-fri"}, From: "08:00", Until: "16:00"}}, Holidays: []Holiday{{Yearly: "12-24"}}},
		"red-days": {Zone: "Europe/Oslo", Open: []OpenHours{{From: "00:00", Until: "24:00"}}, Holidays: []Holiday{{Yearly: "12-24"}}},
	}
	s.Areas = map[string][]string{"berlin": {"+4930"}}
	s.Accounts[0].Recording = RecordingPolicy{Mode: RecordFromAnswer}
	s.Flows = map[string]Flow{
		"sales": {{Schedule: &Schedule{Calendar: "office",
			Open:   Flow{{Geo: &Geo{Cases: []GeoCase{{Countries: []string{"DE"}, Steps: to("germans")}}, Default: dialling("+4791234567")}}},
			Closed: dialling("+46812345678"),
		}}},
	}
	return s
}

func dialling(number string) Flow {
	return Flow{{Dial: &Dial{Targets: []Destination{{Number: number, Trunk: "carrier-b"}}}}}
}

// violations are those of a Spec, without their paths; all of it must be right
// otherwise.
func violations(t interface {
	Helper()
	Fatal(...any)
}, s Spec) (all []string) {
	t.Helper()
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	for _, f := range table.Violations(thisYear) {
		all = append(all, f.Path+" "+f.Msg)
	}
	return all
}

func TestInvariants(t *testing.T) {
	for _, test := range []struct {
		name  string
		which Invariant
		spoil func(*Spec)
		want  string // empty: it holds
	}{
		{"targets within", Invariant{TargetsWithin: []string{"NO", "SE"}}, nil, ""},
		{"a target abroad", Invariant{TargetsWithin: []string{"NO"}}, nil,
			"a caller of DE (+49*****22) calls +47*****01 of account demo by trunk carrier-a at Mon 2026-06-01 00:00Z: flows.sales[0].schedule.closed[0].dial rings +46*****78, which is of SE, not of NO"},
		{"reached at any hour", Invariant{Reaches: []string{ReachTarget}}, nil, ""},
		{"lost target", Invariant{Reaches: []string{ReachTarget, ReachVoicemail}}, func(s *Spec) { s.Flows["sales"][0].Schedule.Closed = nil },
			"by trunk carrier-a at Mon 2026-06-01 00:00Z: the flow is through without having come to a target or voicemail"},
		{"holiday", Invariant{When: InvariantWhen{Calendar: "red-days", State: CalendarHoliday}, TargetsWithin: []string{"SE"}}, nil, ""},
		{"holiday off by one", Invariant{When: InvariantWhen{Calendar: "red-days", State: CalendarHoliday}, TargetsWithin: []string{"SE"}},
			func(s *Spec) {
				c := s.Calendars["office"]
				c.Holidays = []Holiday{{Yearly: "12-23"}}
				s.Calendars["office"] = c
			},
			"at Thu 2026-12-24 07:00Z: flows.sales[0].schedule.open[0].geo.default[0].dial rings +47*****67, which is of NO, not of SE"},
		{"never recorded", Invariant{When: InvariantWhen{Withheld: new(true)}, RecordedOnly: "never"}, nil,
			"a caller without a number calls +47*****01 of account demo by trunk carrier-a at Mon 2026-06-01 00:00Z: the talk is recorded (record-from-answer, dual, on failure continue-unrecorded) with no consent, where it takes never"},
		{"not recorded at all", Invariant{RecordedOnly: "opt-in"}, func(s *Spec) { s.Numbers[0].Recording.Mode = DoNotRecord }, ""},
		{"rings nobody", Invariant{When: InvariantWhen{Countries: []string{"DE"}}, RingsNobody: true}, nil, "a caller of DE (+49*****22) calls +47*****01 of account demo by trunk carrier-a at Mon 2026-06-01 00:00Z: flows.sales[0].schedule.closed[0].dial rings +46*****78"},
		{"about another account", Invariant{When: InvariantWhen{Accounts: []string{"other"}}, RingsNobody: true}, func(s *Spec) { s.Accounts = append(s.Accounts, Account{ID: "other"}) }, ""},
		{"about another list", Invariant{When: InvariantWhen{Callers: []string{"vip"}}, TargetsWithin: []string{"NO"}},
			func(s *Spec) {
				s.Lists = map[string]NumberList{"vip": {Numbers: []string{"+4740000012"}}}
				s.Flows["sales"] = append(Flow{{Match: &Match{Cases: []MatchCase{{Callers: []string{"vip"}, Steps: dialling("+4791234567")}}}}}, s.Flows["sales"]...)
			},
			"a caller of NO (+47*****12) calls +47*****01 of account demo by trunk carrier-a at Mon 2026-06-01 00:00Z, nobody answers flows.sales[0].match.cases[0].steps[0].dial: flows.sales[1].schedule.closed[0].dial rings"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := guarded()
			if test.spoil != nil {
				test.spoil(&s)
			}
			s.Invariants = map[string]Invariant{"rule": test.which}
			got := strings.Join(violations(t, s), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if test.want != "" && !strings.HasPrefix(got, "invariants.rule does not hold: a caller") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Each of the moments shows the calendars as none of the others does, and any
// instant of the year shows them as one of these.
func TestMomentsStandForTheYear(t *testing.T) {
	s := guarded()
	s.Calendars["night"] = Calendar{Zone: "Australia/Lord_Howe", Open: []OpenHours{{From: "22:00", Until: "05:30"}}}
	s.Flows["sales"] = append(s.Flows["sales"], Step{Schedule: &Schedule{Calendar: "night", Open: to("night")}})
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	states := func(at time.Time) (all string) {
		for _, id := range []string{"night", "office", "red-days"} {
			state, _ := table.calendars[id].at(at)
			all += state + " "
		}
		return all
	}
	known := map[string]bool{}
	for _, at := range within(table.constellations(thisYear, thisYear.AddDate(1, 0, 0)), thisYear.Unix(), thisYear.AddDate(1, 0, 0).Unix(), map[string]bool{}) {
		if known[states(at)] {
			t.Errorf("%s shows nothing new", at)
		}
		known[states(at)] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		at := thisYear.Add(time.Duration(rapid.Int64Range(0, 365*24*3600).Draw(t, "second")) * time.Second)
		if !known[states(at)] {
			t.Fatalf("at %s the calendars are %s, which no moment shows", at, states(at))
		}
	})
}

// A caller is of the class that he is made for.
func TestCallersAreOfTheirClass(t *testing.T) {
	s := guarded()
	s.Areas = map[string][]string{"berlin": {"+4930"}, "mitte": {"+493022", "+493023"}, "spandau": {"+4930225"}}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	line := table.line()
	for head, iso := range grounds().of {
		if n := line.within(head); n != 0 && n.ground() != iso {
			t.Errorf("%s is shown by a number of %q", iso, n.ground())
		}
	}
	for head, id := range table.areas.of {
		if got, _ := table.areas.find(line.within(head)); got != id {
			t.Errorf("%s is shown by a number of %q", id, got)
		}
	}
}

// asking is a flow that asks callers of Berlin and Hamburg for their consent.
func asking(areas ...string) Spec {
	s := good()
	s.Accounts[0].Recording = RecordingPolicy{Mode: RecordFromAnswer}
	s.Areas = map[string][]string{"berlin": {"+4930"}, "hamburg": {"+4940"}}
	ask := Flow{
		{Menu: &Menu{Played: Played{Prompt: "recording-notice"}, Options: map[Keys]Flow{"1": {{Consent: new(OptIn)}}, "2": {{Consent: new(OptOut)}}},
			Default: Flow{{Recording: &RecordingPolicy{Mode: DoNotRecord}}}}},
	}
	s.Flows = map[string]Flow{"sales": append(Flow{{Geo: &Geo{Cases: []GeoCase{{Areas: areas, Steps: ask}}}}}, to("desk")...)}
	s.Invariants = map[string]Invariant{"germans-are-asked": {When: InvariantWhen{Countries: []string{"DE"}, Callers: []string{"germans"}}, RecordedOnly: ConsentOptIn}}
	s.Lists = map[string]NumberList{"germans": {Prefixes: []string{"+4930", "+4940"}}}
	return s
}

// The consent that was dropped for one prefix is found.
func TestConsentDropped(t *testing.T) {
	if got := violations(t, asking("berlin", "hamburg")); len(got) > 0 {
		t.Errorf("all are asked: %q", got)
	}
	got := strings.Join(violations(t, asking("berlin")), "\n")
	want := "invariants.germans-are-asked does not hold: a caller of DE (+49*****22) calls +47*****01 of account demo by trunk carrier-a at Mon 2026-06-01 00:00Z: " +
		"the talk is recorded (record-from-answer, dual, on failure continue-unrecorded) with no consent, where it takes opt-in"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A change of some numbers needs only these to be looked at.
func TestViolationsOfSomeNumbers(t *testing.T) {
	s := guarded()
	s.Flows["abroad"] = dialling("+33123456789")
	s.Numbers = append(s.Numbers, TrackingNumber{Number: "+4721000002", Account: "demo", Flow: "abroad"})
	s.Invariants = map[string]Invariant{"rule": {TargetsWithin: []string{"NO", "SE"}}}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	for _, test := range []struct {
		only []string
		want int
	}{{nil, 1}, {[]string{"+4721000001"}, 0}, {[]string{"+4721000002"}, 1}, {[]string{"+4721000001", "+4721000002"}, 1}, {[]string{"+4721000009"}, 0}} {
		if got := table.Violations(thisYear, test.only...); len(got) != test.want {
			t.Errorf("%q: %v", test.only, got)
		}
	}
}
