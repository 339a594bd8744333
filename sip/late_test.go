package sip

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"ringdown/call"
)

// over dials, lets the callee answer and hangs up; the leg is over then.
func (w *world) over() (was weak.Pointer[outbound], invite, ack message) {
	w.Helper()
	leg, signals, inv := w.dialled()
	w.callee.reply(inv, 200, "agent", offer)
	ack = w.callee.want("ACK")
	signal[call.Answered](w, signals)
	leg.Hangup(localCause(200))
	w.callee.reply(w.callee.want("BYE"), 200, "", "")
	signal[call.Gone](w, signals)
	return weak.Make(leg.(*outbound)), inv, ack
}

// TestLate2xx: after its leg is over an answered INVITE still acknowledges what
// is repeated, and ends what another branch sets up, until 64*T1 have passed.
func TestLate2xx(t *testing.T) {
	bubble(t, func(w *world) {
		_, inv, ack := w.over()
		time.Sleep(10 * time.Second)
		w.callee.reply(inv, 200, "agent", offer)
		if again := w.callee.want("ACK"); again.raw != ack.raw {
			t.Errorf("another ACK:\n%s", again.raw)
		}
		w.callee.reply(inv, 200, "other", offer)
		other := w.callee.want("ACK")
		if other.tag("To") != "other" || other.get("CSeq") != ack.get("CSeq") {
			t.Errorf("ACK:\n%s", other.raw)
		}
		bye := w.callee.want("BYE")
		if bye.tag("To") != "other" {
			t.Errorf("BYE:\n%s", bye.raw)
		}
		w.callee.reply(bye, 200, "", "")
		w.callee.reply(inv, 200, "other", offer)
		if again := w.callee.want("ACK"); again.raw != other.raw {
			t.Errorf("another ACK:\n%s", again.raw)
		}
		w.callee.quiet(25 * time.Second)
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.quiet(time.Second)
		if d := w.ep.Stats().Drops["stray-response"]; d != 1 {
			t.Errorf("%d stray responses", d)
		}
	})
}

// overHere is a call of the carrier's that is over. It stands in a function of its
// own, whose stack keeps no copy of the leg.
//
//go:noinline
func (w *world) overHere() weak.Pointer[inbound] {
	i, a := w.answered()
	i.send("BYE", i.branch+"bye", 2, "")
	w.carrier.want("SIP/2.0 200")
	signal[call.Bye](w, a.signals)
	signal[call.Gone](w, a.signals)
	return weak.Make(a.leg.(*inbound))
}

// TestOverLegIsForgotten: nothing keeps a leg, and with it its call, for the
// time that its transactions linger.
func TestOverLegIsForgotten(t *testing.T) {
	bubble(t, func(w *world) {
		called, _, _ := w.over()
		caller := w.overHere()
		time.Sleep(time.Second)
		synctest.Wait()
		w.ep.tx.mu.Lock()
		servers, clients := len(w.ep.tx.servers), len(w.ep.tx.clients)
		w.ep.tx.mu.Unlock()
		if servers != 2 || clients != 2 {
			t.Errorf("%d server and %d client transactions linger, want the INVITE's and the BYE's of each", servers, clients)
		}
		var kept []string
		for range 25 { // a stopped timer may be kept until the runtime tidies up
			runtime.GC()
			kept = kept[:0]
			if called.Value() != nil {
				kept = append(kept, "callee's")
			}
			if caller.Value() != nil {
				kept = append(kept, "caller's")
			}
			if len(kept) == 0 {
				break
			}
			time.Sleep(time.Second)
		}
		if len(kept) > 0 {
			t.Errorf("still there: %s leg", strings.Join(kept, ", "))
		}
	})
}
