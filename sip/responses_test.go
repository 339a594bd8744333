package sip

import (
	"testing"
	"time"

	"ringdown/call"
)

// Row 2: any number of provisionals, then an answer.
func TestRow02ThirtyProvisionals(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		for i := range 30 {
			w.callee.reply(inv, 180+i%4, "agent", "")
			signal[call.Ringing](w, signals)
		}
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{})
		w.callee.want("BYE")
	})
}

// Row 7: a second 2xx from another place is acknowledged with its own tag and
// is a dialog of its own.
func TestRow07ForkedAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "one", offer)
		w.callee.reply(inv, 200, "two", offer)
		first, second := w.callee.want("ACK"), w.callee.want("ACK")
		if first.tag("To") == second.tag("To") {
			t.Errorf("both ACKs for %q", first.tag("To"))
		}
		signal[call.Answered](w, signals)
		f := signal[call.Forked](w, signals)
		f.Leg.Progress(180, nil)
		f.Leg.Answer(nil)
		f.Leg.Refuse(1, localCause(488))
		f.Leg.Hangup(call.Cause{Status: 200})
		bye := w.callee.want("BYE")
		if bye.tag("To") != second.tag("To") {
			t.Errorf("BYE for %q, the fork is %q", bye.tag("To"), second.tag("To"))
		}
		w.callee.reply(bye, 200, "", "")
		w.noSignal(signals, time.Second)
		leg.Hangup(call.Cause{})
		if bye := w.callee.want("BYE"); bye.tag("To") != first.tag("To") {
			t.Errorf("%s", bye.raw)
		}
	})
}

// A fork that the call forgets does not outlive it.
func TestForgottenForkEndsWithItsLeg(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "one", offer)
		w.callee.reply(inv, 200, "two", offer)
		signal[call.Answered](w, signals)
		signal[call.Forked](w, signals)
		leg.Hangup(call.Cause{})
		tags := map[string]bool{}
		for len(tags) < 2 {
			bye := w.callee.wantAfter("BYE", "ACK")
			tags[bye.tag("To")] = true
			w.callee.reply(bye, 200, "", "")
		}
		signal[call.Gone](w, signals)
	})
}

// Row 10: 180, 183 and 200 back to back arrive complete and in order, 500 times.
func TestRow10ResponsesInOrder(t *testing.T) {
	bubble(t, func(w *world) {
		for range 500 {
			_, signals, inv := w.dialled()
			w.callee.reply(inv, 180, "agent", "")
			w.callee.reply(inv, 183, "agent", offer)
			w.callee.reply(inv, 200, "agent", offer)
			if r := signal[call.Ringing](w, signals); r.Status != 180 {
				t.Fatalf("%+v", r)
			}
			if r := signal[call.Ringing](w, signals); r.Status != 183 {
				t.Fatalf("%+v", r)
			}
			signal[call.Answered](w, signals)
			w.callee.want("ACK")
		}
	})
}

// UDP itself keeps no order: a 200 before the 180, a BYE before its 200.
func TestResponsesOutOfOrder(t *testing.T) {
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.reply(inv, 180, "agent", "")
		w.callee.reply(inv, 100, "", "")
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		w.noSignal(signals, time.Minute)
	})
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		w.callee.byeOf(inv, "agent")
		w.callee.want("SIP/2.0 200")
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		signal[call.Bye](w, signals)
		signal[call.Gone](w, signals)
	})
}
