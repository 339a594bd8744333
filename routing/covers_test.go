package routing

import (
	"strings"
	"testing"
)

// A case that an earlier one takes all calls of is a fault; one that any call can
// come to is none.
func TestCoveredCases(t *testing.T) {
	yes, no := true, false
	tag := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name          string
		first, second MatchCase
		covered       bool
	}{
		{"the same", MatchCase{Countries: []string{"NO"}}, MatchCase{Countries: []string{"NO"}}, true},
		{"more conditions", MatchCase{Countries: []string{"NO"}}, MatchCase{Countries: []string{"NO"}, CallerPrefixes: []string{"+4722"}}, true},
		{"fewer conditions", MatchCase{Countries: []string{"NO"}, Withheld: &no}, MatchCase{Countries: []string{"NO"}}, false},
		{"fewer countries", MatchCase{Countries: []string{"NO", "SE"}}, MatchCase{Countries: []string{"SE"}}, true},
		{"more countries", MatchCase{Countries: []string{"SE"}}, MatchCase{Countries: []string{"NO", "SE"}}, false},
		{"another condition", MatchCase{Countries: []string{"NO"}}, MatchCase{CallerPrefixes: []string{"+47"}}, false},
		{"longer prefixes", MatchCase{CallerPrefixes: []string{"+47", "+46"}}, MatchCase{CallerPrefixes: []string{"+4722", "+468"}}, true},
		{"a shorter prefix", MatchCase{CallerPrefixes: []string{"+4722"}}, MatchCase{CallerPrefixes: []string{"+47"}}, false},
		{"an exception less", MatchCase{NotCallers: []string{"vip"}}, MatchCase{NotCallers: []string{"vip", "old"}}, true},
		{"an exception more", MatchCase{NotCallers: []string{"vip", "old"}}, MatchCase{NotCallers: []string{"vip"}}, false},
		{"a list less", MatchCase{Callers: []string{"vip", "old"}}, MatchCase{Callers: []string{"old"}}, true},
		{"who withholds", MatchCase{Withheld: &yes}, MatchCase{Withheld: &yes, Trunks: []string{"carrier-a"}}, true},
		{"who does not", MatchCase{Withheld: &yes}, MatchCase{Withheld: &no}, false},
		{"attestation", MatchCase{Attestation: []string{"A", "B"}}, MatchCase{Attestation: []string{"A"}, Verstat: []string{verstatPassed}}, true},
		{"more tags", MatchCase{Tags: tag("a", "b")}, MatchCase{Tags: tag("a", "b", "c", "d")}, true},
		{"fewer tags", MatchCase{Tags: tag("a", "b", "c", "d")}, MatchCase{Tags: tag("a", "b")}, false},
		{"another value", MatchCase{Attribution: tag("a", "b")}, MatchCase{Attribution: tag("a", "c")}, false},
		{"a header at all", MatchCase{Header: HeaderMatch{Name: "X-Campaign"}}, MatchCase{Header: HeaderMatch{Name: "x-campaign", Equals: "a"}}, true},
		{"a value of it", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Equals: "a"}}, MatchCase{Header: HeaderMatch{Name: "X-Campaign"}}, false},
		{"the same value", MatchCase{Header: HeaderMatch{Name: "X-Campaign", Prefix: "a"}}, MatchCase{Header: HeaderMatch{Name: "X-Campaign", Prefix: "a"}, Trunks: []string{"carrier-a"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			s.Trunks[0].Headers.In = []string{"X-Campaign"}
			s.Lists = map[string]NumberList{"vip": {Prefixes: []string{"+4791"}}, "old": {Prefixes: []string{"+4722"}}}
			c.first.Steps, c.second.Steps = to("first"), to("second")
			s.Flows["sales"] = Flow{{Match: &Match{Cases: []MatchCase{c.first, c.second}, Default: to("default")}}}
			_, faults := NewTable(s)
			switch {
			case !c.covered && faults != nil:
				t.Errorf("faults: %v", faults)
			case c.covered && (len(faults) != 1 || faults[0].Path != "flows.sales[0].match.cases[1]" || !strings.Contains(faults[0].Msg, "cases[0] takes every call")):
				t.Errorf("faults: %v", faults)
			}
		})
	}
}
