package relay

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// apart: the two do not hear each other, whatever engine carried them, in none of the
// ways that a key is said in either; each is heard by us and hears what we play to
// it; and behind it both are one stream again.
func apart(t *testing.T, w *rig) {
	tap := newListener(t)
	w.relay.Tap(tap)
	w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
	w.sing(w.caller, 5)
	w.sing(w.callee, 5)
	w.offload(2)
	drain(w.caller, w.callee)

	w.relay.Apart(true)
	w.offload(0)
	w.sing(w.caller, 5)
	w.sing(w.callee, 5)
	w.press(w.caller, "4")
	w.press(w.callee, "12")
	w.relay.Pressed(media.Callee, media.Press{Digit: 9})
	w.settle()
	if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 0 || b != 0 {
		t.Errorf("apart, the caller got %d packets and the callee %d", a, b)
	}
	if a, b := w.told(media.Pressed, media.Caller), w.told(media.Pressed, media.Callee); a != "4" || b != "129" {
		t.Errorf("we heard %q of the caller and %q of the callee", a, b)
	}
	if told := w.told(media.Tell, media.Caller) + w.told(media.Tell, media.Callee); told != "" {
		t.Errorf("%q were to be told by INFO", told)
	}
	w.relay.Play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 200*time.Millisecond)}})
	w.relay.Play(media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 300, time.Minute)}, Loop: true})
	for range 20 { // it never comes to rest while a sound plays
		w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours)
		w.callee.rtp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours)
		time.Sleep(mediatest.Frame)
	}
	for p, hz := range map[*phone]float64{w.caller: 300, w.callee: 700} {
		sound, err := mediatest.Hear(p.rtp.Drain())
		if err != nil {
			t.Fatal(err)
		}
		if part := mediatest.Goertzel(sound, mediatest.Rate, hz); part < 0.9 {
			t.Errorf("%v hears %.2f of what is played to it in %d samples", p.rtp.AddrPort(), part, len(sound))
		}
	}
	if a, b := tap.count(media.Caller), tap.count(media.Callee); a != 5 || b != 5 {
		t.Errorf("the tap has %d and %d packets of before", a, b)
	}
	w.relay.Play(media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 300, 20*time.Millisecond)}})
	time.Sleep(100 * time.Millisecond)
	drain(w.caller, w.callee)

	w.relay.Apart(false)
	w.sing(w.caller, 10)
	w.sing(w.callee, 10)
	toCallee, toCaller := w.callee.rtp.Drain(), w.caller.rtp.Drain()
	w.wantSeamless(toCallee)
	w.wantSeamless(toCaller)
	if len(toCallee) != 10 || len(toCaller) != 10 {
		t.Errorf("together again, the callee got %d packets and the caller %d", len(toCallee), len(toCaller))
	}
	stats := w.relay.Close()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if f := stats.Of(side); f.Packets != 15 || f.Drops[media.DropApart] < 25 || f.Heard.Packets < 40 {
			t.Errorf("%s: %d forwarded, %d heard, drops %v", side, f.Packets, f.Heard.Packets, f.Drops)
		}
	}
}
