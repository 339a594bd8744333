package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// to is a list of one dial, whose only target tells which branch a call took.
func to(name string) Flow {
	return Flow{{Dial: &Dial{Targets: []Destination{{URI: "sip:" + name + "@127.0.0.1:5090"}}}}}
}

// taken is the branch that a call took, and what was looked at on the way.
func taken(t *testing.T, s Spec, r Request) (name string, looks []string) {
	t.Helper()
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	r.Trunk, r.To = "carrier-a", "+4721000001"
	if r.At.IsZero() {
		r.At = time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)
	}
	d := table.Decide(r)
	for _, l := range d.Trace {
		switch l.What {
		case "schedule", "geo", "match":
			looks = append(looks, l.Result+": "+l.Text)
		}
	}
	ring, ok := d.First.(Ring)
	if !ok {
		return fmt.Sprintf("%T", d.First), looks
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(ring.Targets[0].URI, "sip:"), "@")
	return name, looks
}

func flowing(f Flow) Spec {
	s := good()
	s.Flows = map[string]Flow{"sales": append(f, to("behind")...)}
	return s
}

func TestScheduleBranches(t *testing.T) {
	office := Calendar{Zone: "Europe/Oslo", Open: []OpenHours{{Days: []string{"mon-fri"}, From: "08:00", Until: "16:00"}}, Holidays: []Holiday{{Country: "NO"}}}
	full := &Schedule{Calendar: "office", Open: to("open"), Closed: to("closed"), Holiday: to("holiday")}
	for _, test := range []struct {
		name string
		step *Schedule
		at   string
		want string
		look string
	}{
		{"open", full, "2026-11-16T09:00:00Z", "open", "chosen: calendar office is open: Mon-Fri 08:00 to 16:00 Europe/Oslo, it is Mon 10:00"},
		{"closed", full, "2026-11-16T19:00:00Z", "closed", "chosen: calendar office is closed: none of the hours holds, it is Mon 20:00 in Europe/Oslo"},
		{"holiday", full, "2026-12-25T09:00:00Z", "holiday", "chosen: calendar office is holiday: Christmas Day, it is Fri 25 December 10:00 in Europe/Oslo"},
		{"holidays are closed", &Schedule{Calendar: "office", Open: to("open"), Closed: to("closed")}, "2026-12-25T09:00:00Z", "closed", ""},
		{"a branch without steps", &Schedule{Calendar: "office", Open: to("open")}, "2026-11-16T19:00:00Z", "behind", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := flowing(Flow{{Schedule: test.step}})
			s.Calendars = map[string]Calendar{"office": office}
			at, err := time.Parse(time.RFC3339, test.at)
			if err != nil {
				t.Fatal(err)
			}
			got, looks := taken(t, s, Request{From: "+4791234567", At: at})
			if got != test.want || test.look != "" && strings.Join(looks, "\n") != test.look {
				t.Errorf("took %s, want %s; looked at %q", got, test.want, looks)
			}
		})
	}
}

func TestGeoBranches(t *testing.T) {
	s := flowing(Flow{{Geo: &Geo{
		Cases: []GeoCase{
			{Countries: []string{"SE", "SJ"}, Areas: []string{"oslo"}, Steps: to("first")},
			{Countries: []string{"NO"}, Steps: to("norway")}, {Countries: []string{"CA"}},
		},
		Default: to("world"),
	}}})
	s.Areas = map[string][]string{"oslo": {"+4722"}, "west": {"+472299", "+4755"}}
	for from, want := range map[string]string{
		"+46812345678": "first", "+4779021234": "first", "+4722123456": "first", "+4722991234": "norway", "+4755123456": "norway",
		"+12125550123": "world", "+14165550123": "behind", "anonymous": "world", "": "world", "reception": "world", "+80012345678": "world",
	} {
		got, looks := taken(t, s, Request{From: from})
		if got != want {
			t.Errorf("%s took %s, want %s: %q", from, got, want, looks)
		}
	}
	_, looks := taken(t, s, Request{From: "+4755123456"})
	want := []string{"missed: the caller is of NO, area west, case 1 is for SE, SJ, oslo", "chosen: the caller is of NO, area west: case 2 (NO)"}
	if strings.Join(looks, "\n") != strings.Join(want, "\n") {
		t.Errorf("looked at %q", looks)
	}
	if _, looks = taken(t, s, Request{}); looks[len(looks)-1] != "chosen: the caller has no number: the default" {
		t.Errorf("looked at %q", looks)
	}
	// A caller of whom only the class is known, of a past call.
	class := &CallerClass{Country: "NO", Area: "oslo"}
	if got, _ := taken(t, s, Request{Class: class}); got != "first" {
		t.Errorf("the class took %s", got)
	}
}

func TestMatchConditions(t *testing.T) {
	yes, no := true, false
	const vip, other = "+4791234567", "+4791234568"
	for _, test := range []struct {
		name         string
		c            MatchCase
		holds, fails Request
		missed       string
	}{
		{"prefix", MatchCase{CallerPrefixes: []string{"+479123456", "+4791234567"}}, Request{From: vip}, Request{From: "+4722123456"}, "the caller begins with no prefix of the case"},
		{"country", MatchCase{Countries: []string{"NO"}}, Request{From: vip}, Request{From: "+46812345678"}, "the caller is of SE, not of NO"},
		{"area", MatchCase{Areas: []string{"oslo"}}, Request{From: "+4722123456"}, Request{From: vip}, "the caller is of NO, not in oslo"},
		{"list", MatchCase{Callers: []string{"vip"}}, Request{From: vip}, Request{From: other}, "the caller is not in list vip (1 number); list vip has one whose digit 10 differs"},
		{"not in a list", MatchCase{NotCallers: []string{"vip"}}, Request{From: other}, Request{From: vip}, "the caller is in list vip (1 number)"},
		{"not in a list without a number", MatchCase{NotCallers: []string{"vip"}}, Request{}, Request{From: vip}, "the caller is in list vip (1 number)"},
		{"withheld", MatchCase{Withheld: &yes}, Request{From: vip, Private: true}, Request{From: vip}, "the caller shows his number"},
		{"no number", MatchCase{Withheld: &yes}, Request{From: "anonymous"}, Request{From: vip}, "the caller shows his number"},
		{"shown", MatchCase{Withheld: &no}, Request{From: vip}, Request{From: vip, Private: true}, "the caller withholds his number"},
		{"verstat", MatchCase{Verstat: []string{"TN-Validation-Passed"}}, Request{From: vip, Attested: Attested{Verstat: "TN-Validation-Passed"}},
			Request{From: vip, Attested: Attested{Verstat: "TN-Validation-Failed"}}, "verstat is TN-Validation-Failed, not TN-Validation-Passed"},
		{"attestation", MatchCase{Attestation: []string{"A", "B"}}, Request{From: vip, Attested: Attested{Attest: "B"}}, Request{From: vip}, "the attestation is none, not A, B"},
		{"trunk", MatchCase{Trunks: []string{"carrier-a"}}, Request{From: vip}, Request{}, ""},
		{"attribution", MatchCase{Attribution: map[string]string{"source": "ads"}}, Request{From: vip}, Request{}, ""},
		{"another attribution", MatchCase{Attribution: map[string]string{"source": "tv"}}, Request{}, Request{From: vip}, "attribution source is another"},
		{"tags", MatchCase{Tags: map[string]string{"language": "en"}}, Request{}, Request{From: vip}, "there is no tag language"},
		{"header", MatchCase{Header: HeaderMatch{Name: "x-campaign"}}, Request{Headers: map[string]string{"X-Campaign": ""}}, Request{}, "there is no header x-campaign"},
		{"header equals", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Equals: "a b"}}, Request{Headers: map[string]string{"X-Campaign": "a b"}},
			Request{Headers: map[string]string{"X-Campaign": "a"}}, "header X-Campaign is another"},
		{"header contains", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Contains: "b"}}, Request{Headers: map[string]string{"X-Campaign": "abc"}},
			Request{Headers: map[string]string{"X-Campaign": "ac"}}, "header X-Campaign is another"},
		{"header prefix", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Prefix: "b"}}, Request{Headers: map[string]string{"X-Campaign": "bc"}},
			Request{Headers: map[string]string{"X-Campaign": "ab"}}, "header X-Campaign is another"},
		{"header matches", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Matches: `^sp(ring)?-\d+$`}}, Request{Headers: map[string]string{"X-Campaign": "spring-26"}},
			Request{Headers: map[string]string{"X-Campaign": "autumn-26"}}, "header X-Campaign is another"},
		{"two conditions", MatchCase{Countries: []string{"NO"}, Withheld: &yes}, Request{From: vip, Private: true}, Request{From: vip}, "all holds but that the caller shows his number"},
		{"neither", MatchCase{Countries: []string{"SE"}, Withheld: &yes}, Request{From: "+46812345678", Private: true}, Request{From: vip},
			"the caller is of NO, not of SE; the caller shows his number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.c.Steps = to("case")
			s := flowing(Flow{{Match: &Match{Cases: []MatchCase{test.c}, Default: to("default")}}})
			s.Trunks[0].Headers.In = []string{"X-Campaign"}
			s.Areas = map[string][]string{"oslo": {"+4722"}}
			s.Lists = map[string]NumberList{"vip": {Numbers: []string{vip}}}
			if got, looks := taken(t, s, test.holds); got != "case" && test.holds.From+test.name != "another attribution" && test.name != "tags" {
				t.Errorf("took %s: %q", got, looks)
			}
			if test.missed == "" {
				return
			}
			got, looks := taken(t, s, test.fails)
			if got != "default" || looks[0] != "missed: case 1: "+test.missed || looks[1] != "chosen: no case: the default" {
				t.Errorf("took %s: %q", got, looks)
			}
		})
	}
}

// What a past call's events tell of its caller decides as his number would,
// where the table is the same; and what was assumed of it is said.
func TestClassDecidesAsTheNumber(t *testing.T) {
	cases := []MatchCase{
		{Callers: []string{"vip"}, Steps: to("vip")}, {Withheld: new(true), Steps: to("withheld")},
		{Areas: []string{"oslo"}, Steps: to("oslo")}, {Countries: []string{"SE"}, Steps: to("sweden")},
	}
	s := flowing(Flow{{Match: &Match{Cases: cases}}})
	s.Areas = map[string][]string{"oslo": {"+4722"}}
	s.Lists = map[string]NumberList{"vip": {Prefixes: []string{"+4791"}}}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	for _, r := range []Request{{From: "+4791234567"}, {From: "+4722123456", Private: true}, {From: "+4722123456"}, {From: "+46812345678"}, {From: "anonymous"}, {From: "+12125550123"}} {
		want, _ := taken(t, s, r)
		class := table.Class(r.From, r.Private)
		if got, _ := taken(t, s, Request{Class: &class}); got != want {
			t.Errorf("%s: by the class %s, by the number %s", r.From, got, want)
		}
	}
	class := table.Class("+4722123456", false)
	d := table.Decide(Request{Trunk: "carrier-a", To: "+4721000001", Class: &class})
	if got, want := strings.Join(d.Walk.Assumed(), ", "), "whether the caller is in list vip, the area of the caller"; got != want {
		t.Errorf("assumed %q, want %q", got, want)
	}
	if d = table.Decide(Request{Trunk: "carrier-a", To: "+4721000001", From: "+4722123456"}); len(d.Walk.Assumed()) != 0 {
		t.Errorf("assumed %q of a number", d.Walk.Assumed())
	}
}

// The attribution of a call is its pool's, and over it its number's.
func TestMatchSeesThePoolsAttribution(t *testing.T) {
	for _, c := range []struct {
		name   string
		number TrackingNumber
		want   string
	}{
		{"listed by the pool alone", TrackingNumber{}, "ads"},
		{"with a line of its own", TrackingNumber{Number: "+4721000001", Pool: "shared"}, "ads"},
		{"that says otherwise", TrackingNumber{Number: "+4721000001", Pool: "shared", Attribution: map[string]string{"source": "tv"}}, "other"},
	} {
		s := good()
		s.Flows = map[string]Flow{"sales": {{Match: &Match{Cases: []MatchCase{{Attribution: map[string]string{"source": "ads"}, Steps: to("ads")}}, Default: to("other")}}}}
		pool := Pool{Account: "demo", Flow: "sales", Attribution: map[string]string{"source": "ads"}}
		if s.Numbers = nil; c.number.Number == "" {
			pool.Numbers = []string{"+4721000001"}
		} else {
			s.Numbers = []TrackingNumber{c.number}
		}
		s.Pools = map[string]Pool{"shared": pool}
		if got, looks := taken(t, s, Request{From: "+4791234567"}); got != c.want {
			t.Errorf("a number %s took %s, want %s; looked at %q", c.name, got, c.want, looks)
		}
	}
}
