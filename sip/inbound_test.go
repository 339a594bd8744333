package sip

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

func TestAnsweredCallAndByeOfCaller(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite("P-Asserted-Identity: \"Kari N\" <sip:+4790000002@10.1.0.1>", "X-Secret: canary")
		trying := w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		if a.Trunk != "carrier" || a.To != "+4721000001" || a.MaxForwards != 69 || a.Transport != "udp" || a.SIPCallID != i.callID ||
			a.Source.String() != carrierAddr || a.Party != (call.Party{User: "+4790000002", Display: "Kari N"}) || !strings.HasPrefix(string(a.Body), "v=0\r\n") {
			t.Errorf("invite %+v", a.Invite)
		}
		a.leg.Progress(180, nil)
		ringing := w.carrier.want("SIP/2.0 180")
		a.leg.Progress(183, ourSDP)
		if early := w.carrier.want("SIP/2.0 183"); early.body != string(ourSDP) {
			t.Errorf("early media %q", early.body)
		}
		a.leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		for _, m := range []message{trying, ringing, ok} {
			if m.tag("To") == "" || m.tag("To") != ok.tag("To") || m.from != usAddr {
				t.Errorf("To %q of %q, the 200's is %q", m.get("To"), m.start, ok.get("To"))
			}
		}
		if ok.get("Contact") != "<sip:10.0.0.1:5060>" || ok.get("Allow") != allowed || ok.get("Content-Type") != sdpType || ok.body != string(ourSDP) || ok.get("X-Secret") != "" {
			t.Errorf("200:\n%s", ok.raw)
		}
		i.toTag = ok.tag("To")
		i.send("ACK", i.branch+"ack", 1, "")
		signal[call.Acked](w, a.signals)
		w.carrier.quiet(40 * time.Second)
		i.request("BYE", "", `Reason: SIP;cause=200, Q.850;cause=31;text="x"`)
		w.carrier.want("SIP/2.0 200")
		if bye := signal[call.Bye](w, a.signals); bye.Cause.Q850 != 31 || !bye.Cause.Remote || bye.Cause.Status != 200 {
			t.Errorf("cause %+v", bye.Cause)
		}
		signal[call.Gone](w, a.signals)
		w.noSignal(a.signals, time.Minute)
	})
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		cause  call.Cause
		status string
		retry  string
	}{
		{call.Cause{Status: 403, Reason: "acl-denied"}, "403 Forbidden", ""},
		{call.Cause{Reason: "number-unassigned"}, "404 Not Found", ""},
		{call.Cause{Reason: "number-suspended"}, "480 Temporarily Unavailable", ""},
		{call.Cause{Reason: "number-suspended", Status: 410}, "410 Gone", ""},
		{call.Cause{Reason: call.ReasonOverload}, "503 Service Unavailable", "10"},
		{call.Cause{Reason: call.ReasonCPSLimit, Status: 503, Retry: 30}, "503 Service Unavailable", "30"},
		{call.Cause{Reason: call.ReasonRecordingImpossible}, "503 Service Unavailable", "10"},
		{call.Cause{Status: 503}, "503 Service Unavailable", "5"},
		{call.Cause{Status: 486, Retry: 7}, "486 Busy Here", "7"},
		{call.Cause{Reason: "no-route"}, "480 Temporarily Unavailable", ""},
		{call.Cause{Reason: "policy-error"}, "500 Server Internal Error", ""},
		{call.Cause{Status: 486, Remote: true}, "486 Busy Here", ""},
		{call.Cause{Status: 401, Remote: true}, "502 Bad Gateway", ""},
		{call.Cause{Status: 407, Remote: true}, "502 Bad Gateway", ""},
		{call.Cause{Status: 503, Remote: true, Retry: 3}, "500 Server Internal Error", ""},
		{call.Cause{Status: 302, Remote: true}, "480 Temporarily Unavailable", ""},
		{call.Cause{}, "480 Temporarily Unavailable", ""},
	} {
		t.Run(c.cause.Reason+" "+c.status, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.refuse = &c.cause
				i := w.carrier.invite()
				w.carrier.want("SIP/2.0 100")
				res := w.carrier.want("SIP/2.0 " + c.status)
				if res.get("Retry-After") != c.retry {
					t.Errorf("Retry-After %q", res.get("Retry-After"))
				}
				// until the ACK comes it is said again (RFC 3261 17.2.1)
				again := w.carrier.want("SIP/2.0 " + c.status)
				if again.raw != res.raw {
					t.Errorf("said differently:\n%s", again.raw)
				}
				i.toTag = res.tag("To")
				i.send("ACK", i.branch, 1, "")
				w.carrier.quiet(time.Minute)
			})
		})
	}
}

func TestNoTrunkMatchIsSilence(t *testing.T) {
	bubble(t, func(w *world) {
		w.refuse = &call.Cause{Reason: noTrunk}
		w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		w.carrier.quiet(time.Minute)
	})
}

func TestHangupBeforeAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Hangup(call.Cause{Status: 486, Q850: 17})
		a.leg.Hangup(call.Cause{Status: 500})
		a.leg.Answer(ourSDP)
		a.leg.Progress(180, nil)
		res := w.carrier.want("SIP/2.0 486")
		if res.get("Reason") != "Q.850;cause=17" {
			t.Errorf("Reason %q", res.get("Reason"))
		}
		signal[call.Gone](w, a.signals)
		w.noSignal(a.signals, time.Minute)
	})
}

// Row 5 (RFC 3261 9.2): one To tag in 180, 487 and the 200 to the CANCEL.
func TestRow05CancelKeepsOneTag(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Progress(180, nil)
		tag := w.carrier.want("SIP/2.0 180").tag("To")
		i.send("CANCEL", i.branch, 1, "")
		ok, terminated := w.carrier.want("SIP/2.0 200"), w.carrier.want("SIP/2.0 487")
		if !strings.Contains(ok.get("CSeq"), "CANCEL") || ok.tag("To") != tag || terminated.tag("To") != tag {
			t.Errorf("180 had tag %q\n%s\n%s", tag, ok.raw, terminated.raw)
		}
		signal[call.Cancelled](w, a.signals)
		signal[call.Gone](w, a.signals)
		i.send("CANCEL", i.branch, 1, "") // lost answer
		w.carrier.want("SIP/2.0 200")
		i.toTag = tag
		i.send("ACK", i.branch, 1, "")
		w.carrier.quiet(time.Minute)
	})
}

func TestCancelCrossing200(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		tag := w.carrier.want("SIP/2.0 200").tag("To")
		i.send("CANCEL", i.branch, 1, "")
		if ok := w.carrier.want("SIP/2.0 200"); ok.get("CSeq") != "1 CANCEL" || ok.tag("To") != tag {
			t.Errorf("%s", ok.raw)
		}
		i.toTag = tag
		i.send("ACK", i.branch+"ack", 1, "")
		signal[call.Acked](w, a.signals)
		a.leg.Hangup(call.Cause{Status: 200})
		bye := w.carrier.want("BYE")
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
	})
}

func TestCancelOfNothing(t *testing.T) {
	bubble(t, func(w *world) {
		i := &invite{p: w.carrier, callID: "x", branch: "z9hG4bKnone", cseq: 1}
		i.send("CANCEL", i.branch, 1, "")
		w.carrier.want("SIP/2.0 481")
	})
}

// Dependencies 3.2, row 6: 200 repeated at T1, 2*T1 up to T2; without an ACK the
// dialog is ended by BYE (RFC 3261 13.3.1.4).
func TestRow06AnswerRepeatedThenBye(t *testing.T) {
	bubble(t, func(w *world) {
		w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		start := w.carrier.want("SIP/2.0 200").at
		var times []time.Duration
		for len(times) < 10 {
			times = append(times, w.carrier.want("SIP/2.0 200").at.Sub(start).Round(time.Millisecond))
		}
		want := []time.Duration{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}
		for i := range want {
			if times[i] != want[i]*time.Millisecond {
				t.Fatalf("200 at %v, want %v ms", times, want)
			}
		}
		bye := w.carrier.want("BYE")
		if d := bye.at.Sub(start); d.Round(time.Millisecond) != 32*time.Second {
			t.Errorf("BYE after %v", d)
		}
		signal[call.NoAck](w, a.signals)
		a.leg.Hangup(call.Cause{Status: 408})
		w.carrier.reply(bye, 481, "", "")
		signal[call.Gone](w, a.signals)
		w.noSignal(a.signals, time.Minute)
	})
}

// RFC 3261 15: no BYE before the ACK to the 2xx.
func TestHangupWaitsForAck(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		i.toTag = w.carrier.want("SIP/2.0 200").tag("To")
		a.leg.Hangup(call.Cause{Status: 200})
		w.carrier.want("SIP/2.0 200") // a repetition, no BYE
		i.send("ACK", i.branch+"ack", 1, "")
		bye := w.carrier.want("BYE sip:gw@" + carrierAddr)
		if bye.tag("To") != "kari" || bye.tag("From") != i.toTag || bye.get("CSeq") != "1 BYE" || bye.get("Reason") != "Q.850;cause=16" || bye.get("Call-ID") != i.callID {
			t.Errorf("%s", bye.raw)
		}
		signal[call.Acked](w, a.signals)
		w.carrier.want("BYE") // retransmitted
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
		w.noSignal(a.signals, time.Minute)
	})
}

func TestByeCrossingBye(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		a.leg.Hangup(call.Cause{Status: 200})
		bye := w.carrier.want("BYE")
		i.request("BYE", "")
		w.carrier.wantAfter("SIP/2.0 200", "BYE")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		w.carrier.reply(bye, 481, "", "")
		w.noSignal(a.signals, time.Minute)
	})
}

func TestByeNeverAnswered(t *testing.T) {
	bubble(t, func(w *world) {
		_, a := w.answered()
		a.leg.Hangup(call.Cause{Status: 200})
		start := time.Now()
		signal[call.Gone](w, a.signals)
		if d := time.Since(start); d != allT1 {
			t.Errorf("gone after %v", d)
		}
	})
}

func TestByeBeforeAckAndBeforeAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		i.toTag = w.carrier.want("SIP/2.0 200").tag("To")
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		w.carrier.quiet(time.Minute)

		i = w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a = w.admitted()
		a.leg.Progress(180, nil)
		i.toTag = w.carrier.want("SIP/2.0 180").tag("To")
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		w.carrier.want("SIP/2.0 487")
		signal[call.Cancelled](w, a.signals)
		signal[call.Gone](w, a.signals)
	})
}

func TestReinvite(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer, "Contact: <sip:moved@10.1.0.1:5070>")
		w.carrier.want("SIP/2.0 100")
		if o := signal[call.Offered](w, a.signals); string(o.Body) != strings.ReplaceAll(offer, "\n", "\r\n") {
			t.Errorf("offer %q", o.Body)
		}
		a.leg.Update(1, ourSDP)
		w.carrier.want("SIP/2.0 200")
		ok := w.carrier.want("SIP/2.0 200") // repeated until its own ACK
		if ok.body != string(ourSDP) || ok.get("CSeq") != "2 INVITE" {
			t.Errorf("%s", ok.raw)
		}
		i.send("ACK", "z9hG4bKack2", 2, "")
		w.carrier.quiet(time.Minute)
		w.noSignal(a.signals, time.Second) // the ACK of a re-INVITE is nobody's business

		i.request("UPDATE", offer, "Contact: <sip:gw@"+carrierAddr+">")
		signal[call.Offered](w, a.signals)
		a.leg.Refuse(2, localCause(488))
		w.carrier.want("SIP/2.0 488")
		i.request("UPDATE", "", "Contact: <sip:gw@"+carrierAddr+">")
		w.carrier.want("SIP/2.0 200")
		i.request("INFO", "")
		w.carrier.want("SIP/2.0 200")
		if n := w.ep.Stats().Drops["info"]; n != 0 {
			t.Errorf("an empty INFO, a keep-alive, counts as lost: %d", n)
		}
		i.cseq++
		i.send("INFO", "z9hG4bKinfo", i.cseq, "Signal=5\nDuration=160\n", "Content-Type: application/dtmf-relay")
		w.carrier.want("SIP/2.0 200")
		if k := signal[call.Keyed](w, a.signals); k.Press.Digit != 5 || k.Press.For != 160*time.Millisecond {
			t.Errorf("the call is told of event %d for %s", uint8(k.Press.Digit), k.Press.For)
		}
		if n := w.ep.Stats().Drops["info"]; n != 0 {
			t.Errorf("a key that goes further was counted %d times", n)
		}
		i.request("MESSAGE", "")
		w.carrier.want("SIP/2.0 405")
		w.noSignal(a.signals, time.Second)
	})
}

// A re-INVITE that is never acknowledged ends the dialog as the first one would.
func TestReinviteWithoutAck(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer)
		signal[call.Offered](w, a.signals)
		a.leg.Update(1, ourSDP)
		signal[call.NoAck](w, a.signals)
		w.carrier.wantAfter("BYE", "SIP/2.0 100", "SIP/2.0 200")
	})
}

// Row 12 (RFC 3261 14.2): overlapping re-INVITEs, equal and lower CSeq.
func TestRow12Glare(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer)
		w.carrier.want("SIP/2.0 100")
		signal[call.Offered](w, a.signals)
		i.request("INVITE", offer)
		if res := w.carrier.want("SIP/2.0 500"); res.get("Retry-After") == "" {
			t.Errorf("no Retry-After:\n%s", res.raw)
		}
		i.send("ACK", i.branch+"-3", 3, "")
		i.request("UPDATE", offer)
		w.carrier.want("SIP/2.0 500")
		i.send("INVITE", "z9hG4bKequal", i.cseq, offer, "Content-Type: application/sdp")
		w.carrier.want("SIP/2.0 500")
		i.send("ACK", "z9hG4bKequal", i.cseq, "")
		i.send("BYE", "z9hG4bKlower", 1, "")
		w.carrier.want("SIP/2.0 500")
		a.leg.Update(1, ourSDP)
		w.carrier.want("SIP/2.0 200")
		i.request("INVITE", offer) // before the ACK to that
		w.carrier.wantAfter("SIP/2.0 491", "SIP/2.0 200")
	})
}

func TestCancelOfReinvite(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer)
		w.carrier.want("SIP/2.0 100")
		signal[call.Offered](w, a.signals)
		i.send("CANCEL", i.branch+"-2", 2, "")
		w.carrier.want("SIP/2.0 200")
		w.carrier.want("SIP/2.0 487")
		i.send("ACK", i.branch+"-2", 2, "")
		a.leg.Update(1, ourSDP) // too late: nothing happens
		w.carrier.quiet(time.Minute)
	})
}

// Row 8 (RFC 3261 12.2.2) and row 9 (12.2.1.1).
func TestRow08TargetRefreshAndRow09StrictRoute(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		i.request("INVITE", offer, "Contact: <sip:moved@10.1.0.1:5070>")
		signal[call.Offered](w, a.signals)
		a.leg.Update(1, ourSDP)
		i.send("ACK", "z9hG4bKack2", 2, "")
		moved := w.peer("10.1.0.1:5070")
		synctest.Wait() // the ACK has arrived
		a.leg.Hangup(call.Cause{Status: 200})
		moved.want("BYE sip:moved@10.1.0.1:5070")
	})
	bubble(t, func(w *world) {
		proxy := w.peer("10.1.0.7:5060")
		_, a := w.answered("Record-Route: <sip:10.1.0.7>", "Record-Route: <sip:10.1.0.8;lr>")
		a.leg.Hangup(call.Cause{Status: 200})
		bye := proxy.want("BYE sip:10.1.0.7 SIP/2.0")
		if got := strings.Join(bye.all("Route"), " "); got != "<sip:10.1.0.8;lr> <sip:gw@"+carrierAddr+">" {
			t.Errorf("Route %s", got)
		}
	})
	bubble(t, func(w *world) {
		proxy := w.peer("10.1.0.7:5060")
		_, a := w.answered("Record-Route: <sip:10.1.0.7;lr>, <sip:10.1.0.8;lr>")
		a.leg.Hangup(call.Cause{Status: 200})
		bye := proxy.want("BYE sip:gw@" + carrierAddr)
		if got := strings.Join(bye.all("Route"), " "); got != "<sip:10.1.0.7;lr> <sip:10.1.0.8;lr>" {
			t.Errorf("Route %s", got)
		}
	})
}

// a Contact or Record-Route names places we have no business with.
func TestA20NothingLeavesForStrangeContacts(t *testing.T) {
	for _, c := range []string{"127.0.0.1:4222", "169.254.169.254", "10.9.9.9:5060", "10.3.0.1", "example.com", "[::1]:5060", "0.0.0.0", "255.255.255.255", "10.1.0.1.nip.io"} {
		bubble(t, func(w *world) {
			for _, addr := range []string{"127.0.0.1:4222", "169.254.169.254:5060", "10.9.9.9:5060", "10.3.0.1:5060"} {
				p := w.peer(addr)
				defer func() {
					if len(p.conn.in) > 0 {
						t.Errorf("%s got %q", addr, (<-p.conn.in).b)
					}
				}()
			}
			i := &invite{p: w.carrier, callID: "a20", branch: "z9hG4bKa20", cseq: 1}
			i.send("INVITE", i.branch, 1, offer, "Content-Type: application/sdp", "Contact: <sip:x@"+c+">", "Record-Route: <sip:"+c+";lr>")
			w.carrier.want("SIP/2.0 100")
			a := w.admitted()
			a.leg.Answer(ourSDP)
			i.toTag = w.carrier.want("SIP/2.0 200").tag("To")
			i.send("ACK", i.branch+"ack", 1, "")
			a.leg.Hangup(call.Cause{Status: 200})
			w.carrier.want("BYE")
		})
	}
}

// guessed dialogs, wrong tags, wrong sources.
func TestA13Spoofing(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		second, stranger := w.peer("10.3.0.1:5060"), w.peer(otherAddr)
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "INFO"} {
			for _, p := range []*peer{second, stranger} {
				forged := *i
				forged.p = p
				forged.cseq = 9
				forged.request(method, "")
			}
			second.want("SIP/2.0 481")
			wrong := *i
			wrong.toTag = "guess"
			wrong.branch += "w" + method
			wrong.request(method, "")
			w.carrier.want("SIP/2.0 481")
		}
		stranger.quiet(time.Second)
		cancel := *i
		cancel.p = second
		cancel.toTag = ""
		cancel.send("CANCEL", i.branch, 1, "")
		second.wantAfter("SIP/2.0 481", "SIP/2.0 481 Call/Transaction Does Not Exist")
		w.noSignal(a.signals, time.Second)
		sibling := *i // another address of the same trunk may take over
		sibling.p = w.peer("10.1.0.9:5060")
		sibling.request("BYE", "")
		sibling.p.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
	})
}
