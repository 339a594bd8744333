package relay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// TestEventsPass untouched, each told to the call once.
func TestEventsPass(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
		w.sing(w.caller, 20)
		w.press(w.caller, "115#")
		w.sing(w.caller, 5)
		got := w.callee.rtp.Drain()
		if events, tones := w.heardKeys(got); events != "115#" || tones != "" {
			t.Errorf("the callee hears %q and %q", events, tones)
		}
		w.wantSeamless(got)
		if got := w.told(media.Pressed, media.Caller); got != "115#" {
			t.Errorf("the call is told %q", got)
		}
		wantDrops(t, w.counted().Caller, nil)
	})
}

// TestSuppressEvents: neither the other party nor the tap gets them, in each mode,
// and what is pressed before and after passes.
func TestSuppressEvents(t *testing.T) {
	for _, mode := range []media.Suppression{media.DropDigits, media.SilenceDigits, media.ToneDigits} {
		t.Run(mode.String(), func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				tap := newListener(t)
				w.relay.Tap(tap)
				w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
				w.sing(w.caller, 20)
				w.press(w.caller, "1")
				w.relay.Suppress(media.Caller, mode)
				w.sing(w.caller, 5)
				w.callee.rtp.Drain()
				before := tap.count(media.Caller)
				w.press(w.caller, "4242")
				w.sing(w.caller, 10)
				got := w.callee.rtp.Drain()
				if events, tones := w.heardKeys(got); events != "" || tones != "" {
					t.Errorf("the callee hears %q and %q", events, tones)
				}
				// Four keys of seven packets, three of sound behind each, ten more.
				if want := map[media.Suppression]int{media.DropDigits: 22, media.SilenceDigits: 42, media.ToneDigits: 42}[mode]; len(got) != want {
					t.Errorf("%d packets in all, want %d", len(got), want)
				}
				var stood []int16
				for _, b := range got {
					h, _ := parseRTP(b)
					if h.end-h.start == mediatest.Samples && h.pt == mediatest.PCMU {
						stood = append(stood, mediatest.Decode(h.pt, b[h.start:h.end])...)
					}
				}
				if share, _ := mediatest.Goertzel(stood, mediatest.Rate, standInHz), 0; (share > 0.005) != (mode == media.ToneDigits) {
					t.Errorf("%.3f of the sound is the tone that stands in", share)
				}
				for _, p := range tap.packets[media.Caller][before:] {
					if p.PT == eventPT {
						t.Fatal("the tap got an event")
					}
				}
				w.relay.Suppress(media.Caller, media.PassDigits)
				w.press(w.caller, "7")
				if events, _ := w.heardKeys(w.callee.rtp.Drain()); events != "7" {
					t.Errorf("after it the callee hears %q", events)
				}
				if got := w.told(media.Pressed, media.Caller); got != "142427" {
					t.Errorf("the call is told %q", got)
				}
			})
		})
	}
}

// TestSuppressTones: nothing of a tone is in the tap, and so little reaches the
// other party that it is no key.
func TestSuppressTones(t *testing.T) {
	for _, mode := range []media.Suppression{media.DropDigits, media.SilenceDigits, media.ToneDigits} {
		t.Run(mode.String(), func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				tap := newListener(t)
				w.relay.Tap(tap)
				w.connectKeys(false, false, media.DigitTerms{}, media.DigitTerms{})
				w.sing(w.caller, 10)
				w.relay.Suppress(media.Caller, mode)
				w.chime(w.caller, "0123456789*#ABCD")
				w.sing(w.caller, 10)
				got := w.callee.rtp.Drain()
				if _, tones := w.heardKeys(got); tones != "" {
					t.Errorf("the callee hears %q", tones)
				}
				w.relay.Suppress(media.Caller, media.PassDigits)
				w.chime(w.caller, "5")
				if _, tones := w.heardKeys(w.callee.rtp.Drain()); tones != "5" {
					t.Errorf("after it the callee hears %q", tones)
				}
				w.relay.Close()
				if n, want := tap.count(media.Caller), 10+16*9+10+9; n != want {
					t.Errorf("the tap has %d packets of %d", n, want)
				}
				loud := 0
				for _, p := range tap.packets[media.Caller][10 : 10+16*9] {
					for _, v := range mediatest.Decode(p.PT, p.Payload) {
						if v > 100 || v < -100 {
							loud++
							break
						}
					}
				}
				if loud > 0 {
					t.Errorf("%d packets in the tap are not silent", loud)
				}
				for i, p := range tap.packets[media.Caller][1:] {
					if b := tap.packets[media.Caller][i]; p.Seq != b.Seq+1 || p.Arrival.Before(b.Arrival) {
						t.Fatalf("packet %d in the tap is out of order", i)
					}
				}
			})
		})
	}
}

// TestCodes: a code reaches the call and not the other party, whose keys otherwise
// are what was pressed.
func TestCodes(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
		if err := w.relay.Codes(media.Callee, []string{"*1", "*2"}); err != nil {
			t.Fatal(err)
		}
		w.sing(w.callee, 20)
		w.press(w.callee, "*1")
		w.press(w.callee, "5*2")
		w.press(w.callee, "*3")
		w.sing(w.callee, 100)
		w.press(w.callee, "*")
		w.sing(w.callee, 200) // nothing follows: the key goes on
		got := w.caller.rtp.Drain()
		if events, _ := w.heardKeys(got); events != "5*3*" {
			t.Errorf("the caller hears %q", events)
		}
		if codes := w.told(media.Coded, media.Callee); codes != "01" {
			t.Errorf("codes %q", codes)
		}
		if keys := w.told(media.Pressed, media.Callee); keys != "*15*2*3*" {
			t.Errorf("the call is told %q", keys)
		}
		if err := w.relay.Codes(media.Callee, []string{"1"}); err == nil {
			t.Error("a code of one key is taken")
		}
	})
}

// TestInterworking: whatever way a press is said in, the other party gets it once,
// in his own way.
func TestInterworking(t *testing.T) {
	type from uint8
	const (
		event from = iota
		tone
		info
	)
	for _, c := range []struct {
		name                       string
		callerEvents, calleeEvents bool
		caller, callee             media.DigitTerms
		by                         []from
		events, tones, info        string // what reaches the callee
	}{
		{name: "event to event", callerEvents: true, calleeEvents: true, by: []from{event}, events: "42"},
		{name: "event to INFO", callerEvents: true, calleeEvents: true, callee: media.DigitTerms{Say: media.ByInfo}, by: []from{event}, info: "42"},
		{name: "event to tone", callerEvents: true, calleeEvents: true, callee: media.DigitTerms{Say: media.BySound}, by: []from{event}, tones: "42"},
		{name: "INFO to event", calleeEvents: true, by: []from{info}, events: "42"},
		{name: "INFO to INFO", by: []from{info}, info: "42"},
		{name: "INFO to tone", callee: media.DigitTerms{Say: media.BySound}, by: []from{info}, tones: "42"},
		{name: "tone to tone", by: []from{tone}, tones: "42"},
		{name: "tone to event", calleeEvents: true, caller: media.DigitTerms{Hear: media.BySound}, callee: media.DigitTerms{Say: media.ByEvent}, by: []from{tone}, events: "42"},
		{name: "tone to INFO", caller: media.DigitTerms{Hear: media.BySound}, callee: media.DigitTerms{Say: media.ByInfo}, by: []from{tone}, info: "42"},
		{name: "event and INFO to event", callerEvents: true, calleeEvents: true, by: []from{event, info}, events: "42"},
		{name: "INFO and event to event", callerEvents: true, calleeEvents: true, by: []from{info, event}, events: "42"},
		{name: "event and INFO to INFO", callerEvents: true, calleeEvents: true, callee: media.DigitTerms{Say: media.ByInfo}, by: []from{event, info}, info: "42"},
		{name: "event and INFO, only events count", callerEvents: true, calleeEvents: true, caller: media.DigitTerms{Hear: media.ByEvent}, by: []from{info, event}, events: "42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				w.connectKeys(c.callerEvents, c.calleeEvents, c.caller, c.callee)
				w.sing(w.caller, 20)
				for _, key := range []string{"4", "2"} {
					d, _ := media.ParseKeys(key)
					for _, by := range c.by {
						switch by {
						case event:
							w.press(w.caller, key)
						case tone:
							w.chime(w.caller, key)
						case info:
							w.relay.Pressed(media.Caller, media.Press{Digit: d[0], For: 120 * time.Millisecond})
						}
					}
					w.sing(w.caller, 20)
				}
				got := w.callee.rtp.Drain()
				events, tones := w.heardKeys(got)
				if info := w.told(media.Tell, media.Callee); events != c.events || tones != c.tones || info != c.info {
					t.Errorf("the callee gets %q as events, %q as tones, %q by INFO", events, tones, info)
				}
				if keys := w.told(media.Pressed, media.Caller); keys != "42" && len(c.by)+int(c.by[0]) != int(tone)+1 {
					t.Errorf("the call is told %q", keys)
				}
			})
		})
	}
}

// TestPress: keys of ours stand in the other party's stream without a seam, as
// events and as tones, also when that party says nothing.
func TestPress(t *testing.T) {
	for _, events := range []bool{true, false} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			w.connectKeys(events, events, media.DigitTerms{}, media.DigitTerms{})
			w.sing(w.caller, 20)
			keys := []media.Press{{Digit: 1}, {Digit: 1}, {Digit: media.Pound, For: 200 * time.Millisecond}}
			if err := w.relay.Press(media.Callee, 0, keys...); err != nil {
				t.Fatal(err)
			}
			w.sing(w.caller, 60)
			if err := w.relay.Press(media.Caller, 0, media.Press{Digit: 9}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			got := w.callee.rtp.Drain()
			w.wantSeamless(got)
			byEvent, byTone := w.heardKeys(got)
			if s := byEvent + byTone; s != "11#" || (byEvent == "") == events {
				t.Errorf("the callee gets %q as events and %q as tones", byEvent, byTone)
			}
			byEvent, byTone = w.heardKeys(w.caller.rtp.Drain())
			if s := byEvent + byTone; s != "9" || (byEvent == "") == events {
				t.Errorf("the caller gets %q as events and %q as tones", byEvent, byTone)
			}
			if err := w.relay.Press(media.Callee, 0, make([]media.Press, 33)...); err == nil {
				t.Error("more keys than wait are taken")
			}
			w.relay.Close()
			if err := w.relay.Press(media.Callee, 0, keys...); err == nil {
				t.Error("a closed relay takes keys")
			}
		})
	}
}

// TestDigitsDoNotAllocate: neither events nor sound that is listened to.
func TestDigitsDoNotAllocate(t *testing.T) {
	r, in, pkt, src := path(t)
	r.Suppress(media.Caller, media.SilenceDigits)
	r.Tap(&deaf{})
	event := rtpPacket(eventPT, false, 1, 1, 1, []byte{5, 10, 0, 160})
	r.lanes[0].digits.events[0], r.lanes[0].digits.count = eventType{pt: eventPT, clock: 8000}, 1
	at := time.Now()
	if n := testing.AllocsPerRun(1000, func() {
		at = at.Add(mediatest.Frame)
		in.deliver(pkt, src, at)
		in.deliver(event, src, at)
	}); n != 0 {
		t.Errorf("%v allocations for two packets", n)
	}
}

// TestEventsOfOneSide: a party that knows events may send them although the other
// one does not, when the terms of either trunk ask for that; by default it is told
// that there are none.
func TestEventsOfOneSide(t *testing.T) {
	for _, c := range []struct {
		name                       string
		callerEvents, calleeEvents bool
		caller, callee             media.DigitTerms
		offered, answered          bool // events, in what we write
		tones                      string
	}{
		{name: "by default", callerEvents: true, offered: true},
		{name: "the callee takes tones", callerEvents: true, callee: media.DigitTerms{Say: media.BySound}, offered: true, answered: true, tones: "42"},
		{name: "the caller's events are heard", callerEvents: true, caller: media.DigitTerms{Hear: media.ByEvent}, callee: media.DigitTerms{Say: media.BySound}, offered: true, answered: true, tones: "42"},
		{name: "neither knows them", callee: media.DigitTerms{Say: media.BySound}},
		{name: "the caller takes tones", calleeEvents: true, caller: media.DigitTerms{Say: media.BySound}, offered: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				offer, err := w.relay.Offer(media.Caller, w.caller.keypad(c.callerEvents), media.Source{Terms: media.Terms{Digits: c.caller}})
				if err != nil {
					t.Fatal(err)
				}
				answer, err := w.relay.Answer(media.Callee, w.callee.keypad(c.calleeEvents), media.Source{Terms: media.Terms{Digits: c.callee}})
				if err != nil {
					t.Fatal(err)
				}
				w.callee.ours, w.caller.ours = led(t, offer), led(t, answer)
				for what, text := range map[string][]byte{"offer": offer, "answer": answer} {
					want := c.offered
					if what == "answer" {
						want = c.answered
					}
					if got := bytes.Contains(bytes.ToLower(text), []byte("a=rtpmap:101 telephone-event/8000\r\n")); got != want {
						t.Errorf("the %s names events: %v\n%s", what, got, text)
					}
				}
				w.sing(w.caller, 20)
				if c.answered {
					w.press(w.caller, "42")
				}
				w.sing(w.caller, 30)
				if events, tones := w.heardKeys(w.callee.rtp.Drain()); events != "" || tones != c.tones {
					t.Errorf("the callee gets %q as events and %q as tones", events, tones)
				}
			})
		})
	}
}

// TestEventsInAnotherClock: a party whose events count in a clock that the other
// one does not have is understood all the same.
func TestEventsInAnotherClock(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		fast := bytes.ReplaceAll(w.caller.keypad(true), []byte("telephone-event/8000"), []byte("telephone-event/48000"))
		fast = bytes.ReplaceAll(fast, []byte("101"), []byte("110")) // under a number of its own
		offer, err := w.relay.Offer(media.Caller, fast, media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.relay.Answer(media.Callee, w.callee.keypad(true), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.callee.ours, w.caller.ours = led(t, offer), led(t, answer)
		w.sing(w.caller, 20)
		ts := w.caller.tone.TS
		for i := range 7 {
			w.caller.rtp.WriteToUDPAddrPort(rtpPacket(110, i == 0, w.caller.tone.Seq, ts, w.caller.tone.SSRC, []byte{7, 10, byte(min(i+1, 5) * 960 >> 8), byte(min(i+1, 5) * 960)}), w.caller.ours)
			w.caller.tone.Seq++
			w.caller.tone.TS += mediatest.Samples
			time.Sleep(mediatest.Frame)
		}
		w.sing(w.caller, 30)
		got := w.callee.rtp.Drain()
		if events, _ := w.heardKeys(got); events != "7" {
			t.Errorf("the callee gets %q", events)
		}
		longest := 0
		for _, b := range got {
			if h, _ := parseRTP(b); h.pt == eventPT {
				longest = max(longest, int(b[h.start+2])<<8|int(b[h.start+3]))
			}
		}
		if longest != 800 { // 100 ms in the clock of the callee
			t.Errorf("the key lasts %d ticks", longest)
		}
		if n := w.counted().Caller.Drops[media.DropDigit]; n != 7 {
			t.Errorf("%d packets of the caller's own were kept back, want all 7", n)
		}
	})
}

// TestManyTypesOfEvents: however many types of events one party has, those of the
// other are known too: its keys are told, and hidden when they are to be.
func TestManyTypesOfEvents(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		var types, lines strings.Builder
		for i := range eventsMost + 2 {
			fmt.Fprintf(&types, " %d", 110+i)
			fmt.Fprintf(&lines, "a=rtpmap:%d telephone-event/8000\r\n", 110+i)
		}
		many := strings.Replace(string(w.callee.keypad(false)), " 0 8\r\n", " 0 8"+types.String()+"\r\n", 1) + lines.String()
		offer, err := w.relay.Offer(media.Caller, w.caller.keypad(true), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.relay.Answer(media.Callee, []byte(many), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.callee.ours, w.caller.ours = led(t, offer), led(t, answer)
		w.relay.Suppress(media.Caller, media.SilenceDigits)
		w.sing(w.caller, 20)
		w.press(w.caller, "4242")
		if events, tones := w.heardKeys(w.callee.rtp.Drain()); events != "" || tones != "" {
			t.Errorf("the callee hears %q and %q", events, tones)
		}
		if got := w.told(media.Pressed, media.Caller); got != "4242" {
			t.Errorf("the call is told %q", got)
		}
	})
}
