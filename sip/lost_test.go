package sip

import (
	"testing"
	"time"

	"ringdown/call"
)

// TestLostTellsTheLastSignOfLife: a leg that is given up says when its peer was
// last heard of, says BYE by itself and is gone when that is overdue.
func TestLostTellsTheLastSignOfLife(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		time.Sleep(40 * time.Second)
		i.request("INFO", "")
		w.carrier.want("SIP/2.0 200")
		heard := time.Now()
		time.Sleep(20 * time.Second)
		if got := a.leg.Alive(); !got.Equal(heard) {
			t.Errorf("the call is told that it was heard of at %v, want %v", got, heard)
		}
		l := a.leg.(*inbound)
		given := time.Now()
		l.do(func() { l.lost(localCause(408)) })
		s := signal[call.Lost](w, a.signals)
		if !s.Alive.Equal(heard) || !s.Time.Equal(given) || s.Cause.Status != 408 {
			t.Errorf("lost at %v, alive %v (want %v), cause %v", s.Time, s.Alive, heard, s.Cause)
		}
		if bye := w.carrier.want("BYE"); bye.get("Reason") != `Q.850;cause=102, SIP;cause=408;text="Request Timeout"` {
			t.Errorf("BYE says %q", bye.get("Reason"))
		}
		l.do(func() { l.lost(localCause(408)) }) // of no effect any more
		signal[call.Gone](w, a.signals)
		if after := time.Since(given); after != allT1 {
			t.Errorf("gone after %v, want %v", after, allT1)
		}
	})
}

func TestNoAckTellsTheLastSignOfLife(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		time.Sleep(time.Minute)
		i.request("INVITE", offer, "Contact: <sip:gw@"+carrierAddr+">")
		heard := time.Now()
		w.carrier.want("SIP/2.0 100")
		signal[call.Offered](w, a.signals)
		a.leg.Update(1, ourSDP)
		if s := signal[call.NoAck](w, a.signals); !s.Alive.Equal(heard) {
			t.Errorf("alive %v, want %v", s.Alive, heard)
		}
	})
}
