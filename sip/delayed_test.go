package sip

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

func delayedWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{}, Deps{Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{DelayedOffer: true}, true }}, f)
}

// A destination that is to make the offer is invited without one; our answer is
// in the ACK, which waits for it.
func TestDialWithoutAnOffer(t *testing.T) {
	delayedWorld(t, func(w *world) {
		leg, signals, inv := w.dialled()
		if inv.body != "" || inv.get("Content-Type") != "" || inv.get("Content-Length") != "0" {
			t.Errorf("INVITE:\n%s", inv.raw)
		}
		w.callee.reply(inv, 183, "agent", offer)
		if r := signal[call.Ringing](w, signals); r.Body != nil {
			t.Errorf("a foretaste was taken for an answer: %q", r.Body)
		}
		w.callee.reply(inv, 200, "agent", offer)
		if a := signal[call.Answered](w, signals); !a.Offer || !strings.Contains(string(a.Body), "m=audio 4000") {
			t.Errorf("%+v", a)
		}
		w.callee.reply(inv, 200, "agent", offer) // it hears nothing
		leg.Offer(otherSDP)                      // has to wait
		w.callee.quiet(3 * time.Second)
		w.callee.requestIn(inv, "agent", "INVITE", 9, offer)
		w.callee.want("SIP/2.0 491")
		w.callee.seq--
		w.callee.requestIn(inv, "agent", "ACK", 9, "")
		leg.Update(0, ourSDP)
		ack := w.callee.want("ACK")
		if ack.body != string(ourSDP) || ack.get("CSeq") != "1 ACK" || ack.tag("To") != "agent" {
			t.Errorf("ACK:\n%s", ack.raw)
		}
		if re := w.callee.want("INVITE"); re.body != string(otherSDP) {
			t.Errorf("then\n%s", re.raw)
		}
		w.callee.reply(inv, 200, "agent", offer) // the ACK was lost
		if again := w.callee.want("ACK"); again.raw != ack.raw {
			t.Errorf("another ACK:\n%s", again.raw)
		}
		leg.Update(0, otherSDP) // answered already
		w.callee.quiet(400 * time.Millisecond)
	})
}

// Nobody answers the offer: the ACK goes without, and the BYE behind it.
func TestDialWithoutAnOfferEndsUnanswered(t *testing.T) {
	delayedWorld(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer)
		synctest.Wait()
		w.callee.reply(inv, 200, "other", offer) // a fork: said goodbye to at once
		if ack := w.callee.want("ACK"); ack.tag("To") != "other" {
			t.Errorf("first\n%s", ack.raw)
		}
		signal[call.Answered](w, signals)
		f := signal[call.Forked](w, signals)
		f.Leg.Hangup(localCause(200))
		w.callee.reply(w.callee.want("BYE"), 200, "", "")
		leg.Hangup(localCause(488))
		if ack := w.callee.want("ACK"); ack.body != "" || ack.tag("To") != "agent" {
			t.Errorf("ACK:\n%s", ack.raw)
		}
		w.callee.reply(w.callee.want("BYE"), 200, "", "")
		signal[call.Gone](w, signals)
		w.callee.quiet(time.Minute)
	})
	delayedWorld(t, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", "")
		if a := signal[call.Answered](w, signals); !a.Offer || a.Body != nil {
			t.Errorf("%+v", a)
		}
		w.callee.requestIn(inv, "agent", "BYE", 9, "") // it gives up first
		w.callee.want("SIP/2.0 200")
		w.callee.want("ACK")
		signal[call.Bye](w, signals)
		signal[call.Gone](w, signals)
	})
}

// A caller without an offer gets ours in the 200; his answer is in the ACK.
func TestInviteWithoutAnOffer(t *testing.T) {
	bubble(t, func(w *world) {
		w.carrier.seq++
		i := &invite{p: w.carrier, callID: "late@carrier", branch: "z9hG4bKlate", cseq: 1}
		i.send("INVITE", i.branch, 1, "", "Contact: <sip:gw@"+carrierAddr+">")
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		if len(a.Body) != 0 {
			t.Errorf("offer %q", a.Body)
		}
		a.leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		if ok.body != string(ourSDP) {
			t.Errorf("%s", ok.raw)
		}
		i.toTag = ok.tag("To")
		i.send("ACK", i.branch+"ack", 1, offer, "Content-Type: application/sdp")
		if s := signal[call.Acked](w, a.signals); !strings.Contains(string(s.Body), "m=audio 4000") {
			t.Errorf("answer %q", s.Body)
		}
	})
}

// A leg is spoken to as the table of its call has it, not the one in use.
func TestDialKeepsThePolicyOfItsCall(t *testing.T) {
	delayedWorld(t, func(w *world) {
		d := call.Dial{MaxForwards: 69, Body: ourSDP, Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{Reliable: routing.ReliableOff}, true }}
		d.Target.URI = "sip:" + calleeAddr
		if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err != nil {
			t.Fatal(err)
		}
		if inv := w.callee.want("INVITE"); inv.body != string(ourSDP) || strings.Contains(inv.get("Supported"), "100rel") {
			t.Errorf("%s", inv.raw)
		}
	})
}
