package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

func TestAttemptAnsweredAndEnded(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		for h, want := range map[string]string{
			"From": `<sip:+4790000001@10.0.0.1>;tag=` + inv.tag("From"), "To": "<sip:agent@10.2.0.1>", "Max-Forwards": "69",
			"CSeq": "1 INVITE", "Contact": "<sip:10.0.0.1:5060>", "Content-Type": sdpType, "Allow": allowed, "Privacy": "",
			"Supported": "timer, replaces, norefersub, 100rel, 199", "Session-Expires": "1800", "Min-SE": "90",
			"Content-Length": fmt.Sprint(len(ourSDP)),
		} {
			if inv.get(h) != want {
				t.Errorf("%s: %q, want %q", h, inv.get(h), want)
			}
		}
		if len(inv.all("Via")) != 1 || inv.start != "INVITE sip:agent@"+calleeAddr+" SIP/2.0" || inv.body != string(ourSDP) || len(inv.headers) != 13 {
			t.Errorf("%s", inv.raw)
		}
		w.callee.reply(inv, 100, "", "")
		w.callee.reply(inv, 180, "agent", "")
		if r := signal[call.Ringing](w, signals); r.Status != 180 || r.Body != nil {
			t.Errorf("%+v", r)
		}
		w.callee.reply(inv, 183, "agent", offer)
		if r := signal[call.Ringing](w, signals); r.Status != 183 || len(r.Body) == 0 {
			t.Errorf("%+v", r)
		}
		w.callee.reply(inv, 200, "agent", offer)
		ack := w.callee.want("ACK sip:agent@" + calleeAddr)
		if ack.branch() == inv.branch() || ack.tag("To") != "agent" || ack.get("CSeq") != "1 ACK" || ack.body != "" {
			t.Errorf("%s", ack.raw)
		}
		if a := signal[call.Answered](w, signals); len(a.Body) == 0 {
			t.Errorf("%+v", a)
		}
		w.callee.reply(inv, 200, "agent", offer) // the ACK was lost
		if again := w.callee.want("ACK"); again.raw != ack.raw {
			t.Errorf("another ACK:\n%s", again.raw)
		}
		leg.Hangup(call.Cause{Status: 200, Q850: 16})
		bye := w.callee.want("BYE")
		if bye.get("CSeq") != "2 BYE" || bye.tag("To") != "agent" || bye.tag("From") != inv.tag("From") {
			t.Errorf("%s", bye.raw)
		}
		w.callee.reply(bye, 200, "", "")
		signal[call.Gone](w, signals)
		w.noSignal(signals, time.Minute)
	})
}

func TestAnonymousAttempt(t *testing.T) {
	bubble(t, func(w *world) {
		d := call.Dial{MaxForwards: 69, Body: ourSDP}
		d.Target.URI = "sip:" + calleeAddr
		if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err != nil {
			t.Fatal(err)
		}
		inv := w.callee.want("INVITE sip:10.2.0.1:5060 SIP/2.0")
		if !strings.HasPrefix(inv.get("From"), `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=`) || inv.get("Privacy") != "id" {
			t.Errorf("%s", inv.raw)
		}
	})
}

func TestAttemptRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		extra  string
		q850   int
	}{{486, "", 17}, {486, `Reason: SIP;cause=1, q.850 ; cause=21 ;text="x"`, 21}, {404, "Reason: Q.850;cause=9999", 1}, {302, "", 23}, {401, "", 21}, {603, "", 21}, {503, "", 41}, {699, "", 17}} {
		t.Run(fmt.Sprint(c.status, c.extra), func(t *testing.T) {
			bubble(t, func(w *world) {
				_, signals, inv := w.dialled()
				w.callee.reply(inv, c.status, "agent", "", c.extra, "Contact: <sip:+882@10.9.9.9>")
				ack := w.callee.want("ACK")
				if ack.branch() != inv.branch() || ack.tag("To") != "agent" {
					t.Errorf("%s", ack.raw)
				}
				f := signal[call.Failed](w, signals)
				if f.Cause.Status != c.status || f.Cause.Q850 != c.q850 || !f.Cause.Remote || strings.Contains(f.Cause.Text, "Theirs") {
					t.Errorf("%+v", f.Cause)
				}
				signal[call.Gone](w, signals)
				w.callee.reply(inv, c.status, "agent", "") // our ACK was lost
				w.callee.want("ACK")
				w.noSignal(signals, time.Minute)
			})
		})
	}
}

// Row 1: no limit of 1,300 bytes on UDP, for requests and responses.
func TestRow01LargeMessages(t *testing.T) {
	big := append([]byte(nil), ourSDP...)
	for len(big) < 3000 {
		big = append(big, "a=rtpmap:96 opus/48000/2\r\n"...)
	}
	bubble(t, func(w *world) {
		w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		w.admitted().leg.Answer(big)
		if m := w.carrier.want("SIP/2.0 200"); m.body != string(big) {
			t.Errorf("%d bytes of body", len(m.body))
		}
		d := call.Dial{MaxForwards: 69, Body: big}
		d.Target.URI = "sip:" + calleeAddr
		if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err != nil {
			t.Fatal(err)
		}
		if m := w.callee.want("INVITE"); m.body != string(big) {
			t.Errorf("%d bytes of body", len(m.body))
		}
	})
}

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

// byeOf is the callee's BYE in the dialog of our INVITE.
func (p *peer) byeOf(inv message, tag string) { p.requestIn(inv, tag, "BYE", 1, "") }

func (p *peer) requestIn(inv message, tag, method string, cseq int, body string) {
	p.seq++
	head := fmt.Sprintf("%s sip:10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKq%d;rport\nMax-Forwards: 70\nFrom: %s;tag=%s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:agent@%s>\n",
		method, p.conn.addr, p.seq, inv.get("To"), tag, inv.get("From"), inv.get("Call-ID"), cseq, method, p.conn.addr)
	if body != "" {
		head += "Content-Type: application/sdp\n"
	}
	p.sendRaw(text("%s\n%s", head, body))
}

func TestCalleeReinvitesAndHangsUp(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		w.callee.requestIn(inv, "agent", "UPDATE", 7, offer) // our INVITE is open
		w.callee.want("SIP/2.0 491")
		w.callee.requestIn(inv, "agent", "INFO", 8, "")
		w.callee.want("SIP/2.0 200")
		w.callee.requestIn(inv, "nobody", "INFO", 9, "") // of no early dialog
		w.callee.want("SIP/2.0 481")
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		w.callee.requestIn(inv, "agent", "INVITE", 9, offer)
		w.callee.want("SIP/2.0 100")
		signal[call.Offered](w, signals)
		leg.Update(1, ourSDP)
		w.callee.want("SIP/2.0 200")
		w.callee.requestIn(inv, "agent", "ACK", 9, "")
		w.callee.requestIn(inv, "agent", "BYE", 10, "")
		w.callee.want("SIP/2.0 200")
		signal[call.Bye](w, signals)
		signal[call.Gone](w, signals)
		w.noSignal(signals, time.Minute)
		// an address we dialled may speak of that call, of nothing else
		w.callee.invite()
		w.callee.send("OPTIONS sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKo\nMax-Forwards: 70\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: o\nCSeq: 1 OPTIONS\n\n")
		w.callee.quiet(time.Minute)
	})
}

// A BYE that is read while its 2xx still waits in the leg's order: it must not
// be taken for one that came before, or the call would stay up without a callee.
func TestByeRightBehindItsAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		busy := make(chan struct{})
		leg.(*outbound).do(func() { <-busy })
		w.callee.reply(inv, 200, "agent", offer)
		synctest.Wait()
		w.callee.requestIn(inv, "agent", "BYE", 7, "")
		synctest.Wait()
		close(busy)
		signal[call.Answered](w, signals)
		signal[call.Bye](w, signals)
		signal[call.Gone](w, signals)
		w.callee.want("ACK")
		w.callee.want("SIP/2.0 200")
	})
}

func names(m map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) (addrs []netip.Addr, err error) {
		for _, a := range m[host] {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if addrs == nil {
			err = errors.New("no such host")
		}
		return addrs, err
	}
}

// TestConnectTimeout: the flow may say how long an address may be silent; one that
// has said anything is waited for.
func TestConnectTimeout(t *testing.T) {
	for _, c := range []struct {
		says time.Duration // of the dial
		want time.Duration
	}{{0, no100}, {time.Second, time.Second}} {
		inWorld(t, Config{}, Deps{}, func(w *world) {
			signals := make(chan call.Signal, 64)
			d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
			d.Target.URI, d.Target.Connect = "sip:agent@"+calleeAddr, c.says
			start := time.Now()
			if _, err := w.ep.Dial(w.Context(), d, into(signals)); err != nil {
				t.Fatal(err)
			}
			if f := signal[call.Failed](w, signals); f.Cause.Status != 408 || f.Cause.Remote || time.Since(start) != c.want {
				t.Errorf("%+v after %v", f.Cause, time.Since(start))
			}
		})
		inWorld(t, Config{}, Deps{}, func(w *world) {
			signals := make(chan call.Signal, 64)
			d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
			d.Target.URI, d.Target.Connect = "sip:agent@"+calleeAddr, c.says
			leg, err := w.ep.Dial(w.Context(), d, into(signals))
			if err != nil {
				t.Fatal(err)
			}
			req := w.callee.want("INVITE")
			w.callee.reply(req, 100, "", "")
			w.noSignal(signals, 20*time.Second)
			leg.Hangup(call.Cause{})
			w.callee.reply(w.callee.want("CANCEL"), 200, "", "")
			w.callee.reply(req, 487, "agent", "")
		})
	}
}

// Row 15: a dead address is left after 3 s for the next; a late answer of the
// dead one is acknowledged and ended, and no signal tells of it.
func TestRow15NextAddress(t *testing.T) {
	deps := Deps{Lookup: names(map[string][]string{"pbx.example.com": {"10.2.0.66", "10.2.0.1"}})}
	inWorld(t, Config{}, deps, func(w *world) {
		dead := w.peer("10.2.0.66:5060")
		start := time.Now()
		leg, signals := w.dial("sip:agent@pbx.example.com")
		first := dead.want("INVITE")
		second := w.callee.want("INVITE")
		if d := time.Since(start); d != no100 {
			t.Errorf("next address after %v", d)
		}
		if first.get("CSeq") == second.get("CSeq") || first.branch() == second.branch() {
			t.Errorf("the second INVITE would be merged with the first:\n%s", second.raw)
		}
		w.callee.reply(second, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		dead.reply(first, 200, "ghost", offer)
		if ack := dead.wantAfter("ACK", "INVITE"); ack.tag("To") != "ghost" || ack.get("CSeq") != "1 ACK" {
			t.Errorf("%s", ack.raw)
		}
		dead.reply(dead.want("BYE"), 200, "", "")
		w.noSignal(signals, time.Second)
		leg.Hangup(call.Cause{})
		w.callee.want("BYE")
	})
	inWorld(t, Config{}, deps, func(w *world) { // both dead
		dead := w.peer("10.2.0.66:5060")
		leg, signals := w.dial("sip:agent@pbx.example.com")
		first := dead.want("INVITE")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 408 || f.Cause.Remote {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
		dead.reply(first, 180, "ghost", "") // it lives after all: it is not left ringing
		dead.wantAfter("CANCEL", "INVITE")
		leg.Hangup(call.Cause{})
		w.noSignal(signals, time.Minute)
	})
	inWorld(t, Config{}, deps, func(w *world) { // 503: RFC 3263 4.3
		dead := w.peer("10.2.0.66:5060")
		_, signals := w.dial("sip:agent@pbx.example.com")
		dead.reply(dead.want("INVITE"), 503, "ghost", "")
		w.callee.reply(w.callee.want("INVITE"), 180, "agent", "")
		signal[call.Ringing](w, signals)
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

func TestDialRefusesWhatCannotBeDialled(t *testing.T) {
	bubble(t, func(w *world) {
		for _, uri := range []string{"", "agent", "tel:+4712345678", "sips:a@b", "sip:", "sip:a@b\r\nX: y", "sip:a@b c", "sip:a@<b>", "sip:a@b:99999", "sip:a@b:-1", "sip://a@b", "http://x", `sip:a"@b`, "sip:a@b\x00"} {
			d := call.Dial{MaxForwards: 69}
			d.Target.URI = uri
			if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); !errors.Is(err, errTarget) {
				t.Errorf("%q: %v", uri, err)
			}
		}
		d := call.Dial{}
		d.Target.URI = "sip:" + calleeAddr
		if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); !errors.Is(err, errForwards) {
			t.Errorf("no hop left: %v", err)
		} else if c := (call.Cause{}); !errors.As(err, &c) || c.Status != 483 {
			t.Errorf("the caller would hear %v", c)
		}
		synctest.Wait()
		if s := w.ep.Stats(); s.Legs != 0 {
			t.Errorf("%d legs", s.Legs)
		}
	})
}
