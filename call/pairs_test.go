package call

import (
	"reflect"
	"testing"
	"time"

	"ringdown/routing"
)

// signalNames are all signals there are; TestEverySignalNamed holds it complete.
var signalNames = map[string]string{
	"Started": "started", "Verified": "verified", "Routed": "routed", "Offer": "offer", "Ringing": "ringing", "Answered": "answered",
	"Forked": "forked", "Failed": "failed", "Cancelled": "cancelled", "Acked": "acked", "NoAck": "no-ack",
	"Bye": "bye", "Offered": "offered", "Withdrawn": "withdrawn", "Accepted": "accepted", "Declined": "declined", "Settled": "settled", "Gone": "gone", "Agreed": "agreed", "Received": "received", "Recorded": "recorded",
	"RecordFault": "record-fault", "Durable": "durable", "Timeout": "timeout", "Noticed": "noticed",
	"Closed": "closed", "Sounded": "sounded", "Stop": "stop", "Lost": "lost", "Trying": "trying", "Silenced": "silenced",
	"Referred": "referred", "Replaced": "replaced", "Claimed": "claimed", "Given": "given", "Directed": "directed", "Moved": "moved", "Keyed": "keyed", "Untold": "untold", "Ordered": "ordered",
	"Attended": "attended", "HookSaid": "hook-said", "Knew": "knew", "Dictating": "dictating", "Spoke": "spoke",
}

// machineIn brings a machine into a state by the shortest way.
func machineIn(t testing.TB, s state) *machine {
	legs := 0
	set := defaultSetup()
	set.decision.Targets = append(set.decision.Targets, set.decision.Targets[0])
	set.decision.Recording.Mode = recordFromRinging
	if s == screening {
		set.invite.Identity = []string{"passport"}
	}
	if s == attending {
		set.decision.First = routing.Say{Step: "flows.sales[0].greeting", Prompts: []routing.Prompt{{File: "welcome.wav"}}}
	}
	m := newMachine(set.invite, nil, time.Hour, func() string { legs++; return "leg" })
	at := At{zero}
	way := []letter{
		{"", Started{at}}, {"", Routed{At: at, Decision: set.decision}}, {"", Offer{at, []byte("o"), nil}},
		{"b1", Failed{at, Cause{Status: 486}}}, {"b2", Answered{At: at, Body: nil}},
		{"", Agreed{At: at, Body: []byte("a")}}, {"", Recorded{at, nil}}, {"", Durable{at, nil}},
		{"a", Bye{at, Cause{}}},
	}
	if s == attending {
		way = append(way[:3], letter{"", Attended{At: at, Body: []byte("o")}}, letter{"", Durable{at, nil}}, letter{A, Acked{At: at}})
	}
	steps := map[state]int{attending: 6, received: 0, screening: 1, routingSt: 1, ringing: 4, answering: 5, inProgress: 8, ended: 9}
	for _, l := range way[:steps[s]] {
		if _, known := m.step(l.from, l.s); !known {
			t.Fatalf("%T out of place on the way to %s", l.s, s)
		}
	}
	if m.state != s {
		t.Fatalf("the way to %s ends in %s", s, m.state)
	}
	return m
}

// TestEveryPair: each signal is handled in each state, or stands on the list of
// ignored ones with its reason, or can not come there (impossible), and no pair
// is on two of these lists.
func TestEveryPair(t *testing.T) {
	// Answers to questions the machine has not asked in that state.
	impossible := map[state][]string{
		received:   {"Routed", "Offer", "Ringing", "Answered", "Forked", "Failed", "Cancelled", "Acked", "NoAck", "Bye", "Offered", "Agreed", "Recorded", "RecordFault", "Durable", "Timeout", "Noticed", "Closed", "Stop", "Gone", "Lost", "Trying", "Silenced"},
		routingSt:  {"Started", "Ringing", "Trying", "Silenced", "Answered", "Failed", "NoAck", "Agreed", "RecordFault", "Durable", "Closed"},
		ringing:    {"Started", "Routed", "Offer", "NoAck", "Agreed", "Durable", "Closed"},
		answering:  {"Started", "Routed", "Offer", "NoAck", "Closed"},
		inProgress: {"Started", "Routed", "Offer", "Closed"},
	}
	// Nothing has been asked yet, and nobody dialled.
	impossible[attending] = []string{"Started", "Routed", "Offer", "Agreed", "Closed", "Answered"}
	impossible[screening] = []string{"Started", "Routed", "Offer", "Ringing", "Answered", "Failed", "Acked", "NoAck",
		"Agreed", "RecordFault", "Durable", "Closed", "Settled", "Trying", "Silenced"}
	impossible[received] = append(impossible[received], "Verified")
	set := defaultSetup()
	for _, s := range []state{received, screening, routingSt, ringing} { // no leg is answered
		impossible[s] = append(impossible[s], "Accepted", "Declined", "Withdrawn")
	}
	impossible[received] = append(impossible[received], "Settled", "Sounded", "Keyed", "Untold", "Ordered")
	impossible[routingSt] = append(impossible[routingSt], "Settled")
	impossible[answering] = append(impossible[answering], "Accepted", "Declined")
	impossible[received] = append(impossible[received], "Referred", "Replaced", "Claimed", "Given", "HookSaid", "Attended", "Knew", "Dictating", "Spoke")
	for _, s := range []state{received, screening, routingSt, attending, ringing, answering, inProgress, ended} { // answers that come at once
		impossible[s] = append(impossible[s], "Directed", "Moved")
		if s != ringing {
			impossible[s] = append(impossible[s], "Received")
		}
	}
	for _, s := range []state{received, screening, routingSt, attending, ringing, answering, inProgress, ended} {
		for kind, name := range signalNames {
			known := false
			for _, from := range []LegID{"", A, "b1", "b2"} {
				for _, arg := range []string{"", string(timerVerify), string(timerRing), string(timerMax), string(timerLinger)} {
					m := machineIn(t, s)
					_, k := m.step(from, signalOf(t, set, At{zero}, name, []string{arg}))
					known = known || k
				}
			}
			listed := false
			for _, i := range impossible[s] {
				listed = listed || i == kind
			}
			switch {
			case !known && !listed:
				t.Errorf("%s in state %s is neither handled nor listed", kind, s)
			case known && listed:
				t.Errorf("%s in state %s is handled and listed as impossible", kind, s)
			}
		}
	}
}

// TestIgnoredMeansNothing: what stands on the list of ignored signals does nothing.
func TestIgnoredMeansNothing(t *testing.T) {
	set := defaultSetup()
	for s, kinds := range ignored {
		for kind := range kinds {
			m := machineIn(t, s)
			out, known := m.step("", signalOf(t, set, At{zero}, signalNames[kind], nil))
			if !known || len(out) != 0 || m.state != s {
				t.Errorf("%s in %s: known %v, %d actions, now %s", kind, s, known, len(out), m.state)
			}
		}
	}
}

func TestEverySignalNamed(t *testing.T) {
	set := defaultSetup()
	for kind, name := range signalNames {
		if got := reflect.TypeOf(signalOf(t, set, At{zero}, name, nil)).Name(); got != kind {
			t.Errorf("%s is a %s, listed as %s", name, got, kind)
		}
	}
}
