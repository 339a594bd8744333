package call

import (
	"testing"
	"time"

	"ringdown/routing"
)

// ringingTogether is a machine that rings targets of these ring times at once.
func ringingTogether(t *testing.T, times ...time.Duration) (*machine, []action) {
	t.Helper()
	set := defaultSetup()
	r := routing.Ring{Together: true, Redial: true, Failover: hunting}
	for _, d := range times {
		target := set.decision.Targets[0]
		target.Timeout = d
		r.Targets = append(r.Targets, target)
	}
	set.decision.Targets, set.decision.First = r.Targets, r
	m := newMachine(set.invite, nil, time.Hour, func() string { return "leg" })
	m.step("", Started{At{zero}})
	m.step("", Routed{At: At{zero}, Decision: set.decision})
	out, known := m.step("", Offer{At{zero}, []byte("o"), nil})
	if !known || m.state != ringing {
		t.Fatalf("in state %s", m.state)
	}
	return m, out
}

// TestSixteenAtMost: of more targets than may ring together the others wait until one
// of these gives up.
func TestSixteenAtMost(t *testing.T) {
	m, out := ringingTogether(t, make([]time.Duration, 18)...)
	for i := range m.attempts {
		m.attempts[i].deadline = zero.Add(time.Minute)
	}
	if n := dials(out); n != maxTogether {
		t.Fatalf("%d are rung at once", n)
	}
	for i, want := range []int{1, 1, 0} {
		out, _ := m.step(bLeg(i+1), Failed{At{zero.Add(time.Second)}, Cause{Status: 486, Remote: true}})
		if n := dials(out); n != want {
			t.Errorf("after failure %d: %d more", i+1, n)
		}
	}
	if n := len(m.attempts); n != 15 {
		t.Errorf("%d ring", n)
	}
}

// TestEachItsRingTime: the one timer goes off for whoever has rung long enough, and
// for nobody else.
func TestEachItsRingTime(t *testing.T) {
	m, out := ringingTogether(t, 20*time.Second, 10*time.Second, 10*time.Second, 30*time.Second)
	armed := time.Duration(0)
	arms := func(out []action) {
		for _, a := range out {
			if timer, ok := a.(doTimer); ok && timer.timer == timerRing {
				armed = timer.after
			}
		}
	}
	arms(out)
	if armed != 10*time.Second {
		t.Fatalf("armed for %s", armed)
	}
	out, _ = m.step("", Timeout{At{zero.Add(9 * time.Second)}, timerRing}) // of before, fired while it was set anew
	if len(out) != 0 || len(m.attempts) != 4 {
		t.Errorf("%d actions, %d ring", len(out), len(m.attempts))
	}
	for _, c := range []struct {
		at    time.Duration
		left  int
		armed time.Duration
	}{{10 * time.Second, 2, 10 * time.Second}, {20 * time.Second, 1, 10 * time.Second}} {
		out, _ = m.step("", Timeout{At{zero.Add(c.at)}, timerRing})
		arms(out)
		if len(m.attempts) != c.left || armed != c.armed {
			t.Errorf("after %s: %d ring, armed for %s", c.at, len(m.attempts), armed)
		}
	}
	if m.step("", Timeout{At{zero.Add(30 * time.Second)}, timerRing}); m.state != ended || m.status != "no-answer" {
		t.Errorf("in the end %s, %s", m.state, m.status)
	}
	if n := len(m.flow.trials); n != 4 || m.flow.trials[0].Target != 1 {
		t.Errorf("the walk is told %+v", m.flow.trials)
	}
}

// TestRedirectedCountsForWhoRedirected: the walk hears of its own targets only.
func TestRedirectedCountsForWhoRedirected(t *testing.T) {
	m, _ := ringingTogether(t, time.Minute, time.Minute)
	m.decision.Targets[0].Redirect = routing.Redirection{Follow: 1, Names: []string{"elsewhere.test"}}
	at := At{zero.Add(time.Second)}
	m.step("b1", Failed{at, Cause{Status: 302, Remote: true, Redirect: &Redirected{To: []string{"sip:x@elsewhere.test", "sip:y@elsewhere.test"}}}})
	for leg, status := range map[LegID]int{"b2": 480, "b3": 486, "b4": 503} {
		m.step(leg, Failed{at, Cause{Status: status, Remote: true}})
	}
	got := map[routing.Trial]bool{}
	for _, trial := range m.flow.trials {
		got[trial] = true
	}
	for _, want := range []routing.Trial{{Target: 1, Result: routing.NoAnswer}, {Target: 0, Result: routing.Busy}, {Target: 0, Result: routing.Unreachable}} {
		if !got[want] || len(got) != 3 {
			t.Errorf("the walk is told %+v, without %+v", m.flow.trials, want)
		}
	}
}
