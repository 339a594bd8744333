package sip

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// rings brings in a call that knows 100rel, or what the headers say instead.
func (w *world) rings(headers ...string) (*invite, admittedCall) {
	w.Helper()
	if len(headers) == 0 {
		headers = []string{"Supported: 100rel", "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE"}
	}
	i := w.carrier.invite(headers...)
	w.carrier.want("SIP/2.0 100")
	return i, w.admitted()
}

// reliable reads a reliable response and returns its RSeq.
func (i *invite) reliable(status int) (message, int) {
	w := i.p.w
	w.Helper()
	m := i.p.want(fmt.Sprintf("SIP/2.0 %d", status))
	n, err := strconv.Atoi(m.get("RSeq"))
	if err != nil || n < 1 || m.get("Require") != "100rel" || m.get("Contact") == "" || !strings.Contains(m.get("Allow"), "PRACK") {
		w.Errorf("not reliable:\n%s", m.raw)
	}
	i.toTag = m.tag("To")
	return m, n
}

func (i *invite) prack(rseq int, body string) message {
	i.p.w.Helper()
	i.request("PRACK", body, fmt.Sprintf("RAck: %d 1 INVITE", rseq))
	return i.p.want("SIP/2.0 ")
}

// TestProgressIsRepeatedUntilPrack is RFC 3262 3: at T1, doubling, one at a time,
// with the next behind it.
func TestProgressIsRepeatedUntilPrack(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		a.leg.Progress(180, nil) // no description: nothing depends on it
		if m := w.carrier.want("SIP/2.0 180"); m.get("RSeq") != "" || m.get("Require") != "" {
			t.Errorf("%s", m.raw)
		}
		a.leg.Progress(183, ourSDP)
		first, rseq := i.reliable(183)
		sent := time.Now()
		a.leg.Progress(180, nil)
		for _, after := range []time.Duration{500, 1500, 3500} {
			again := w.carrier.want("SIP/2.0 183")
			within(t, "repetition", sent, after*time.Millisecond)
			if again.raw != first.raw {
				t.Errorf("another one:\n%s", again.raw)
			}
		}
		if m := i.prack(rseq+1, ""); !strings.HasPrefix(m.start, "SIP/2.0 481") {
			t.Errorf("%s", m.raw)
		}
		if m := i.prack(rseq, ""); !strings.HasPrefix(m.start, "SIP/2.0 200") || m.get("CSeq") != "3 PRACK" {
			t.Errorf("%s", m.raw)
		}
		if m := w.carrier.want("SIP/2.0 180"); m.get("RSeq") != "" {
			t.Errorf("%s", m.raw)
		}
		if m := i.prack(rseq, ""); !strings.HasPrefix(m.start, "SIP/2.0 481") { // twice
			t.Errorf("%s", m.raw)
		}
		w.carrier.quiet(30 * time.Second)
		a.leg.Progress(183, ourSDP)
		_, next := i.reliable(183)
		if next != rseq+1 {
			t.Errorf("RSeq %d after %d", next, rseq)
		}
		i.prack(next, "")
		a.leg.Answer(ourSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.body != string(ourSDP) {
			t.Errorf("%s", ok.raw)
		}
		i.send("ACK", i.branch+"ack", 1, "")
		if s := signal[call.Acked](w, a.signals); !s.Sent.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

// TestProgressNeverAcknowledged: 64*T1 later the call is refused with 504.
func TestProgressNeverAcknowledged(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		alive := time.Now()
		a.leg.Progress(183, ourSDP)
		i.reliable(183)
		a.leg.Answer(ourSDP) // waits
		w.carrier.wantAfter("SIP/2.0 504", "SIP/2.0 183")
		within(t, "refused", alive, allT1)
		i.send("ACK", i.branch, 1, "")
		if s := signal[call.Lost](w, a.signals); s.Cause.Status != 504 || !s.Alive.Equal(alive) {
			t.Errorf("%+v", s)
		}
		signal[call.Gone](w, a.signals)
		w.carrier.quiet(time.Minute)
	})
}

// TestAnswerWaitsForPrack: no 2xx while a description is not acknowledged; it
// says when it went.
func TestAnswerWaitsForPrack(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		a.leg.Answer(ourSDP)
		a.leg.Progress(180, nil) // too late
		w.carrier.wantAfter("SIP/2.0 183")
		if m := i.prack(rseq, ""); !strings.HasPrefix(m.start, "SIP/2.0 200") || m.get("CSeq") != "2 PRACK" {
			t.Errorf("%s", m.raw)
		}
		if ok := w.carrier.want("SIP/2.0 200"); ok.get("CSeq") != "1 INVITE" {
			t.Errorf("%s", ok.raw)
		}
		sent := time.Now()
		time.Sleep(100 * time.Millisecond)
		i.send("ACK", i.branch+"ack", 1, "")
		if s := signal[call.Acked](w, a.signals); !s.Sent.Equal(sent) {
			t.Errorf("%+v, want %v", s, sent)
		}
	})
}

// TestAllProgressReliable: who requires 100rel gets nothing else, and a 2xx does
// not wait for the PRACK of a response without a description.
func TestAllProgressReliable(t *testing.T) {
	for _, how := range []struct{ policy, header string }{{"", "Require: 100rel"}, {routing.ReliableOff, "Require: 100rel"}, {routing.ReliableRequired, "Supported: 100rel"}} {
		inWorld(t, Config{}, Deps{Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{Reliable: how.policy}, true }}, func(w *world) {
			i, a := w.rings(how.header)
			a.leg.Progress(180, nil)
			_, rseq := i.reliable(180)
			a.leg.Answer(ourSDP)
			w.carrier.want("SIP/2.0 200")
			if m := i.prack(rseq, ""); !strings.HasPrefix(m.start, "SIP/2.0 200") || !strings.HasSuffix(m.get("CSeq"), "PRACK") { // late, and right
				t.Errorf("%s", m.raw)
			}
			i.send("ACK", i.branch+"ack", 1, "")
			signal[call.Acked](w, a.signals)
			w.carrier.quiet(5 * time.Second)
		})
	}
	for _, how := range []struct{ policy, header string }{{routing.ReliableOff, "Supported: 100rel"}, {routing.ReliableRequired, "Supported: timer"}, {"", "Supported: replaces"}} {
		inWorld(t, Config{}, Deps{Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{Reliable: how.policy}, true }}, func(w *world) {
			_, a := w.rings(how.header)
			a.leg.Progress(183, ourSDP)
			if m := w.carrier.want("SIP/2.0 183"); m.get("RSeq") != "" || m.get("Require") != "" || m.body != string(ourSDP) {
				t.Errorf("%+v: %s", how, m.raw)
			}
		})
	}
}

// TestNoReliableProgressWithoutAnOffer: the first would have to hold our offer,
// and his answer would be in the PRACK.
func TestNoReliableProgressWithoutAnOffer(t *testing.T) {
	for header, rings := range map[string]bool{"Require: 100rel": false, "Supported: 100rel": true} {
		bubble(t, func(w *world) {
			w.carrier.seq++
			i := &invite{p: w.carrier, callID: "delayed@carrier", branch: "z9hG4bKd", cseq: 1}
			i.send("INVITE", i.branch, 1, "", "Contact: <sip:gw@"+carrierAddr+">", header)
			w.carrier.want("SIP/2.0 100")
			a := w.admitted()
			a.leg.Progress(183, ourSDP)
			if rings {
				if m := w.carrier.want("SIP/2.0 183"); m.body != "" || m.get("RSeq") != "" {
					t.Errorf("%s", m.raw)
				}
			} else {
				w.carrier.quiet(time.Second)
			}
			a.leg.Answer(ourSDP)
			w.carrier.want("SIP/2.0 200")
		})
	}
}

// TestPrackWithAnOffer is answered like an UPDATE, in the 200 to the PRACK.
func TestPrackWithAnOffer(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		i.request("PRACK", otherOffer, fmt.Sprintf("RAck: %d 1 INVITE", rseq), "Supported: timer", "Contact: <sip:gw@10.1.0.1:5099>")
		o := signal[call.Offered](w, a.signals)
		if string(o.Body) != crlf(otherOffer) {
			t.Errorf("%q", o.Body)
		}
		a.leg.Update(o.ID, otherSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.get("CSeq") != "2 PRACK" || ok.body != string(otherSDP) ||
			ok.get("Session-Expires") != "" || ok.get("Require") != "" || ok.get("Contact") != "" { // of INVITE and UPDATE only
			t.Errorf("%s", ok.raw)
		}
		i.cseq++
		i.send("PRACK", "z9hG4bKtext", i.cseq, "x", "RAck: 1 1 INVITE", "Content-Type: text/plain")
		w.carrier.want("SIP/2.0 415")
		a.leg.Answer(otherSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.body != string(otherSDP) {
			t.Errorf("%s", ok.raw)
		}
	})
}

// TestUpdateOfTheCaller before the answer: an offer once his first is answered
// reliably, else 500 with Retry-After (RFC 3311 5.2).
func TestUpdateOfTheCaller(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		a.leg.Progress(180, nil)
		i.toTag = w.carrier.want("SIP/2.0 180").tag("To")
		i.request("UPDATE", otherOffer)
		if no := w.carrier.want("SIP/2.0 500"); no.get("Retry-After") == "" {
			t.Errorf("%s", no.raw)
		}
		i.request("UPDATE", "", "Contact: <sip:gw@10.1.0.1:5070>")
		w.carrier.want("SIP/2.0 200")
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		i.request("UPDATE", otherOffer)
		w.carrier.want("SIP/2.0 500")
		i.prack(rseq, "")
		i.request("UPDATE", otherOffer)
		o := signal[call.Offered](w, a.signals)
		a.leg.Update(o.ID, otherSDP)
		w.carrier.want("SIP/2.0 200")
		i.request("UPDATE", offer)
		signal[call.Offered](w, a.signals)
		i.send("CANCEL", i.branch, 1, "")
		w.carrier.want("SIP/2.0 200")
		w.carrier.want("SIP/2.0 487")
		if m := w.carrier.want("SIP/2.0 487"); !strings.HasSuffix(m.get("CSeq"), "UPDATE") {
			t.Errorf("%s", m.raw)
		}
		signal[call.Cancelled](w, a.signals)
		signal[call.Gone](w, a.signals)
	})
}

// TestAnotherDescriptionBeforeTheAnswer: what another target says cannot be an
// answer any more. It is offered by UPDATE, or behind the ACK.
func TestAnotherDescriptionBeforeTheAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings()
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		i.prack(rseq, "")
		a.leg.Progress(183, otherSDP)
		u := w.carrier.want("UPDATE sip:gw@" + carrierAddr)
		if u.body != string(otherSDP) || u.tag("To") != "kari" || u.tag("From") != i.toTag {
			t.Errorf("%s", u.raw)
		}
		if m := w.carrier.want("SIP/2.0 183"); m.body != "" || m.get("RSeq") != "" {
			t.Errorf("%s", m.raw)
		}
		w.carrier.reply(u, 491, "", "")
		met := time.Now()
		u = w.carrier.want("UPDATE")
		if after := time.Since(met); after > 2*time.Second {
			t.Errorf("again after %v", after)
		}
		w.carrier.reply(u, 200, "", offer)
		w.noSignal(a.signals, 100*time.Millisecond) // nothing new
		a.leg.Answer(otherSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.body != string(otherSDP) {
			t.Errorf("%s", ok.raw)
		}
	})
	bubble(t, func(w *world) { // no UPDATE for him
		i, a := w.rings("Supported: 100rel", "Allow: INVITE, ACK, BYE, CANCEL, PRACK")
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		i.prack(rseq, "")
		a.leg.Progress(183, otherSDP)
		w.carrier.want("SIP/2.0 183")
		a.leg.Answer(otherSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.body != "" {
			t.Errorf("%s", ok.raw)
		}
		w.carrier.wantAfter("SIP/2.0 200")
		i.send("ACK", i.branch+"ack", 1, "")
		signal[call.Acked](w, a.signals)
		re := w.carrier.want("INVITE")
		if re.body != string(otherSDP) {
			t.Errorf("%s", re.raw)
		}
		w.carrier.reply(re, 200, "", offer)
		w.carrier.want("ACK")
		w.noSignal(a.signals, 100*time.Millisecond)
	})
}

// TestAnswerWhileAnOfferIsOut: behind the ACK nothing is offered before the
// UPDATE is answered, and of the caller nothing is taken (RFC 3264 4).
func TestAnswerWhileAnOfferIsOut(t *testing.T) {
	for _, status := range []int{200, 488} {
		bubble(t, func(w *world) {
			i, a := w.rings()
			a.leg.Progress(183, ourSDP)
			_, rseq := i.reliable(183)
			i.prack(rseq, "")
			a.leg.Progress(183, otherSDP)
			u := w.carrier.want("UPDATE")
			w.carrier.want("SIP/2.0 183")
			a.leg.Answer(otherSDP)
			w.carrier.want("SIP/2.0 200")
			i.send("ACK", i.branch+"ack", 1, "")
			signal[call.Acked](w, a.signals)
			w.carrier.quiet(400 * time.Millisecond)
			i.request("INVITE", otherOffer)
			w.carrier.want("SIP/2.0 491")
			i.send("ACK", fmt.Sprintf("%s-%d", i.branch, i.cseq), i.cseq, "")
			w.carrier.reply(u, status, "", map[int]string{200: offer}[status])
			if status == 200 {
				w.carrier.quiet(5 * time.Second) // he has it
				return
			}
			if re := w.carrier.want("INVITE"); re.body != string(otherSDP) {
				t.Errorf("%s", re.raw)
			}
		})
	}
}

// TestProgressAgainEachMinute keeps the Timer C of proxies from firing (RFC 3261 13.3.1.1).
func TestProgressAgainEachMinute(t *testing.T) {
	bubble(t, func(w *world) {
		_, a := w.rings("Supported: timer")
		a.leg.Progress(180, nil)
		w.carrier.want("SIP/2.0 180")
		a.leg.Progress(183, ourSDP)
		w.carrier.want("SIP/2.0 183")
		told := time.Now()
		for n := range 3 {
			if m := w.carrier.wantLater("SIP/2.0 183"); m.body != string(ourSDP) {
				t.Errorf("%s", m.raw)
			}
			within(t, "again", told, time.Duration(n+1)*time.Minute)
		}
		a.leg.Hangup(localCause(486))
		w.carrier.want("SIP/2.0 486")
		signal[call.Gone](w, a.signals)
	})
	bubble(t, func(w *world) { // reliably: with a number and a PRACK of its own
		i, a := w.rings()
		a.leg.Progress(183, ourSDP)
		_, rseq := i.reliable(183)
		i.prack(rseq, "")
		w.carrier.quiet(59 * time.Second)
		if _, next := i.reliable(183); next != rseq+1 {
			t.Errorf("RSeq %d after %d", next, rseq)
		}
	})
}

// TestProgressQueueIsBounded: nobody waits for more than a few old news.
func TestProgressQueueIsBounded(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.rings("Require: 100rel")
		for n := range 40 {
			a.leg.Progress(180+n%3, nil)
		}
		last := ""
		for n := 0; ; n++ {
			m, ok := w.carrier.read(100 * time.Millisecond)
			if !ok {
				if n != maxQueue+1 || last != "SIP/2.0 180 Ringing" || w.ep.Stats().Drops["provisional-queue"] == 0 {
					t.Errorf("%d told, the last %q", n, last)
				}
				return
			}
			last, i.toTag = m.start, m.tag("To")
			rseq, _ := strconv.Atoi(m.get("RSeq"))
			i.prack(rseq, "")
		}
	})
}

func FuzzRAck(f *testing.F) {
	for _, s := range []string{"1 1 INVITE", "", "0 1 INVITE", "1 1", " 4294967295\t4294967295 INVITE ", "4294967296 1 INVITE", "1 -1 INVITE", "+1 1 INVITE"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rseq, cseq, method, ok := readRAck(s)
		if ok && fmt.Sprintf("%d %d %s", rseq, cseq, method) != strings.Join(strings.Fields(s), " ") && !strings.Contains(s, "0") {
			t.Errorf("%q read as %d %d %s", s, rseq, cseq, method)
		}
		if ok && rseq == 0 {
			t.Errorf("%q: RSeq 0", s)
		}
	})
}
