package sip

import (
	"fmt"
	"testing"
	"time"

	"ringdown/call"
	"ringdown/media"
)

// Keys that a peer says by INFO reach the call; what is none is counted.
func TestKeysByInfo(t *testing.T) {
	bubble(t, func(w *world) {
		i, a := w.answered()
		for _, c := range []struct {
			kind, body string
			status     string
			key        bool
			press      media.Press
		}{
			{"application/dtmf-relay", "Signal=#\r\nDuration=250\r\n", "200", true, media.Press{Digit: media.Pound, For: 250 * time.Millisecond}},
			{"application/dtmf", "7", "200", true, media.Press{Digit: 7}},
			{"Application/DTMF-Relay;charset=utf-8", "Signal=16", "200", true, media.Press{Digit: media.Flash}},
			{"application/dtmf-relay", "Signal=seven", "400", false, media.Press{}},
			{"application/media_control+xml", "<media_control/>", "200", false, media.Press{}},
		} {
			before := w.ep.Stats().Drops["info"]
			i.cseq++
			i.send("INFO", fmt.Sprint("z9hG4bKinfo", i.cseq), i.cseq, c.body, "Content-Type: "+c.kind)
			w.carrier.want("SIP/2.0 " + c.status)
			if !c.key {
				w.noSignal(a.signals, time.Second)
				if n := w.ep.Stats().Drops["info"]; n != before+1 {
					t.Errorf("%q was counted %d times", c.body, n-before)
				}
				continue
			}
			if k := signal[call.Keyed](w, a.signals); k.Press != c.press {
				t.Errorf("%q is event %d for %s", c.body, uint8(k.Press.Digit), k.Press.For)
			}
		}
	})
}

// Keys reach a peer by INFO one after another, in the body it takes.
func TestKeysAreToldByInfo(t *testing.T) {
	bubble(t, func(w *world) {
		_, a := w.answered()
		a.leg.Press(media.Press{Digit: 1, For: 200 * time.Millisecond})
		a.leg.Press(media.Press{Digit: media.Star})
		a.leg.Press(media.Press{Digit: 3})
		first := w.carrier.want("INFO")
		if got := first.get("Content-Type"); got != "application/dtmf-relay" || first.body != "Signal=1\r\nDuration=200\r\n" {
			t.Errorf("%s: %q", got, first.body)
		}
		w.carrier.quiet(400 * time.Millisecond) // the others wait
		w.carrier.reply(first, 415, "", "")
		again := w.carrier.want("INFO")
		if got := again.get("Content-Type"); got != "application/dtmf" || again.body != "1" {
			t.Errorf("%s: %q", got, again.body)
		}
		w.carrier.reply(again, 200, "", "")
		second := w.carrier.want("INFO")
		if second.body != "*" {
			t.Errorf("then %q", second.body)
		}
		w.carrier.reply(second, 481+19, "", "") // not taken, and not to be said again
		third := w.carrier.want("INFO")
		w.carrier.reply(third, 200, "", "")
		if third.body != "3" {
			t.Errorf("then %q", third.body)
		}
		if n := w.ep.Stats().Drops["info-out"]; n != 1 {
			t.Errorf("the key that was refused was counted %d times", n)
		}
		w.noSignal(a.signals, time.Second)
	})
}

// A peer that takes no INFO is told in another way, of all that wait too.
func TestKeysThatCannotBeTold(t *testing.T) {
	bubble(t, func(w *world) {
		_, a := w.answered()
		for _, d := range []media.Digit{4, 2} {
			a.leg.Press(media.Press{Digit: d})
		}
		w.carrier.reply(w.carrier.want("INFO"), 405, "", "")
		for _, d := range []media.Digit{4, 2} {
			if u := signal[call.Untold](w, a.signals); u.Press.Digit != d {
				t.Errorf("event %d, want %d", uint8(u.Press.Digit), uint8(d))
			}
		}
		a.leg.Press(media.Press{Digit: 9})
		if u := signal[call.Untold](w, a.signals); u.Press.Digit != 9 {
			t.Errorf("event %d", uint8(u.Press.Digit))
		}
		a.leg.Press(media.Press{Digit: media.CNG}) // which no body can say
		signal[call.Untold](w, a.signals)
		w.carrier.quiet(time.Second)
	})
}

// Before the answer nobody has said whether he takes INFO: the key goes in another
// way. After the end it goes nowhere. What his Allow does not name he is not sent.
func TestKeysBeforeAndAfterTheCall(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite("Allow: INVITE, ACK, BYE, CANCEL")
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Press(media.Press{Digit: 1})
		signal[call.Untold](w, a.signals)
		a.leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		i.toTag = ok.tag("To")
		i.send("ACK", i.branch+"ack", 1, "")
		signal[call.Acked](w, a.signals)
		a.leg.Press(media.Press{Digit: 2}) // he takes no INFO
		signal[call.Untold](w, a.signals)
		w.carrier.quiet(time.Second)
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		a.leg.Press(media.Press{Digit: 3})
		w.noSignal(a.signals, time.Second)
	})
}
