package relay

import (
	"testing"

	"ringdown/media"
)

// keysPressed: events reach us whatever engine carries the talk, which stays below;
// while keys are hidden in sound it comes up to us, and goes down again after that.
// What we press ourselves stands in the stream without a seam.
func keysPressed(t *testing.T, w *rig) {
	w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
	w.sing(w.caller, 10)
	w.sing(w.callee, 10)
	w.offload(2)
	w.press(w.caller, "42#")
	got := w.callee.rtp.Drain()
	w.wantSeamless(got)
	if events, tones := w.heardKeys(got); events != "42#" || tones != "" {
		t.Errorf("the callee hears %q and %q", events, tones)
	}
	if told := w.told(media.Pressed, media.Caller); told != "42#" {
		t.Errorf("the call is told %q", told)
	}

	w.relay.Suppress(media.Caller, media.SilenceDigits)
	w.offload(1)
	w.press(w.caller, "1")
	w.chime(w.caller, "23")
	if events, tones := w.heardKeys(w.callee.rtp.Drain()); events != "" || tones != "" {
		t.Errorf("of hidden keys the callee hears %q and %q", events, tones)
	}
	w.relay.Suppress(media.Caller, media.PassDigits)
	w.sing(w.caller, 5)
	w.offload(2)
	w.callee.rtp.Drain()

	w.sing(w.caller, 5)
	if err := w.relay.Press(media.Callee, 0, media.Press{Digit: 7}, media.Press{Digit: 8}); err != nil {
		t.Fatal(err)
	}
	w.sing(w.caller, 40)
	got = w.callee.rtp.Drain()
	w.wantSeamless(got)
	if events, _ := w.heardKeys(got); events != "78" {
		t.Errorf("the callee gets %q", events)
	}
}
