package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

const otherOffer = "v=0\no=- 2 1 IN IP4 10.2.0.2\ns=-\nc=IN IP4 10.2.0.2\nt=0 0\nm=audio 4100 RTP/AVP 0\n"

// reliableReply is a provisional response that wants a PRACK.
func (p *peer) reliableReply(inv message, status int, tag, body string, rseq int, extra ...string) {
	p.reply(inv, status, tag, body, append(extra, "Require: 100rel", fmt.Sprintf("RSeq: %d", rseq))...)
}

// wantPrack reads the PRACK of a response and accepts it.
func (p *peer) wantPrack(inv message, tag string, rseq, cseq int) message {
	p.w.Helper()
	m := p.want("PRACK sip:agent@" + p.conn.addr.String())
	seq, _, _ := strings.Cut(inv.get("CSeq"), " ")
	if m.get("RAck") != fmt.Sprintf("%d %s INVITE", rseq, seq) || m.get("CSeq") != fmt.Sprintf("%d PRACK", cseq) || m.tag("To") != tag ||
		m.tag("From") != inv.tag("From") || m.get("Call-ID") != inv.get("Call-ID") || m.body != "" {
		p.w.Errorf("PRACK, want RAck %d, CSeq %d, To tag %s:\n%s", rseq, cseq, tag, m.raw)
	}
	p.reply(m, 200, "", "")
	return m
}

// TestTryingOnce: the first provisional response of whatever kind says that the
// target has the call.
func TestTryingOnce(t *testing.T) {
	bubble(t, func(w *world) {
		signals := make(chan call.Signal, 64)
		d := call.Dial{From: "+4790000001", MaxForwards: 69, Body: ourSDP}
		d.Target.URI = "sip:agent@" + calleeAddr
		if _, err := w.ep.Dial(w.Context(), d, func(s call.Signal) { signals <- s }); err != nil {
			t.Fatal(err)
		}
		inv := w.callee.want("INVITE")
		w.noSignal(signals, 100*time.Millisecond)
		w.callee.reply(inv, 100, "", "")
		signal[call.Trying](w, signals)
		w.callee.reply(inv, 100, "", "")
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
	})
}

// TestPrackInOrder is RFC 3262 4: each reliable response is acknowledged once,
// in its order; what comes twice or too early is as if it had not come.
func TestPrackInOrder(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reliableReply(inv, 183, "agent", offer, 7001)
		w.callee.wantPrack(inv, "agent", 7001, 2)
		if r := signal[call.Ringing](w, signals); r.Status != 183 || string(r.Body) != crlf(offer) {
			t.Errorf("%+v", r)
		}
		w.callee.reliableReply(inv, 183, "agent", offer, 7001) // our PRACK was slow
		w.callee.reliableReply(inv, 180, "agent", "", 7003)    // overtook 7002
		w.callee.quiet(100 * time.Millisecond)
		w.noSignal(signals, 0)
		w.callee.reliableReply(inv, 182, "agent", "", 7002)
		w.callee.wantPrack(inv, "agent", 7002, 3)
		if r := signal[call.Ringing](w, signals); r.Status != 182 {
			t.Errorf("%+v", r)
		}
		w.callee.reliableReply(inv, 180, "agent", "", 7003)
		w.callee.wantPrack(inv, "agent", 7003, 4)
		signal[call.Ringing](w, signals)
		w.callee.reply(inv, 200, "agent", "") // the answer was in the 183
		ack := w.callee.want("ACK")
		if ack.get("CSeq") != "1 ACK" {
			t.Errorf("%s", ack.raw)
		}
		if a := signal[call.Answered](w, signals); string(a.Body) != crlf(offer) {
			t.Errorf("answered with %q", a.Body)
		}
		leg.Hangup(call.Cause{Status: 200, Q850: 16})
		if bye := w.callee.want("BYE"); bye.get("CSeq") != "5 BYE" {
			t.Errorf("%s", bye.raw)
		}
	})
}

// TestPrackLost: our PRACK is repeated by its transaction, and the callee's
// repetition asks for no other.
func TestPrackLost(t *testing.T) {
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reliableReply(inv, 183, "agent", offer, 1)
		first := w.callee.want("PRACK")
		signal[call.Ringing](w, signals)
		sent := time.Now()
		w.callee.reliableReply(inv, 183, "agent", offer, 1)
		again := w.callee.want("PRACK")
		within(t, "repetition", sent, t1)
		if again.raw != first.raw {
			t.Errorf("another PRACK:\n%s", again.raw)
		}
		w.callee.reply(again, 481, "", "") // whatever: the callee sees to it
		w.noSignal(signals, time.Second)
	})
}

// TestPrackOfEachFork: each place that rings is a dialog with its own numbers;
// the answer ends the others, which were never confirmed, without a word.
func TestPrackOfEachFork(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reliableReply(inv, 183, "one", offer, 10)
		w.callee.wantPrack(inv, "one", 10, 2)
		signal[call.Ringing](w, signals)
		w.callee.reliableReply(inv, 183, "two", otherOffer, 99)
		w.callee.wantPrack(inv, "two", 99, 2)
		if r := signal[call.Ringing](w, signals); string(r.Body) != crlf(otherOffer) {
			t.Errorf("%+v", r)
		}
		w.callee.reliableReply(inv, 180, "one", "", 11)
		w.callee.wantPrack(inv, "one", 11, 3)
		signal[call.Ringing](w, signals)
		w.callee.reply(inv, 200, "one", "")
		w.callee.want("ACK")
		if a := signal[call.Answered](w, signals); string(a.Body) != crlf(offer) {
			t.Errorf("the winner's answer is %q", a.Body)
		}
		w.callee.reply(inv, 200, "two", "") // answered too
		if ack := w.callee.want("ACK"); ack.tag("To") != "two" {
			t.Errorf("%s", ack.raw)
		}
		f := signal[call.Forked](w, signals)
		f.Leg.Hangup(call.Cause{Status: 200, Q850: 26})
		bye := w.callee.want("BYE")
		if bye.tag("To") != "two" || bye.get("CSeq") != "3 BYE" || !strings.Contains(bye.raw, `Reason: SIP;cause=200;text="Call completed elsewhere"`) {
			t.Errorf("%s", bye.raw)
		}
		leg.Hangup(call.Cause{Status: 200, Q850: 16})
		if bye := w.callee.want("BYE"); bye.tag("To") != "one" || bye.get("CSeq") != "4 BYE" {
			t.Errorf("%s", bye.raw)
		}
	})
}

// TestEarlyDialogEnds: a 199 takes a place's early media away, in favour of
// another place's when there is one (RFC 6228).
func TestEarlyDialogEnds(t *testing.T) {
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 183, "one", offer)
		signal[call.Ringing](w, signals)
		w.callee.reply(inv, 180, "silent", "")
		signal[call.Ringing](w, signals)
		w.callee.reply(inv, 183, "two", otherOffer)
		signal[call.Ringing](w, signals)
		w.callee.reply(inv, 199, "silent", "")
		w.noSignal(signals, 100*time.Millisecond)
		w.callee.reliableReply(inv, 199, "two", "", 5)
		w.callee.wantPrack(inv, "two", 5, 2)
		if r := signal[call.Ringing](w, signals); r.Status != 183 || string(r.Body) != crlf(offer) {
			t.Errorf("%+v", r)
		}
		w.callee.reply(inv, 199, "one", "")
		signal[call.Silenced](w, signals)
		w.callee.reply(inv, 199, "never-seen", "")
		w.noSignal(signals, 100*time.Millisecond)
		w.callee.reply(inv, 486, "one", "")
		w.callee.want("ACK")
		signal[call.Failed](w, signals)
	})
}

// TestUpdateBeforeTheAnswer: the callee may change what he has answered
// reliably (RFC 3311 5.2), and only that.
func TestUpdateBeforeTheAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 183, "agent", offer) // not reliable: our offer stays open
		signal[call.Ringing](w, signals)
		w.callee.requestIn(inv, "agent", "UPDATE", 1, otherOffer)
		w.callee.want("SIP/2.0 491")
		w.callee.requestIn(inv, "agent", "UPDATE", 2, "") // a target refresh
		w.callee.want("SIP/2.0 200")
		w.callee.reliableReply(inv, 183, "agent", offer, 1)
		w.callee.want("PRACK")
		signal[call.Ringing](w, signals)
		w.callee.requestIn(inv, "agent", "UPDATE", 3, otherOffer)
		o := signal[call.Offered](w, signals)
		if string(o.Body) != crlf(otherOffer) {
			t.Errorf("%q", o.Body)
		}
		w.callee.requestIn(inv, "agent", "UPDATE", 4, otherOffer)
		if no := w.callee.want("SIP/2.0 500"); no.get("Retry-After") == "" {
			t.Errorf("%s", no.raw)
		}
		leg.Update(o.ID, otherSDP)
		if ok := w.callee.want("SIP/2.0 200"); ok.body != string(otherSDP) || ok.get("CSeq") != "3 UPDATE" || ok.get("Contact") == "" {
			t.Errorf("%s", ok.raw)
		}
		w.callee.requestIn(inv, "agent", "UPDATE", 5, offer)
		o = signal[call.Offered](w, signals)
		leg.Refuse(o.ID, localCause(488))
		w.callee.want("SIP/2.0 488")
		w.callee.requestIn(inv, "agent", "UPDATE", 5, offer) // an old number
		w.callee.want("SIP/2.0 500")
		w.callee.requestIn(inv, "agent", "PRACK", 6, "")
		w.callee.want("SIP/2.0 481")
		w.callee.requestIn(inv, "agent", "UPDATE", 7, offer)
		signal[call.Offered](w, signals) // open when the answer comes
		w.callee.reply(inv, 200, "agent", "")
		w.callee.want("ACK")
		if a := signal[call.Answered](w, signals); string(a.Body) != crlf(otherOffer) {
			t.Errorf("answered with %q", a.Body)
		}
		leg.Update(3, ourSDP)
		if ok := w.callee.want("SIP/2.0 200"); ok.get("CSeq") != "7 UPDATE" {
			t.Errorf("%s", ok.raw)
		}
		w.callee.requestIn(inv, "agent", "BYE", 8, "")
		w.callee.want("SIP/2.0 200")
		signal[call.Bye](w, signals)
	})
}

// TestUpdateOfAPlaceThatDoesNotAnswer is refused when another one does.
func TestUpdateOfAPlaceThatDoesNotAnswer(t *testing.T) {
	for _, end := range []string{"answered elsewhere", "199", "refused"} {
		bubble(t, func(w *world) {
			_, signals, inv := w.dialled()
			w.callee.reliableReply(inv, 183, "one", offer, 1)
			w.callee.want("PRACK")
			signal[call.Ringing](w, signals)
			w.callee.requestIn(inv, "one", "UPDATE", 1, otherOffer)
			signal[call.Offered](w, signals)
			switch end {
			case "199":
				w.callee.reply(inv, 199, "one", "")
			case "refused":
				w.callee.reply(inv, 404, "one", "")
			default:
				w.callee.reply(inv, 200, "two", offer)
			}
			w.callee.wantAfter("SIP/2.0 487", "ACK", "PRACK")
		})
	}
}

// TestReliablePolicy is what the trunk says about 100rel in our INVITE.
func TestReliablePolicy(t *testing.T) {
	for word, want := range map[string][2]string{
		"":                        {"timer, replaces, norefersub, 100rel, 199", ""},
		routing.ReliableSupported: {"timer, replaces, norefersub, 100rel, 199", ""},
		routing.ReliableRequired:  {"timer, replaces, norefersub, 100rel, 199", "100rel"},
		routing.ReliableOff:       {"timer, replaces, norefersub, 199", ""},
	} {
		inWorld(t, Config{}, Deps{Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{Reliable: word}, true }}, func(w *world) {
			_, _, inv := w.dialled()
			if inv.get("Supported") != want[0] || inv.get("Require") != want[1] {
				t.Errorf("%q: Supported %q, Require %q", word, inv.get("Supported"), inv.get("Require"))
			}
		})
	}
	bubble(t, func(w *world) { // without an offer nothing may come reliably
		d := call.Dial{From: "+4790000001", MaxForwards: 69}
		d.Target.URI = "sip:agent@" + calleeAddr
		if _, err := w.ep.Dial(w.Context(), d, func(call.Signal) {}); err != nil {
			t.Fatal(err)
		}
		if inv := w.callee.want("INVITE"); inv.get("Supported") != "timer, replaces, norefersub, 199" {
			t.Errorf("%s", inv.raw)
		}
	})
}

// TestManyPlacesRing: a flood of tags costs a bounded number of dialogs.
func TestManyPlacesRing(t *testing.T) {
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		for n := range 3 * maxEarly {
			w.callee.reliableReply(inv, 180, fmt.Sprintf("t%d", n), "", 1)
			signal[call.Ringing](w, signals)
		}
		synctest.Wait()
		pracks := 0
		for {
			m, ok := w.callee.read(time.Millisecond)
			if !ok {
				break
			}
			if strings.HasPrefix(m.start, "PRACK") {
				pracks++
			}
		}
		if pracks != maxEarly || w.ep.Stats().Drops["early-dialogs"] != 2*maxEarly {
			t.Errorf("%d PRACKs, drops %v", pracks, w.ep.Stats().Drops)
		}
	})
}
