package call

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/events"
	"ringdown/routing"
)

// signalNames are all signals there are; TestEverySignalNamed holds it complete.
var signalNames = map[string]string{
	"Started": "started", "Verified": "verified", "Routed": "routed", "Offer": "offer", "Ringing": "ringing", "Answered": "answered",
	"Forked": "forked", "Failed": "failed", "Cancelled": "cancelled", "Acked": "acked", "NoAck": "no-ack",
	"Bye": "bye", "Offered": "offered", "Withdrawn": "withdrawn", "Accepted": "accepted", "Declined": "declined", "Settled": "settled", "Gone": "gone", "Agreed": "agreed", "Recorded": "recorded",
	"RecordFault": "record-fault", "Durable": "durable", "Timeout": "timeout", "Noticed": "noticed",
	"Closed": "closed", "Stop": "stop", "Lost": "lost", "Trying": "trying", "Silenced": "silenced",
	"Referred": "referred", "Replaced": "replaced", "Claimed": "claimed", "Given": "given", "Directed": "directed", "Moved": "moved",
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
	m := newMachine(set.invite, nil, time.Hour, func() string { legs++; return "leg" })
	at := At{zero}
	way := []letter{
		{"", Started{at}}, {"", Routed{At: at, Decision: set.decision}}, {"", Offer{at, []byte("o"), nil}},
		{"b1", Failed{at, Cause{Status: 486}}}, {"b2", Answered{At: at, Body: nil}},
		{"", Agreed{at, []byte("a"), nil}}, {"", Recorded{at, nil}}, {"", Durable{at, nil}},
		{"a", Bye{at, Cause{}}},
	}
	steps := map[state]int{received: 0, screening: 1, routingSt: 1, ringing: 4, answering: 5, inProgress: 8, ended: 9}
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
	impossible[screening] = []string{"Started", "Routed", "Offer", "Ringing", "Answered", "Failed", "Acked", "NoAck",
		"Agreed", "RecordFault", "Durable", "Closed", "Settled", "Trying", "Silenced"}
	impossible[received] = append(impossible[received], "Verified")
	set := defaultSetup()
	for _, s := range []state{received, screening, routingSt, ringing} { // no leg is answered
		impossible[s] = append(impossible[s], "Accepted", "Declined", "Withdrawn")
	}
	impossible[received] = append(impossible[received], "Settled")
	impossible[routingSt] = append(impossible[routingSt], "Settled")
	impossible[answering] = append(impossible[answering], "Accepted", "Declined")
	impossible[received] = append(impossible[received], "Referred", "Replaced", "Claimed", "Given")
	for _, s := range []state{received, screening, routingSt, ringing, answering, inProgress, ended} { // answers that come at once
		impossible[s] = append(impossible[s], "Directed", "Moved")
	}
	for _, s := range []state{received, screening, routingSt, ringing, answering, inProgress, ended} {
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

// TestAnyOrder: whatever the order of signals, there is at most one call.ended,
// every leg that was told of ends at most once before it and never twice, what
// was opened is closed, billing never exceeds the time since the bridge, and
// after the end of all legs the machine lets go exactly once.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		set := defaultSetup()
		for range rapid.IntRange(0, 2).Draw(r, "more targets") {
			set.decision.Targets = append(set.decision.Targets, set.decision.Targets[0])
		}
		set.decision.Recording.Mode = rapid.SampledFrom([]string{"do-not-record", recordFromAnswer, recordFromRinging}).Draw(r, "mode")
		set.decision.Recording.OnFailure = rapid.SampledFrom([]string{"continue-unrecorded", refuseCall}).Draw(r, "on failure")
		if rapid.Bool().Draw(r, "delayed offer") {
			set.invite.Body = nil
		}
		if rapid.Bool().Draw(r, "identity") {
			set.invite.Identity = []string{"passport"}
		}
		set.set(t, fmt.Sprint("follow ", rapid.IntRange(0, 3).Draw(r, "follow")))
		set.decision.PassRedirect = rapid.Bool().Draw(r, "pass")
		w := newWitness(set)
		w.settle = func() Result {
			return rapid.SampledFrom([]Result{ResultDone, ResultAsked, ResultRefused}).Draw(r, "settled")
		}
		names := []string{"ringing", "answered", "forked", "failed", "cancelled", "acked", "no-ack", "bye", "offered", "offered-empty", "withdrawn", "accepted", "declined", "gone",
			"agreed", "recorded", "record-fault", "durable", "timeout", "noticed", "stop", "lost", "trying", "silenced", "verified"}
		w.signal("", Started{At{zero}})
		if len(set.invite.Identity) > 0 {
			switch rapid.SampledFrom([]string{"verified", "timeout", "cancelled", "gone", "stop"}).Draw(r, "while screening") {
			case "verified":
				w.signal("", Verified{At{zero}, routing.Attested{Verstat: "TN-Validation-Passed"}})
			case "timeout":
				w.signal("", Timeout{At{zero}, timerVerify})
			case "cancelled":
				w.signal(A, Cancelled{At: At{zero}})
			case "gone":
				w.signal(A, Gone{At{zero}})
			case "stop":
				w.signal("", Stop{At{zero}, ByOperator})
			}
		}
		w.signal("", Routed{At: At{zero}, Decision: set.decision})
		w.signal("", Offer{At{zero}, []byte("o"), nil})
		now := 0
		for range rapid.IntRange(0, 40).Draw(r, "signals") {
			now += rapid.IntRange(0, 30_000).Draw(r, "ms")
			name := rapid.SampledFrom(names).Draw(r, "signal")
			from := rapid.SampledFrom([]LegID{"", A, "b1", "b2", "b3"}).Draw(r, "from")
			args := []string{rapid.SampledFrom([]string{"", "error", "ring", "record", "durable", "ringback", "486", "603"}).Draw(r, "arg")}
			if w.m.leg(from) == nil || w.m.leg(from).gone {
				from = "" // a leg that is not there or said Gone says nothing
			}
			if from == "" && legSignals[name] {
				continue
			}
			w.signal(from, signalOf(t, set, At{zero.Add(time.Duration(now) * time.Millisecond)}, name, args))
		}
		w.finish(At{zero.Add(time.Duration(now+40_000) * time.Millisecond)})
		if w.fault != "" {
			r.Fatal(w.fault)
		}
	})
}

var legSignals = map[string]bool{"ringing": true, "answered": true, "forked": true, "failed": true, "cancelled": true,
	"acked": true, "no-ack": true, "bye": true, "offered": true, "offered-empty": true, "withdrawn": true, "accepted": true, "declined": true, "gone": true, "lost": true, "trying": true, "silenced": true}

// witness runs a machine and checks what must hold whatever happens.
type witness struct {
	m                                  *machine
	ended, finished, relays, closedRel int
	opened, closedRec, tapped          int
	legEnds                            map[string]int
	answeredDurable                    bool
	passing                            bool           // early media of the current attempt
	settle                             func() Result  // what the relay says
	ending                             map[LegID]bool // has said its end or was hung up
	claims                             int            // not answered yet
	direct, move                       func(time.Time) Signal
	fault                              string
}

func newWitness(s setup) *witness {
	n := 0
	return &witness{legEnds: map[string]int{}, ending: map[LegID]bool{},
		m: newMachine(s.invite, nil, 4*time.Hour, func() string { n++; return string(rune('a' + n)) })}
}

func (w *witness) fail(text string) {
	if w.fault == "" {
		w.fault = text
	}
}

func (w *witness) signal(from LegID, s Signal) {
	if _, ok := s.(Recorded); ok && w.m.recording != opening && w.m.fresh != opening {
		return // an answer to a question not asked
	}
	if w.finished > 0 {
		return
	}
	wasOpening := w.m.recording == opening || w.m.fresh == opening
	w.heard(from, s)
	out, _ := w.m.step(from, s)
	if r, ok := s.(Recorded); ok && wasOpening && r.Err == nil {
		w.opened++
	}
	for _, a := range out {
		w.check(a, s)
	}
}

// settled is the relay's answer to what the machine has just asked.
func (w *witness) settled(s Signal, r Result) {
	if w.m.state == ended {
		w.fail("the relay was asked after the end")
	}
	w.signal("", Settled{At{s.at()}, r, Holds{Caller: r == ResultDone, Callee: r == ResultAsked}})
}

// heard notes the legs that end by themselves.
func (w *witness) heard(from LegID, s Signal) {
	switch s.(type) {
	case Failed, Cancelled, NoAck, Bye, Gone, Lost:
		w.ending[from] = true
	}
}

func (w *witness) check(a action, s Signal) {
	switch a := a.(type) {
	case doOffer:
		w.relays++
	case doCloseRelay:
		w.closedRel++
		w.signal("", Closed{At{s.at()}, defaultStats})
	case doCloseRecording, doSegment:
		w.closedRec++
	case doReoffer:
		r := w.settle()
		if a.other == "" && r == ResultAsked {
			r = ResultRefused
		}
		w.settled(s, r)
	case doTake:
		r := w.settle()
		if a.other == "" && r == ResultAsked {
			r = ResultDone
		}
		w.settled(s, r)
	case doUndo:
		w.settled(s, ResultUndone)
	case doSettle, doConclude:
		r := w.settle()
		if r == ResultAsked {
			r = ResultDone
		}
		w.settled(s, r)
	case doDirect:
		w.signal("", w.direct(s.at()))
	case doMove:
		w.signal("", w.move(s.at()))
	case doClaim:
		w.claims++
	case doHangup:
		w.ending[a.leg] = true
	case doTap:
		w.tapped++
	case doEarly:
		w.passing = true
	case doSilence:
		w.passing = false
	case doDial:
		if w.passing {
			w.fail("the next target is dialled while the one before is heard")
		}
	case doAnswer:
		w.passing = false
		if !w.answeredDurable {
			w.fail("the caller was answered before call.answered was handed over")
		}
	case doFinish:
		w.finished++
	case doPublish:
		switch d := a.data.(type) {
		case events.CallAnsweredData:
			w.answeredDurable = a.wait
		case events.CallEndedData:
			w.ended++
			if bridged := w.m.bridgedAt; d.BillableMS > 0 && (bridged.IsZero() || d.BillableMS > s.at().Sub(bridged).Milliseconds()) {
				w.fail("billed more than the time since the bridge")
			}
			if until := d.BilledUntil; until != nil && d.BillableMS > time.Time(*until).Sub(w.m.bridgedAt).Milliseconds() {
				w.fail("billed beyond the last sign of life")
			}
		case events.LegEndedData:
			w.legEnds[d.Leg]++
		}
	}
}

// finish lets every leg go and checks the books.
func (w *witness) finish(at At) {
	if w.m.state != ended {
		w.signal("", Stop{at, ByOperator})
	}
	if w.m.recording == opening || w.m.fresh == opening {
		w.signal("", Recorded{at, nil})
	}
	for _, l := range w.m.legs {
		if !l.gone {
			if !w.ending[l.id] {
				w.fail("nobody has ended leg " + string(l.id))
			}
			w.signal(l.id, Gone{at})
		}
	}
	switch {
	case w.ended != 1:
		w.fail("call.ended was told " + string(rune('0'+w.ended)) + " times")
	case w.finished != 1:
		w.fail("the machine did not let go once")
	case w.relays != w.closedRel:
		w.fail("a relay stays open")
	case w.opened != w.closedRec:
		w.fail("a recording stays open")
	}
	for _, n := range w.legEnds {
		if n > 1 {
			w.fail("leg.ended was told twice for a leg")
		}
	}
}
