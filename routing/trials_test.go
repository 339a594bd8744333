package routing

import "testing"

// A dialling that somebody's answer ends leaves those behind him untried: a later
// step rings them, for explain and the invariants as for a call.
func TestTourEndsADiallingWhereTheMachineDoes(t *testing.T) {
	for _, c := range []struct {
		name     string
		strategy string
		failover []string
		answer   string
		want     string // whether b is rung again in the step behind
	}{
		{"declined ends it", Sequential, []string{"no-answer"}, "declined", "flows.sales[1].dial"},
		{"declined does not", Sequential, nil, "declined", ""},
		{"busy is one of several", Simultaneous, []string{"no-answer"}, "busy", ""},
		{"declined speaks for all", Simultaneous, []string{"no-answer"}, "declined", "flows.sales[1].dial"},
	} {
		s := good()
		first, second := dialOf(c.strategy, "a", "b"), dialOf(Sequential, "b")
		first.Dial.Redial, second.Dial.Redial, first.Dial.Failover = false, false, c.failover
		s.Flows = map[string]Flow{"sales": {first, second}}
		d := mustTable(t, s).Decide(Request{Trunk: "carrier-a", From: "+4791234567", To: "+4721000001", At: thisYear})
		v := d.Tour(Assume{Answers: []string{c.answer}}, thisYear)
		if len(v.Ways) != 1 || v.Ways[0].Then == nil {
			t.Fatalf("%s: %+v", c.name, v)
		}
		if then := v.Ways[0].Then; then.Step != c.want || (len(then.Targets) == 1) != (c.want != "") {
			t.Errorf("%s: then %q, %d targets, want %q", c.name, then.Step, len(then.Targets), c.want)
		}
	}
}
