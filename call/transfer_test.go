package call

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/routing"
)

// TestAnyOrderOfTransfers holds what TestAnyOrder does for a call in progress
// in which everybody transfers, is transferred, claimed, given and hangs up, in
// any order: one end, no leg that nobody has ended, no recording left open, and
// never two on one side.
func TestAnyOrderOfTransfers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		set := defaultSetup()
		set.decision.Recording.Mode = rapid.SampledFrom([]string{"do-not-record", recordFromAnswer}).Draw(r, "mode")
		set.decision.Recording.OnFailure = rapid.SampledFrom([]string{"continue-unrecorded", refuseCall}).Draw(r, "on failure")
		w := newWitness(set)
		w.direct = func(at time.Time) Signal {
			d := routing.Transferred{Reject: rapid.SampledFrom([]routing.Reason{"", "", "", routing.TransferNotAllowed, routing.NoRoute}).Draw(r, "reject")}
			if d.Reject == "" {
				for range rapid.IntRange(1, 2).Draw(r, "targets") {
					d.Targets = append(d.Targets, routing.Target{URI: "sip:201@pbx", Timeout: 15 * time.Second})
				}
			}
			return Directed{At{at}, d}
		}
		w.move = func(at time.Time) Signal {
			return signalOf(t, set, At{at}, "moved", []string{rapid.SampledFrom([]string{"", "again", "error"}).Draw(r, "moved")})
		}
		w.settle = func() Result {
			return rapid.SampledFrom([]Result{ResultDone, ResultAsked, ResultRefused}).Draw(r, "result")
		}
		for _, l := range []letter{{"", Started{At{zero}}}, {"", Routed{At: At{zero}, Decision: set.decision}}, {"", Offer{At{zero}, []byte("o"), nil}},
			{"b1", Answered{At: At{zero}}}, {"", Agreed{At{zero}, []byte("a"), nil}}, {"", Recorded{At{zero}, nil}}, {"", Durable{At{zero}, nil}}} {
			w.signal(l.from, l.s)
		}
		if w.m.state != inProgress {
			r.Fatalf("the call is %s", w.m.state)
		}
		names := []string{"referred", "referred", "replaced", "claimed", "given", "recorded", "ringing", "answered", "failed", "accepted", "declined",
			"acked", "no-ack", "bye", "lost", "gone", "offered", "withdrawn", "timeout", "stop", "cancelled"}
		now := 0
		for range rapid.IntRange(0, 30).Draw(r, "signals") {
			now += rapid.IntRange(0, 12_000).Draw(r, "ms")
			name := rapid.SampledFrom(names).Draw(r, "signal")
			legs := []LegID{"", A, w.m.talk.callee}
			for _, l := range w.m.legs[1:] {
				legs = append(legs, l.id)
			}
			from := rapid.SampledFrom(legs).Draw(r, "from")
			if l := w.m.leg(from); l == nil || l.gone {
				from = ""
			}
			if from == "" && (legSignals[name] || name == "referred" || name == "replaced" || name == "claimed") {
				continue
			}
			var args []string
			switch name {
			case "referred":
				args = []string{"1", rapid.SampledFrom([]string{"", "x;to-tag=1;from-tag=2"}).Draw(r, "replaces"), rapid.SampledFrom([]string{"", "ours"}).Draw(r, "whose")}
			case "given":
				if w.claims == 0 {
					continue // nobody asked for it
				}
				w.claims--
				args = []string{rapid.SampledFrom([]string{"", "refused"}).Draw(r, "given")}
			case "timeout":
				args = []string{rapid.SampledFrom([]string{"transfer", "record", "max"}).Draw(r, "timer")}
			default:
				args = []string{rapid.SampledFrom([]string{"", "error", "486", "603"}).Draw(r, "arg")}
			}
			s := signalOf(t, set, At{zero.Add(time.Duration(now) * time.Millisecond)}, name, args)
			if g, ok := s.(Given); ok && !g.Refused {
				g.ULID = fmt.Sprintf("leg_x%d", now)
				s = g
			}
			w.signal(from, s)
			if talk := w.m.talk; talk.caller != "" && talk.caller == talk.callee {
				r.Fatal("one leg is on both sides")
			}
			for _, id := range []LegID{w.m.talk.caller, w.m.talk.callee} {
				if l := w.m.leg(id); w.m.state == inProgress && l != nil && l.hung {
					r.Fatalf("%s is talking and was hung up", id)
				}
			}
			if w.m.state == inProgress && w.m.talk.caller == "" && w.m.talk.callee == "" {
				r.Fatal("nobody talks, and the call goes on")
			}
			if w.m.state == inProgress && w.m.move == nil && (w.m.talk.caller == "" || w.m.talk.callee == "") {
				r.Fatal("nobody comes to the side that was left, and the call goes on")
			}
		}
		w.finish(At{zero.Add(time.Duration(now+40_000) * time.Millisecond)})
		if w.fault != "" {
			r.Fatal(w.fault)
		}
	})
}
