package call

import (
	"slices"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// flowed is a machine whose call walks a flow of dial steps, one URI each.
func flowed(t *testing.T, limits routing.Limits, uris ...string) *machine {
	t.Helper()
	var steps routing.Flow
	for _, uri := range uris {
		steps = append(steps, routing.Step{Dial: &routing.Dial{Timeout: routing.Seconds(20), Targets: []routing.Destination{{URI: uri}}}})
	}
	table, faults := routing.NewTable(routing.Spec{
		Trunks:   []routing.Trunk{{ID: "carrier", Sources: []string{"127.0.0.0/8"}, NumberFormat: routing.NumberFormat{Country: "NO"}}},
		Accounts: []routing.Account{{ID: "demo"}},
		Numbers:  []routing.TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales", Limits: limits}},
		Flows:    map[string]routing.Flow{"sales": steps},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	set := defaultSetup()
	m := newMachine(set.invite, nil, time.Hour, func() string { return "leg" })
	m.step("", Started{At{zero}})
	m.step("", Routed{At: At{zero}, Decision: table.Decide(routing.Request{Trunk: "carrier", To: "21000001"})})
	m.step("", Offer{At{zero}, []byte("o"), nil})
	return m
}

// dials are the targets that actions dial.
func dials(out []action) (n int) {
	for _, a := range out {
		if _, ok := a.(doDial); ok {
			n++
		}
	}
	return n
}

// What may ring for 30 s is rung by its first step and by some of its second; its
// third is not begun, and what comes behind the dial steps goes on.
func TestRingLimitHoldsForAllStepsTogether(t *testing.T) {
	m := flowed(t, routing.Limits{Ring: routing.Seconds(30)}, "sip:a@127.0.0.1", "sip:b@127.0.0.1", "sip:c@127.0.0.1")
	at := func(s int) At { return At{zero.Add(time.Duration(s) * time.Second)} }
	if out, _ := m.step("", Timeout{at(20), timerRing}); dials(out) != 1 {
		t.Fatalf("the second step is not begun: %v", out)
	}
	out, known := m.step("", Timeout{at(30), timerRings})
	if !known || dials(out) != 0 || m.state != ended {
		t.Fatalf("the call goes on, in %s: %v", m.state, out)
	}
	i := slices.IndexFunc(out, func(a action) bool { p, ok := a.(doPublish); return ok && p.kind == events.LegFailed })
	if d := out[i].(doPublish).data.(events.LegFailedData); d.Reason != ReasonRingLimit || d.Limit != limitNumber {
		t.Errorf("told as %+v", d)
	}
}

// Who joins a call by a transfer bounds it from then on, if that is sooner.
func TestNewcomerBoundsTheTalk(t *testing.T) {
	m := machineIn(t, inProgress)
	at := func(s int) time.Time { return zero.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct{ joins, may, until int }{{10, 60, 70}, {20, 60, 70}, {30, 20, 50}, {40, 0, 50}} {
		m.out = nil
		m.boundTalk(at(c.joins), &leg{origin: origin{talk: routing.Span{For: time.Duration(c.may) * time.Second, Of: limitDestination}}})
		if !m.spans.talkUntil.Equal(at(c.until)) || m.spans.talkOf != limitDestination {
			t.Errorf("who joins at %d for %d: until %s", c.joins, c.may, m.spans.talkUntil)
		}
	}
	if m.step("", Timeout{At{at(49)}, timerMax}); m.state != inProgress {
		t.Error("a timer of before ends the call")
	}
	if m.step("", Timeout{At{at(50)}, timerMax}); m.state != ended || m.final.Limit != limitDestination || m.final.EndedBy != string(ByLimit) {
		t.Errorf("in %s: %+v", m.state, m.final)
	}
}
