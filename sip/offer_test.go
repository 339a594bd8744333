package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

var otherSDP = []byte(strings.ReplaceAll(string(ourSDP), "20000", "20002"))

// up carries an attempt towards the callee to the point where it is answered.
func (w *world) up() (call.Leg, chan call.Signal, message) {
	w.Helper()
	leg, signals, inv := w.dialled()
	w.callee.reply(inv, 200, "agent", offer)
	w.callee.want("ACK")
	signal[call.Answered](w, signals)
	return leg, signals, inv
}

func TestOfferAccepted(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		a.leg.Offer(ourSDP)
		re := w.carrier.want("INVITE sip:gw@" + carrierAddr)
		if re.body != string(ourSDP) || re.get("Contact") != "<sip:10.0.0.1:5060>" || re.get("CSeq") != "1 INVITE" ||
			re.tag("To") != "kari" || re.tag("From") != i.toTag || re.get("Call-ID") != i.callID || re.get("Max-Forwards") != "70" {
			t.Errorf("re-INVITE:\n%s", re.raw)
		}
		w.carrier.reply(re, 100, "", "")
		moved := w.peer("10.1.0.1:5070")
		w.carrier.reply(re, 200, "", offer, "Contact: <sip:moved@10.1.0.1:5070>")
		ack := moved.want("ACK sip:moved@10.1.0.1:5070")
		if ack.get("CSeq") != "1 ACK" || ack.body != "" || ack.branch() == re.branch() {
			t.Errorf("ACK:\n%s", ack.raw)
		}
		if s := signal[call.Accepted](w, a.signals); !strings.Contains(string(s.Body), "m=audio 4000") {
			t.Errorf("answer %q", s.Body)
		}
		w.carrier.reply(re, 200, "", offer) // our ACK was lost
		if again := moved.want("ACK"); again.raw != ack.raw {
			t.Errorf("another ACK:\n%s", again.raw)
		}
		w.noSignal(a.signals, time.Minute)
		a.leg.Hangup(localCause(200))
		moved.want("BYE sip:moved@10.1.0.1:5070")
	})
}

// A glare is tried again by the timers of RFC 3261 14.1, which depend on who
// owns the Call-ID.
func TestOfferMeetsAGlare(t *testing.T) {
	for _, c := range []struct {
		name        string
		least, most time.Duration
		up          func(w *world) (call.Leg, chan call.Signal, *peer)
	}{
		{"ours", 2100 * time.Millisecond, 4 * time.Second, func(w *world) (call.Leg, chan call.Signal, *peer) {
			leg, signals, _ := w.up()
			return leg, signals, w.callee
		}},
		{"theirs", 0, 2 * time.Second, func(w *world) (call.Leg, chan call.Signal, *peer) {
			_, a := w.answered()
			return a.leg, a.signals, w.carrier
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 8 {
				bubble(t, func(w *world) {
					leg, signals, p := c.up(w)
					leg.Offer(ourSDP)
					first := p.want("INVITE")
					p.reply(first, 491, "", "")
					p.want("ACK")
					met := time.Now()
					second := p.want("INVITE")
					after := time.Since(met)
					if after < c.least || after > c.most || after%(10*time.Millisecond) != 0 {
						t.Errorf("tried again after %v", after)
					}
					seen[after] = true
					if second.branch() == first.branch() || second.get("CSeq") == first.get("CSeq") || second.body != first.body {
						t.Errorf("second try:\n%s", second.raw)
					}
					p.reply(second, 200, "", offer)
					p.want("ACK")
					signal[call.Accepted](w, signals)
					w.noSignal(signals, time.Minute)
				})
			}
			if len(seen) < 4 {
				t.Errorf("eight waits were only %v", seen)
			}
		})
	}
}

// Both offer at once: theirs is refused with 491 while ours is out, ours is
// tried again, and theirs is answered when it comes between.
func TestOffersCross(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.up()
		leg.Offer(ourSDP)
		ours := w.callee.want("INVITE")
		w.callee.requestIn(inv, "agent", "INVITE", 20, offer)
		w.callee.want("SIP/2.0 491")
		w.callee.seq-- // the ACK of a refusal has its INVITE's branch
		w.callee.requestIn(inv, "agent", "ACK", 20, "")
		w.callee.requestIn(inv, "agent", "UPDATE", 21, offer)
		w.callee.want("SIP/2.0 491")
		w.callee.requestIn(inv, "agent", "UPDATE", 22, "") // a session refresh asks nothing
		w.callee.want("SIP/2.0 200")
		w.callee.reply(ours, 491, "", "")
		w.callee.want("ACK")
		w.callee.requestIn(inv, "agent", "INVITE", 23, offer)
		w.callee.want("SIP/2.0 100")
		o := signal[call.Offered](w, signals)
		time.Sleep(5 * time.Second) // ours is due, theirs is in its way
		leg.Update(o.ID, ourSDP)
		w.callee.want("SIP/2.0 200")
		w.callee.want("SIP/2.0 200")
		w.callee.requestIn(inv, "agent", "ACK", 23, "")
		again := w.callee.want("INVITE")
		w.callee.reply(again, 200, "", offer)
		w.callee.want("ACK")
		signal[call.Accepted](w, signals)
	})
}

func TestOfferRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		extra  []string
	}{
		{"488", 488, nil}, {"500 without Retry-After", 500, nil}, {"too long", 500, []string{"Retry-After: 11"}},
		{"no number", 500, []string{"Retry-After: soon"}}, {"603", 603, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				leg, signals, inv := w.up()
				leg.Offer(ourSDP)
				re := w.callee.want("INVITE")
				w.callee.reply(re, c.status, "", "", c.extra...)
				w.callee.want("ACK")
				if d := signal[call.Declined](w, signals); d.Cause.Status != c.status || !d.Cause.Remote {
					t.Errorf("cause %+v", d.Cause)
				}
				w.callee.quiet(time.Minute)
				w.callee.requestIn(inv, "agent", "BYE", 30, "") // the call is still up
				w.callee.want("SIP/2.0 200")
				signal[call.Bye](w, signals)
			})
		})
	}
}

func TestOfferIsTriedAgainWhenAsked(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, _ := w.up()
		leg.Offer(ourSDP)
		for n := range maxTries {
			re := w.callee.want("INVITE")
			w.callee.reply(re, 500, "", "", "Retry-After: 3 (busy);duration=9")
			w.callee.want("ACK")
			if n == maxTries-1 {
				break
			}
			w.noSignal(signals, 2999*time.Millisecond)
			w.callee.quiet(0)
		}
		if d := signal[call.Declined](w, signals); d.Cause.Status != 500 {
			t.Errorf("cause %+v", d.Cause)
		}
		w.callee.quiet(time.Minute)
	})
}

// A peer who does not know the dialog any more, or says nothing, is lost
// (RFC 3261 12.2.1.2).
func TestOfferFindsThePeerLost(t *testing.T) {
	for _, status := range []int{481, 408, 0} {
		bubble(t, func(w *world) {
			leg, signals, _ := w.up()
			alive := time.Now()
			time.Sleep(time.Second)
			leg.Offer(ourSDP)
			re := w.callee.want("INVITE")
			want := 408
			if status != 0 {
				alive = time.Now()
				w.callee.reply(re, status, "", "")
				w.callee.want("ACK")
				want = status
			}
			l := signal[call.Lost](w, signals)
			if l.Cause.Status != want || !l.Alive.Equal(alive) {
				t.Errorf("status %d: %+v, alive %v", status, l.Cause, alive)
			}
			bye := w.callee.wantAfter("BYE", "INVITE")
			w.callee.reply(bye, 200, "", "")
			signal[call.Gone](w, signals)
		})
	}
}

func TestOffersQueueAndTheLastWins(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, _ := w.up()
		leg.Offer(ourSDP)
		leg.Offer([]byte("replaced"))
		leg.Offer(otherSDP)
		re := w.callee.want("INVITE")
		w.callee.reply(re, 183, "", "")
		w.callee.quiet(time.Second)
		w.callee.reply(re, 200, "", offer)
		w.callee.want("ACK")
		signal[call.Accepted](w, signals)
		second := w.callee.want("INVITE")
		if second.body != string(otherSDP) {
			t.Errorf("then came %q", second.body)
		}
		w.callee.reply(second, 200, "", offer)
		w.callee.want("ACK")
		signal[call.Accepted](w, signals)
		w.callee.quiet(time.Minute)
	})
}

// An offer waits for the ACK to our own 2xx.
func TestOfferWaitsForTheACK(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Offer(ourSDP) // before there is a session
		signal[call.Declined](w, a.signals)
		a.leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		a.leg.Offer(ourSDP)
		w.carrier.quiet(400 * time.Millisecond)
		i.toTag = ok.tag("To")
		i.send("ACK", i.branch+"ack", 1, "")
		w.carrier.want("INVITE")
		signal[call.Acked](w, a.signals)
	})
}

// Somebody who only thinks about an offer is told that it is off.
func TestOfferIsNotWaitedForForEver(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, _ := w.up()
		leg.Offer(ourSDP)
		re := w.callee.want("INVITE")
		w.callee.reply(re, 180, "", "")
		begun := time.Now()
		cancel := w.callee.want("CANCEL")
		if cancel.branch() != re.branch() || cancel.get("CSeq") != "2 CANCEL" || time.Since(begun) != allT1 {
			t.Errorf("after %v\n%s", time.Since(begun), cancel.raw)
		}
		w.callee.reply(cancel, 200, "", "")
		w.callee.reply(re, 487, "", "")
		w.callee.want("ACK")
		if d := signal[call.Declined](w, signals); d.Cause.Status != 487 {
			t.Errorf("cause %+v", d.Cause)
		}
		leg.Offer(otherSDP)
		w.callee.want("INVITE")
	})
}

func TestHangupWhileAnOfferIsOut(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, _ := w.up()
		leg.Offer(ourSDP)
		leg.Offer(otherSDP) // never made
		re := w.callee.want("INVITE")
		w.callee.reply(re, 180, "", "")
		synctest.Wait()
		leg.Hangup(localCause(200))
		cancel, bye := w.callee.want("CANCEL"), w.callee.want("BYE")
		w.callee.reply(re, 200, "", offer) // it crossed them
		w.callee.want("ACK")
		w.callee.reply(cancel, 481, "", "")
		w.callee.reply(bye, 200, "", "")
		signal[call.Gone](w, signals)
		w.noSignal(signals, time.Minute)
		w.callee.quiet(time.Minute)
	})
	bubble(t, func(w *world) { // during the wait after a glare
		leg, signals, _ := w.up()
		leg.Offer(ourSDP)
		re := w.callee.want("INVITE")
		w.callee.reply(re, 491, "", "")
		w.callee.want("ACK")
		leg.Hangup(localCause(200))
		bye := w.callee.want("BYE")
		w.callee.reply(bye, 200, "", "")
		signal[call.Gone](w, signals)
		w.callee.quiet(time.Minute)
	})
}

// A re-INVITE without a description is answered by an offer of ours, whose
// answer is in the ACK.
func TestReinviteWithoutOffer(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", "", "Contact: <sip:gw@"+carrierAddr+">")
		w.carrier.want("SIP/2.0 100")
		o := signal[call.Offered](w, a.signals)
		if len(o.Body) != 0 {
			t.Errorf("offered %q", o.Body)
		}
		a.leg.Update(o.ID, ourSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.body != string(ourSDP) {
			t.Errorf("%s", ok.raw)
		}
		i.request("UPDATE", offer) // our offer is not answered
		w.carrier.want("SIP/2.0 491")
		i.send("ACK", "z9hG4bKack2", 2, offer, "Content-Type: application/sdp")
		if s := signal[call.Accepted](w, a.signals); !strings.Contains(string(s.Body), "m=audio 4000") {
			t.Errorf("answer %q", s.Body)
		}
		i.cseq = 9
		i.request("INVITE", "")
		w.carrier.want("SIP/2.0 100")
		a.leg.Update(signal[call.Offered](w, a.signals).ID, ourSDP)
		w.carrier.want("SIP/2.0 200")
		i.send("ACK", "z9hG4bKack10", 10, "")
		if d := signal[call.Declined](w, a.signals); d.Cause.Status != 488 {
			t.Errorf("cause %+v", d.Cause)
		}
		w.carrier.quiet(time.Minute)
	})
}

// A re-INVITE that is cancelled and made anew at once is not given the answer
// to the first.
func TestCancelledOfferIsNotAnsweredByTheNext(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer)
		w.carrier.want("SIP/2.0 100")
		first := signal[call.Offered](w, a.signals)
		i.send("CANCEL", i.branch+"-2", 2, "")
		i.send("ACK", i.branch+"-2", 2, "")
		i.request("INVITE", offer)
		w.carrier.want("SIP/2.0 200") // of the CANCEL
		w.carrier.want("SIP/2.0 487")
		w.carrier.wantAfter("SIP/2.0 100", "SIP/2.0 487")
		if gone := signal[call.Withdrawn](w, a.signals); gone.ID != first.ID {
			t.Errorf("withdrawn %d, offered %d", gone.ID, first.ID)
		}
		second := signal[call.Offered](w, a.signals)
		a.leg.Update(first.ID, ourSDP) // was on its way all the time
		a.leg.Refuse(first.ID, localCause(488))
		a.leg.Update(second.ID, otherSDP)
		if ok := w.carrier.wantAfter("SIP/2.0 200", "SIP/2.0 487"); ok.body != string(otherSDP) || ok.get("CSeq") != "3 INVITE" {
			t.Errorf("answered\n%s", ok.raw)
		}
	})
}

// An offer that finds no way out is given up; the call stays.
func TestOfferThatCannotLeave(t *testing.T) {
	deps := Deps{Connect: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return nil, errors.New("refused") }}
	inWorld(t, Config{}, deps, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		c.Write(tcpRequest("INVITE", "gone", "n1", "", 1, offer))
		c.want(w, "SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		ok := c.want(w, "SIP/2.0 200")
		c.Write(tcpRequest("ACK", "gone", "n2", ok.tag("To"), 1, ""))
		signal[call.Acked](w, a.signals)
		c.Close()
		synctest.Wait()
		a.leg.Offer(otherSDP)
		if d := signal[call.Declined](w, a.signals); d.Cause.Status != 503 || d.Cause.Remote {
			t.Errorf("cause %+v", d.Cause)
		}
		w.noSignal(a.signals, time.Second)
		again := w.connect("10.1.0.1:40001")
		again.Write(tcpRequest("BYE", "gone", "n3", ok.tag("To"), 2, ""))
		again.want(w, "SIP/2.0 200")
		signal[call.Bye](w, a.signals)
	})
}
