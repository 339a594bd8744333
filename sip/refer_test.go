package sip

import (
	"strings"
	"testing"
	"time"

	"ringdown/call"
)

// referred carries a call of the carrier's to the point where it has sent a
// REFER and the call has taken it on.
func (w *world) referred(extra ...string) (*invite, admittedCall, call.Referred) {
	w.Helper()
	i, a := w.answered()
	i.request("REFER", "", append([]string{"Refer-To: <sip:201@pbx.example>", "Contact: <sip:gw@" + carrierAddr + ">"}, extra...)...)
	return i, a, signal[call.Referred](w, a.signals)
}

// The referrer hears 202, and how it goes, one NOTIFY after the other.
func TestReferIsToldHowItGoes(t *testing.T) {
	bubble(t, func(w *world) {
		_, a, r := w.referred()
		if r.ID != 1 || r.To.User != "201" || r.To.Host != "pbx.example" || r.To.Replaces != "" || r.To.Named != nil {
			t.Fatalf("%+v", r)
		}
		a.leg.Refer(1, 100)
		if ok := w.carrier.want("SIP/2.0 202"); ok.get("Contact") == "" || ok.get("Refer-Sub") != "" {
			t.Errorf("202: %s", ok.raw)
		}
		first := w.carrier.want("NOTIFY sip:gw@" + carrierAddr)
		for name, want := range map[string]string{"Event": "refer", "Content-Type": "message/sipfrag;version=2.0", "Max-Forwards": "70",
			"Subscription-State": "active;expires=660", "Contact": "<sip:10.0.0.1:5060>", "Content-Length": "20"} {
			if got := first.get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if first.body != "SIP/2.0 100 Trying\r\n" {
			t.Errorf("body %q", first.body)
		}
		// While it is not answered nothing else goes; of what happens meanwhile the last is told.
		a.leg.Refer(1, 180)
		a.leg.Refer(1, 183)
		w.carrier.quiet(400 * time.Millisecond)
		w.carrier.reply(first, 200, "", "")
		second := w.carrier.want("NOTIFY")
		if second.body != "SIP/2.0 183 Session Progress\r\n" {
			t.Errorf("body %q", second.body)
		}
		w.carrier.reply(second, 200, "", "")
		a.leg.Refer(1, 183) // the same again
		w.carrier.quiet(100 * time.Millisecond)
		// The BYE waits for the last word to be answered.
		a.leg.Refer(1, 200)
		a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
		last := w.carrier.want("NOTIFY")
		if last.body != "SIP/2.0 200 OK\r\n" || last.get("Subscription-State") != "terminated;reason=noresource" {
			t.Errorf("%s", last.raw)
		}
		w.carrier.quiet(400 * time.Millisecond)
		w.carrier.reply(last, 200, "", "")
		bye := w.carrier.want("BYE")
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
	})
}

// A referrer who does not answer the last NOTIFY gets his BYE two seconds later.
func TestByeDoesNotWaitLongForTheLastNotify(t *testing.T) {
	bubble(t, func(w *world) {
		_, a, _ := w.referred()
		a.leg.Refer(1, 200)
		w.carrier.want("SIP/2.0 202")
		a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
		a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
		begun := time.Now()
		bye := w.carrier.wantAfter("BYE", "NOTIFY")
		if waited := time.Since(begun); waited != goodbyeWait {
			t.Errorf("BYE after %s", waited)
		}
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
	})
}

// The referrer hangs up right behind the 202: the leg is over, nothing is told
// any more, nothing stays.
func TestReferrerHangsUpAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		i, a, _ := w.referred()
		a.leg.Refer(1, 100)
		w.carrier.want("SIP/2.0 202")
		notify := w.carrier.want("NOTIFY")
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		w.carrier.reply(notify, 481, "", "")
		a.leg.Refer(1, 200)
		a.leg.Hangup(call.Cause{Status: 200})
		w.carrier.quiet(40 * time.Second)
	})
}

// What the call refuses is refused with its status, and a second REFER has its
// own number and its own subscription.
func TestRefusedAndSecondRefer(t *testing.T) {
	bubble(t, func(w *world) {
		i, a, _ := w.referred()
		a.leg.Refer(1, 403)
		w.carrier.want("SIP/2.0 403")
		a.leg.Refer(1, 200) // it is over
		w.carrier.quiet(time.Second)
		i.request("REFER", "", "r: sip:202@pbx.example", "Contact: <sip:gw@"+carrierAddr+">")
		if r := signal[call.Referred](w, a.signals); r.ID != 2 || r.To.User != "202" {
			t.Fatalf("%+v", r)
		}
		a.leg.Refer(2, 100)
		w.carrier.want("SIP/2.0 202")
		if n := w.carrier.want("NOTIFY"); n.get("Event") != "refer;id=3" {
			t.Errorf("Event: %s", n.get("Event"))
		}
	})
}

// Without a subscription there is no NOTIFY (RFC 4488), and no BYE that waits for one.
func TestReferWithoutSubscription(t *testing.T) {
	bubble(t, func(w *world) {
		_, a, _ := w.referred("Refer-Sub: false", "Require: norefersub")
		a.leg.Refer(1, 100)
		if ok := w.carrier.want("SIP/2.0 202"); ok.get("Refer-Sub") != "false" {
			t.Errorf("202: %s", ok.raw)
		}
		a.leg.Refer(1, 200)
		w.carrier.quiet(time.Second)
		a.leg.Hangup(call.Cause{Status: 200})
		bye := w.carrier.want("BYE")
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
	})
}

// A peer who refuses a NOTIFY is told nothing more of that transfer.
func TestNotifyRefused(t *testing.T) {
	bubble(t, func(w *world) {
		_, a, _ := w.referred()
		a.leg.Refer(1, 100)
		w.carrier.want("SIP/2.0 202")
		w.carrier.reply(w.carrier.want("NOTIFY"), 481, "", "")
		a.leg.Refer(1, 180)
		a.leg.Refer(1, 200)
		w.carrier.quiet(time.Second)
	})
}

// REFERs that say nothing that could be done, or of no call.
func TestRefersThatAreNone(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		for _, headers := range [][]string{
			nil,
			{"Refer-To: <sip:201@pbx>", "Refer-To: <sip:202@pbx>"},
			{"Refer-To: <sip:201@pbx>", "r: <sip:202@pbx>"},
			{"Refer-To: <sips:201@pbx>"},
			{"Refer-To: <http://pbx/>"},
			{"Refer-To: <sip:201@pbx;method=BYE>"},
			{"Refer-To: <sip:201@pbx?Replaces=x>"},
		} {
			i.request("REFER", "", headers...)
			w.carrier.want("SIP/2.0 400")
		}
		w.noSignal(a.signals, time.Second)
		for range maxReferrals {
			i.request("REFER", "", "Refer-To: <sip:201@pbx>")
			signal[call.Referred](w, a.signals)
		}
		i.request("REFER", "", "Refer-To: <sip:201@pbx>")
		w.carrier.want("SIP/2.0 491")

		early := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		ringing := w.admitted()
		ringing.leg.Progress(180, nil)
		early.toTag = w.carrier.want("SIP/2.0 180").tag("To")
		early.request("REFER", "", "Refer-To: <sip:201@pbx>")
		w.carrier.want("SIP/2.0 491")
		w.noSignal(ringing.signals, time.Second)
	})
}

// The callee may refer too, and a dialog of ours with the same trunk that its
// Refer-To names is found; one of another trunk is not.
func TestReferNamesAnotherDialog(t *testing.T) {
	bubble(t, func(w *world) {
		other, b := w.answered() // the other call of the same carrier
		rep := "Replaces=" + strings.NewReplacer("@", "%40").Replace(other.callID) + "%3Bto-tag%3D" + other.toTag + "%3Bfrom-tag%3Dkari"
		i, a := w.answered()
		i.request("REFER", "", "Refer-To: <sip:201@pbx.example?"+rep+"&X-Evil=1>")
		r := signal[call.Referred](w, a.signals)
		if want := other.callID + ";to-tag=" + other.toTag + ";from-tag=kari"; r.To.Replaces != want || r.To.Named == nil {
			t.Fatalf("%+v, want %q", r.To, want)
		}
		r.To.Named(call.Claimed{At: call.Now()})
		signal[call.Claimed](w, b.signals)
		w.noSignal(a.signals, time.Second)
		i.request("REFER", "", "Refer-To: <sip:201@pbx.example?Replaces=nobody%3Bto-tag%3Da%3Bfrom-tag%3Db>")
		if r := signal[call.Referred](w, a.signals); r.To.Named != nil || r.To.Replaces == "" {
			t.Errorf("%+v", r.To)
		}
		leg, signals, inv := w.dialled() // of no trunk
		_ = leg
		w.callee.reply(inv, 200, "callee", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		refer := "REFER sip:10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP " + calleeAddr + ";branch=z9hG4bKrefer\nMax-Forwards: 70\nFrom: " +
			inv.get("To") + ";tag=callee\nTo: " + inv.get("From") + "\nCall-ID: " + inv.get("Call-ID") + "\nCSeq: 1 REFER\n" +
			"Refer-To: <sip:201@pbx.example?" + rep + ">\n\n"
		w.callee.send("%s", strings.ReplaceAll(refer, "%", "%"))
		if r := signal[call.Referred](w, signals); r.To.Named != nil {
			t.Error("a dialog of another trunk is named")
		}
	})
}

// An INVITE with Replaces goes to the call of the dialog that it names.
func TestInviteWithReplaces(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		value := "Replaces: " + i.callID + ";from-tag=kari;to-tag=" + i.toTag
		n := w.carrier.invite(value, "Require: replaces")
		w.carrier.want("SIP/2.0 100")
		r := signal[call.Replaced](w, a.signals)
		if r.Trunk != "carrier" || string(r.Body) == "" || r.Leg == nil || r.Line == nil {
			t.Fatalf("%+v", r)
		}
		r.Leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		n.toTag = ok.tag("To")
		n.send("ACK", n.branch+"ack", 1, "")
		a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
		bye := w.carrier.want("BYE")
		if bye.get("Call-ID") != i.callID {
			t.Errorf("BYE in dialog %s", bye.get("Call-ID"))
		}
		// While the old one is going nobody can take its place any more.
		w.carrier.invite(value)
		w.carrier.want("SIP/2.0 100")
		w.carrier.want("SIP/2.0 603")
		w.carrier.reply(bye, 200, "", "")
		signal[call.Gone](w, a.signals)
		w.carrier.invite(value)
		w.carrier.want("SIP/2.0 481")
		if len(w.admits) != 0 {
			t.Error("a newcomer was admitted as a call")
		}
	})
}

func TestInvitesWithReplacesThatMayNot(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		dialog := i.callID + ";from-tag=kari;to-tag=" + i.toTag
		for value, status := range map[string]string{
			dialog + ";early-only":                        "486",
			i.callID + ";from-tag=kari;to-tag=x":          "481",
			i.callID + ";to-tag=kari;from-tag=" + i.toTag: "481",
			i.callID:                  "400",
			"a b;from-tag=1;to-tag=2": "400",
		} {
			w.carrier.invite("Replaces: " + value)
			w.carrier.wantAfter("SIP/2.0 "+status, "SIP/2.0 100")
		}
		w.carrier.invite("Replaces: "+dialog, "Replaces: "+dialog)
		w.carrier.want("SIP/2.0 400")
		second := w.peer("10.3.0.1:5060") // another trunk that has overheard the tags
		second.seq = 100
		second.invite("Replaces: " + dialog)
		second.want("SIP/2.0 481")

		leg, _ := w.dial("sip:agent@" + calleeAddr)
		_ = leg
		w.noSignal(a.signals, time.Second)
		if len(w.admits) != 0 {
			t.Error("one was admitted as a call")
		}
	})
}

// A newcomer who gives up before he is answered is heard through his line.
func TestNewcomerGivesUp(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		n := w.carrier.invite("Replaces: " + i.callID + ";from-tag=kari;to-tag=" + i.toTag)
		w.carrier.want("SIP/2.0 100")
		r := signal[call.Replaced](w, a.signals)
		n.send("CANCEL", n.branch, 1, "")
		w.carrier.want("SIP/2.0 200")
		w.carrier.want("SIP/2.0 487")
		n.send("ACK", n.branch, 1, "")
		r.Leg.Answer(ourSDP)
		r.Leg.Hangup(call.Cause{Status: 480})
		w.carrier.quiet(time.Second)
	})
}

// A target is asked to give a dialog up by a header of our own making.
func TestDialWithReplaces(t *testing.T) {
	bubble(t, func(w *world) {
		d := call.Dial{Call: "call_1", Leg: "b1", MaxForwards: 69, Body: ourSDP, Replaces: "abc@pbx;to-tag=1;from-tag=2"}
		d.Target.URI = "sip:201@" + calleeAddr
		signals := make(chan call.Signal, 8)
		if _, err := w.ep.Dial(w.Context(), d, func(s call.Signal) { signals <- s }); err != nil {
			t.Fatal(err)
		}
		inv := w.callee.want("INVITE sip:201@")
		if inv.get("Replaces") != d.Replaces || inv.get("Require") != "replaces" {
			t.Errorf("%s", inv.raw)
		}
		w.callee.reply(inv, 481, "t", "")
		w.callee.want("ACK")
		signal[call.Failed](w, signals)
	})
}

// Wishes without end are not told: each would be an event and a leg.
func TestTooManyWishes(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		for n := range maxAsked {
			i.request("REFER", "", "Refer-To: <sip:201@pbx>")
			a.leg.Refer(signal[call.Referred](w, a.signals).ID, 491)
			w.carrier.want("SIP/2.0 491")
			if n%16 == 0 {
				time.Sleep(time.Second) // the door counts messages
			}
		}
		i.request("REFER", "", "Refer-To: <sip:201@pbx>")
		w.carrier.want("SIP/2.0 403")
		w.carrier.invite("Replaces: " + i.callID + ";from-tag=kari;to-tag=" + i.toTag)
		w.carrier.wantAfter("SIP/2.0 403", "SIP/2.0 100")
		w.noSignal(a.signals, time.Second)
		if w.ep.Stats().Drops["transfers"] != 2 {
			t.Errorf("drops %v", w.ep.Stats().Drops)
		}
	})
}

// A REFER that the call has not answered when the leg ends is answered then: its
// sender waits, and a request without an answer would be held for ever.
func TestReferIsAnsweredWhenTheLegEnds(t *testing.T) {
	bubble(t, func(w *world) {
		i, a, _ := w.referred()
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		if m := w.carrier.want("SIP/2.0 487"); m.get("CSeq") != "2 REFER" {
			t.Errorf("%s", m.raw)
		}
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		a.leg.Refer(1, 403) // too late
		w.carrier.quiet(time.Minute)
		if n := w.ep.Stats().Transactions; n != 0 {
			t.Errorf("%d transactions left", n)
		}
	})
}

// Before the answer nobody is put through: a 200 would promise it.
func TestReferBeforeTheAnswerOfTheCallee(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		w.callee.send("REFER sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr;rport\nMax-Forwards: 70\nFrom: %s;tag=agent\nTo: %s\nCall-ID: %s\nCSeq: 1 REFER\nRefer-To: sip:201@pbx\n\n",
			calleeAddr, inv.get("To"), inv.get("From"), inv.get("Call-ID"))
		w.callee.want("SIP/2.0 491")
		w.noSignal(signals, time.Second)
		leg.Hangup(call.Cause{})
		w.callee.reply(w.callee.want("CANCEL"), 200, "agent", "")
		w.callee.reply(inv, 487, "agent", "")
		w.callee.want("ACK")
	})
}
