package relay

import (
	"testing"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// TestSilence: who had early media is neither heard nor sent to any more; the
// next answer, of the same place too, brings sound back.
func TestSilence(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.relay.Silence(media.Callee) // before there is anything to forget
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		w.sing(w.callee, 10)
		w.callee.rtp.Drain()
		w.caller.rtp.Drain()

		w.relay.Silence(media.Callee)
		w.sing(w.caller, 10)
		w.sing(w.callee, 10)
		if to, from := len(w.callee.rtp.Drain()), len(w.caller.rtp.Drain()); to != 0 || from != 0 {
			t.Errorf("%d packets to the one who is gone, %d from him", to, from)
		}
		if answer, err := w.relay.Reoffer(media.Caller, w.caller.body("")); err != nil || led(t, answer) != w.caller.ours {
			t.Errorf("a new offer, while there is nobody else: %q, %v", answer, err)
		}

		w.answer(w.callee, media.Source{})
		w.sing(w.caller, 10)
		w.sing(w.callee, 10)
		if to, from := len(w.callee.rtp.Drain()), len(w.caller.rtp.Drain()); to != 10 || from != 10 {
			t.Errorf("%d packets to the next one, %d from him", to, from)
		}
		stats := w.relay.Close()
		if stats.Caller.Drops[media.DropNoPeer] != 10 || stats.Callee.Drops[media.DropSource] != 10 {
			t.Errorf("drops %v and %v", stats.Caller.Drops, stats.Callee.Drops)
		}
		w.relay.Silence(media.Callee) // after Close
	})
}
