package sip

import (
	"errors"
	"fmt"
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
