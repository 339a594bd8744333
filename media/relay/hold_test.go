package relay

import (
	"errors"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// Music for who is on hold: the other side sends nothing and may not.
func TestMusicOnHold(t *testing.T) {
	for _, how := range []string{"a=sendonly\r\n", "a=inactive\r\n"} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			w.connect(media.Source{}, media.Source{})
			w.sing(w.caller, 10)
			if _, err := w.relay.Reoffer(media.Caller, w.caller.body(how)); err != nil {
				t.Fatal(err)
			}
			w.callee.rtp.Drain()
			id := w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 500*time.Millisecond)}, Loop: true, For: "music-on-hold"})
			w.sing(w.caller, 100) // many phones go on sending
			h := w.listen(w.callee, true)
			heard{sound: h.sound[5*160 : 95*160]}.share(t, 700, 0.95, 1)
			if n := len(h.packets); n < 99 || n > 104 || h.packets[0].SSRC != 4000 {
				t.Errorf("%s: %d packets", how, n)
			}
			if _, err := w.relay.Reoffer(media.Caller, w.caller.body("")); err != nil {
				t.Fatal(err)
			}
			if done, ok := w.relay.Stop(id); !ok || !done.Complete || done.Heard < 1900*time.Millisecond {
				t.Errorf("stopped: %+v", done)
			}
			w.sing(w.caller, 1)
			w.callee.rtp.Drain()
			w.sing(w.caller, 30)
			w.listen(w.callee, true).share(t, 440, 0.99, 1)
		})
	}
}

// Who holds is sent nothing: a sound for him waits.
func TestSoundForWhoHoldsWaits(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		hold := func(how string) {
			if _, err := w.relay.Reoffer(media.Callee, w.callee.body(how)); err != nil {
				t.Fatal(err)
			}
		}
		hold("a=sendonly\r\n")
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 200*time.Millisecond)}})
		time.Sleep(time.Second)
		if n := w.callee.rtp.Waiting(); n != 0 {
			t.Errorf("%d packets to who holds", n)
		}
		hold("")
		time.Sleep(time.Second)
		if h := w.listen(w.callee, true); len(h.packets) != 10 {
			t.Errorf("%d packets behind the hold", len(h.packets))
		}
		if got := w.played(); !got.Complete || got.Heard != 200*time.Millisecond {
			t.Errorf("played %+v", got)
		}
	})
}

func TestRetuneWhileMusicPlays(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 5*time.Second)}, Loop: true})
		time.Sleep(200 * time.Millisecond)
		alaw := []byte("v=0\r\nc=IN IP4 " + phoneIP + "\r\nm=audio 5000 RTP/AVP 8\r\n")
		if _, err := w.relay.Answer(media.Callee, alaw, media.Source{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		h := w.listen(w.callee, true)
		if first, last := h.packets[0], h.packets[len(h.packets)-1]; first.PayloadType != 0 || last.PayloadType != 8 {
			t.Errorf("payload types %d, then %d", first.PayloadType, last.PayloadType)
		}
		h.share(t, 700, 0.97, 1)
		rare := []byte("v=0\r\nc=IN IP4 " + phoneIP + "\r\nm=audio 5000 RTP/AVP 18\r\n")
		offer := []byte("v=0\r\nc=IN IP4 " + sipperIP + "\r\nm=audio 4000 RTP/AVP 18 0\r\n")
		if _, err := w.relay.Offer(media.Caller, offer, media.Source{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.relay.Answer(media.Callee, rare, media.Source{}); err != nil {
			t.Fatal(err)
		}
		if got := w.played(); got.End != media.PlayNoCodec {
			t.Errorf("played %+v", got)
		}
		if _, err := w.relay.Play(media.Play{To: media.Callee, Sound: media.Sound{Beep: true}}); !errors.Is(err, ErrNoCodec) {
			t.Errorf("to somebody with G.729 only: %v", err)
		}
	})
}
