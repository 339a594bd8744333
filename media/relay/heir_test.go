package relay

import (
	"net/netip"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/digits"
	"ringdown/media/mediatest"
)

// inherited is a call of two phones that say keys in every way, whose callee may
// press a code and the caller another, and who gives its callee's place to the heir.
func inherited(t *testing.T, f func(w *world, heir *phone, move func())) {
	t.Helper()
	inWorld(t, mediatest.Link{}, func(w *world) {
		terms := media.DigitTerms{Hear: media.ByEvent | media.BySound}
		w.connectKeys(true, true, terms, terms)
		for side, code := range map[media.Side]string{media.Caller: "*1", media.Callee: "*2"} {
			if err := w.relay.Codes(side, []string{code}); err != nil {
				w.t.Fatal(err)
			}
		}
		w.sing(w.caller, 20)
		w.sing(w.callee, 20)
		heir := w.phone("10.2.0.9", 7000, 700)
		f(w, heir, func() {
			w.t.Helper()
			offer, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil)
			if err != nil {
				w.t.Fatal(err)
			}
			heir.ours = led(w.t, offer)
			if _, err = w.relay.Replace(media.Callee, heir.keypad(true), media.Source{Terms: media.Terms{Digits: terms}}); err != nil {
				w.t.Fatal(err)
			}
			w.sing(heir, 5)
			drain(w.caller, w.callee, heir)
		})
	})
}

// Keys that wait to be sent to a party do not go to who takes its place.
func TestHeirIsSentNoKeysOfBefore(t *testing.T) {
	for name, way := range map[string]media.Way{"events": media.ByEvent, "tones": media.BySound} {
		t.Run(name, func(t *testing.T) {
			inherited(t, func(w *world, heir *phone, move func()) {
				keys := make([]media.Press, 6)
				for i := range keys {
					keys[i].Digit = media.Digit(i)
				}
				if err := w.relay.Press(media.Callee, way, keys...); err != nil {
					w.t.Fatal(err)
				}
				w.sing(w.caller, 10)
				move()
				w.sing(w.caller, 100)
				events, tones := w.heardKeys(heir.rtp.Drain())
				if events != "" || tones != "" {
					w.t.Errorf("the heir is sent %q and %q", events, tones)
				}
				if err := w.relay.Press(media.Callee, way, media.Press{Digit: 9}); err != nil {
					w.t.Fatal(err)
				}
				w.sing(w.caller, 30)
				if events, tones = w.heardKeys(heir.rtp.Drain()); events+tones != "9" {
					w.t.Errorf("what he is to be sent arrives as %q and %q", events, tones)
				}
			})
		})
	}
}

// What a party has pressed of a code is not finished by its heir, nor told to it.
func TestHeirFinishesNoCode(t *testing.T) {
	inherited(t, func(w *world, heir *phone, move func()) {
		w.press(w.callee, "*")
		w.press(w.caller, "*")
		move()
		w.press(heir, "2")
		w.sing(w.caller, 150) // longer than a code may take
		w.settle()
		if codes := w.told(media.Coded, media.Callee); codes != "" {
			w.t.Errorf("codes %q", codes)
		}
		if events, tones := w.heardKeys(heir.rtp.Drain()); events+tones != "" {
			w.t.Errorf("the heir hears %q and %q", events, tones)
		}
		if events, _ := w.heardKeys(w.caller.rtp.Drain()); events != "2" {
			w.t.Errorf("the caller hears %q", events)
		}
		w.press(heir, "*2")
		if codes := w.told(media.Coded, media.Callee); codes != "0" {
			w.t.Errorf("the heir's own code: %q", codes)
		}
	})
}

// A key of the heir is not taken for another saying of one of the party before,
// and not for the rest of one that it holds.
func TestHeirPressesForHimself(t *testing.T) {
	inherited(t, func(w *world, heir *phone, move func()) {
		w.press(w.callee, "5")
		move()
		w.chime(heir, "5")
		if got := w.told(media.Pressed, media.Callee); got != "55" {
			w.t.Errorf("the call is told %q, want 55", got)
		}
	})
	inherited(t, func(w *world, heir *phone, move func()) {
		var s digits.Sender
		s.Add(media.Press{Digit: 8, For: time.Second})
		say := func(p *phone, at time.Duration) {
			f, _ := s.Next(int64(at), 8000, mediatest.Frame)
			p.rtp.WriteToUDPAddrPort(rtpPacket(eventPT, f.First, 5000+uint16(at/mediatest.Frame), 90000, 4711, f.Payload[:]), p.ours)
			time.Sleep(mediatest.Frame)
		}
		say(w.callee, 0)
		move()
		say(heir, mediatest.Frame)
		w.settle()
		if got := w.told(media.Pressed, media.Callee); got != "88" {
			w.t.Errorf("the call is told %q, want 88", got)
		}
	})
}
