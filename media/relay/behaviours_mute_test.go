package relay

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// muted: one party is not heard and hears all the same, on whichever engine; its
// keys are noticed and go nowhere; behind it both are one stream again.
func muted(t *testing.T, w *rig) {
	tap := newListener(t)
	w.relay.Tap(tap)
	w.connectKeys(true, true, media.DigitTerms{}, media.DigitTerms{})
	w.sing(w.caller, 5)
	w.sing(w.callee, 5)
	w.offload(2)
	drain(w.caller, w.callee)

	w.relay.Mute(media.Callee, true)
	w.offload(1)
	w.sing(w.caller, 5)
	w.sing(w.callee, 5)
	w.press(w.callee, "12")
	time.Sleep(5 * mediatest.Frame)
	w.settle()
	if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 0 || b != 5 {
		t.Errorf("with the callee muted the caller got %d packets and the callee %d", a, b)
	}
	if pressed := w.told(media.Pressed, media.Callee); pressed != "12" {
		t.Errorf("we heard %q of the callee", pressed)
	}
	if a, b := tap.count(media.Caller), tap.count(media.Callee); a != 10 || b != 5 {
		t.Errorf("the tap has %d packets of the caller and %d of the callee", a, b)
	}
	drain(w.caller, w.callee)

	w.relay.Mute(media.Callee, false)
	w.sing(w.callee, 10)
	w.offload(2)
	toCaller := w.caller.rtp.Drain()
	w.wantSeamless(toCaller)
	if len(toCaller) != 10 {
		t.Errorf("heard again, the caller got %d packets", len(toCaller))
	}
	stats := w.relay.Close()
	if f := stats.Of(media.Callee); f.Packets != 15 || f.Drops[media.DropMuted] < 5 || f.Heard.Packets < 20 {
		t.Errorf("callee: %d forwarded, %d heard, drops %v", f.Packets, f.Heard.Packets, f.Drops)
	}
}
