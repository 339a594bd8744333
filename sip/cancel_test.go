package sip

import (
	"testing"
	"time"

	"ringdown/call"
)

// Row 3: CANCEL crossing 200. ACK, the answer is told, BYE on the next Hangup.
func TestRow03CancelCrossing200(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		leg.Hangup(call.Cause{Status: 487})
		cancel := w.callee.want("CANCEL")
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		w.callee.reply(cancel, 200, "agent", "")
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{Status: 487})
		w.callee.reply(w.callee.want("BYE"), 200, "", "")
		signal[call.Gone](w, signals)
		w.noSignal(signals, time.Minute)
	})
}

// Row 4: the CANCEL goes where the INVITE went, with its branch, whatever
// Record-Route and Contact a 18x had.
func TestRow04CancelSameHopSameBranch(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals := w.dial("sip:agent@sbc.example.com;transport=udp")
		f := signal[call.Failed](w, signals) // no such name in a test
		if f.Cause.Text != "Destination Not Found" {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
		leg.Hangup(call.Cause{})
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "", "Record-Route: <sip:10.1.0.1;lr>", "Contact: <sip:x@10.1.0.1>")
		signal[call.Ringing](w, signals)
		leg.Hangup(call.Cause{Status: 200, Q850: 26})
		cancel := w.callee.want("CANCEL sip:agent@" + calleeAddr + " SIP/2.0")
		if cancel.get("Via") != inv.get("Via") || cancel.get("CSeq") != "1 CANCEL" || cancel.get("To") != inv.get("To") ||
			cancel.get("From") != inv.get("From") || cancel.get("Route") != "" || cancel.get("Contact") != "" ||
			cancel.get("Reason") != `SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26` {
			t.Errorf("%s", cancel.raw)
		}
		w.callee.reply(cancel, 200, "agent", "")
		w.callee.reply(inv, 487, "agent", "")
		w.callee.want("ACK")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 487 {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
		w.carrier.quiet(time.Second)
	})
}

// RFC 3261 9.1: no CANCEL before a provisional response.
func TestHangupBeforeProvisional(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		leg.Hangup(call.Cause{Status: 487})
		leg.Hangup(call.Cause{Status: 487})
		w.callee.want("INVITE") // retransmitted, no CANCEL
		w.callee.reply(inv, 100, "", "")
		cancel := w.callee.want("CANCEL")
		w.callee.reply(cancel, 200, "agent", "")
		w.callee.reply(inv, 487, "agent", "")
		w.callee.want("ACK")
		signal[call.Failed](w, signals)
		signal[call.Gone](w, signals)
	})
	bubble(t, func(w *world) { // nobody there at all
		leg, signals, _ := w.dialled()
		leg.Hangup(call.Cause{Status: 487})
		if f := signal[call.Failed](w, signals); f.Cause.Status != 487 || f.Cause.Remote {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
	})
}

// RFC 3261 9.1: 64*T1 after the CANCEL the INVITE counts as ended.
func TestCancelWithoutFinalAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		leg.Hangup(call.Cause{Status: 487})
		start := time.Now()
		signal[call.Gone](w, signals)
		if d := time.Since(start); d != allT1 {
			t.Errorf("gone after %v", d)
		}
		w.noSignal(signals, time.Minute)
	})
}

func TestLate2xxAfterTransaction(t *testing.T) {
	bubble(t, func(w *world) { // RFC 6026: repeated 2xx until Timer M
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		time.Sleep(31 * time.Second) // of virtual time
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		w.callee.reply(inv, 200, "late", offer)
		w.callee.want("ACK")
		signal[call.Forked](w, signals)
	})
}
