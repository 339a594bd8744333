package relay

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

// codecs is a description of a phone with other payload types.
func (p *phone) codecs(types string) []byte {
	return bytes.Replace(p.body(""), []byte("RTP/AVP 0 8"), []byte("RTP/AVP "+types), 1)
}

// version reads o= of one of our descriptions.
func version(t *testing.T, body []byte) string {
	t.Helper()
	_, rest, _ := strings.Cut(string(body), "\r\no=")
	f := strings.Fields(rest)
	if len(f) < 3 {
		t.Fatalf("no o= in\n%s", body)
	}
	return f[2]
}

// must returns a function that takes what a negotiation returned.
func must(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// heard sings from both and says what each got.
func (w *world) heard() (caller, callee int) {
	w.sing(w.caller, 2)
	w.sing(w.callee, 3)
	return len(w.caller.rtp.Drain()), len(w.callee.rtp.Drain())
}

// A caller without an offer gets one made of what the callee answered to ours.
func TestDelayedOfferOfTheCaller(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		ok := must(t)
		w.callee.ours = led(t, ok(w.relay.Open()))
		if _, err := w.relay.Answer(media.Callee, w.callee.codecs("18"), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("answer with a codec we did not offer: %v", err)
		}
		offer := ok(w.relay.Answer(media.Callee, w.callee.codecs("8 0"), media.Source{}))
		w.caller.ours = led(t, offer)
		if !bytes.Contains(offer, []byte("RTP/AVP 8 0\r\n")) || !bytes.Contains(offer, []byte("a=sendrecv")) {
			t.Errorf("the caller's offer:\n%s", offer)
		}
		if a, b := w.heard(); a != 0 || b != 0 {
			t.Errorf("before his answer the caller got %d, the callee %d", a, b)
		}
		for name, body := range map[string][]byte{"another codec": w.caller.codecs("18"), "no audio": []byte("v=0\r\nm=audio 0 RTP/AVP 8\r\n"), "nonsense": []byte("x")} {
			if _, err := w.relay.Take(media.Caller, body, media.Source{}); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		if again := ok(w.relay.Take(media.Caller, w.caller.codecs("8"), media.Source{})); again != nil {
			t.Errorf("the callee is to be asked\n%s", again)
		}
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("the caller got %d, the callee %d", a, b)
		}
		if _, err := w.relay.Open(); !errors.Is(err, errOpened) {
			t.Errorf("opened again: %v", err)
		}
	})
}

// When the caller takes another codec than the callee's first, the callee is asked for it.
func TestDelayedOfferNeedsAnotherCodec(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		ok := must(t)
		ok(w.relay.Open())
		ok(w.relay.Answer(media.Callee, w.callee.codecs("8 0"), media.Source{}))
		again := ok(w.relay.Take(media.Caller, w.caller.codecs("0"), media.Source{}))
		if !bytes.Contains(again, []byte("RTP/AVP 0\r\n")) || version(t, again) != "2" {
			t.Errorf("the callee is asked\n%s", again)
		}
		if next := ok(w.relay.Take(media.Callee, w.callee.codecs("0"), media.Source{})); next != nil {
			t.Errorf("and the caller\n%s", next)
		}
	})
}

// A callee who was invited without an offer makes one that meets the caller's.
func TestDelayedOfferOfTheCallee(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		if _, _, err := w.relay.Join(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errNoOffer) {
			t.Errorf("joined nobody: %v", err)
		}
		w.offer(media.Source{})
		if _, _, err := w.relay.Join(media.Callee, w.callee.codecs("18"), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("nothing in common: %v", err)
		}
		caller, callee, err := w.relay.Join(media.Callee, w.callee.codecs("18 8 0"), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours, w.callee.ours = led(t, caller), led(t, callee)
		if !bytes.Contains(caller, []byte("RTP/AVP 8 0\r\n")) || !bytes.Contains(callee, []byte("RTP/AVP 0 8\r\n")) {
			t.Errorf("answers\n%s%s", caller, callee)
		}
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("the caller got %d, the callee %d", a, b)
		}
	})
}

// A new codec is passed on; only when it is agreed on anything changes.
func TestNewCodecIsPassedOn(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		ok := must(t)
		w.connect(media.Source{}, media.Source{})
		g729 := bytes.Replace(w.caller.codecs("18"), []byte("m=audio"), []byte("m=video 4002 RTP/AVP 96\r\nm=audio"), 1)
		if _, err := w.relay.Reoffer(media.Caller, g729); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Fatalf("answered alone: %v", err)
		}
		ask := ok(w.relay.Ask(media.Caller, g729))
		if !bytes.Contains(ask, []byte("RTP/AVP 18\r\n")) || bytes.Contains(ask, []byte("video")) || led(t, ask) != w.callee.ours || version(t, ask) != "2" {
			t.Errorf("the callee is asked\n%s", ask)
		}
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("meanwhile the caller got %d, the callee %d", a, b)
		}
		if _, err := w.relay.Settle(media.Caller, g729); !errors.Is(err, errNotAsked) {
			t.Errorf("the wrong side settled: %v", err)
		}
		ok(w.relay.Ask(media.Caller, g729))
		if _, err := w.relay.Settle(media.Callee, w.callee.codecs("9")); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("settled on another codec: %v", err)
		}
		back := ok(w.relay.Present(media.Callee)) // as it was
		if !bytes.Contains(back, []byte("RTP/AVP 0 8\r\n")) || version(t, back) != "3" {
			t.Errorf("put back\n%s", back)
		}
		ok(w.relay.Take(media.Callee, w.callee.body(""), media.Source{}))
		if again := ok(w.relay.Ask(media.Caller, g729)); version(t, again) != "4" {
			t.Errorf("asked again\n%s", again)
		}
		answer := ok(w.relay.Settle(media.Callee, w.callee.codecs("18")))
		if !bytes.Contains(answer, []byte("m=video 0 RTP/AVP 96\r\nm=audio")) || !bytes.Contains(answer, []byte("RTP/AVP 18\r\n")) {
			t.Errorf("the caller is answered\n%s", answer)
		}
		// The next description for the caller keeps the line of the video.
		if p := ok(w.relay.Present(media.Caller)); !bytes.Contains(p, []byte("m=video 0 RTP/AVP 96\r\nm=audio")) {
			t.Errorf("the session as it stands\n%s", p)
		}
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("then the caller got %d, the callee %d", a, b)
		}
	})
}

// An offer that was withdrawn while it was answered has changed nothing.
func TestUndo(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		ok := must(t)
		w.connect(media.Source{}, media.Source{})
		ok(w.relay.Reoffer(media.Caller, w.caller.body("a=inactive\r\n")))
		if !w.relay.Holds(media.Caller) || w.relay.Holds(media.Callee) {
			t.Error("who holds is not known")
		}
		ok(w.relay.Reoffer(media.Callee, w.callee.body("a=sendonly\r\n"))) // the other side's own
		w.relay.Undo(media.Caller)
		w.relay.Undo(media.Caller)
		if w.relay.Holds(media.Caller) || !w.relay.Holds(media.Callee) {
			t.Error("the wrong hold was taken back")
		}
		ok(w.relay.Reoffer(media.Callee, w.callee.body("")))
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("the caller got %d, the callee %d", a, b)
		}
		ok(w.relay.Ask(media.Caller, w.caller.codecs("18")))
		ok(w.relay.Settle(media.Callee, w.callee.codecs("18")))
		w.relay.Undo(media.Caller)
		if p := ok(w.relay.Present(media.Callee)); !bytes.Contains(p, []byte("RTP/AVP 0 8\r\n")) {
			t.Errorf("the session is\n%s", p)
		}
	})
}

// What a withdrawn offer moved to the other IP version moves back.
func TestUndoOfAnotherFamily(t *testing.T) {
	inDualWorld(t, sipperIP, phoneIP, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		must(t)(w.relay.Reoffer(media.Caller, w.phone(sipper6, 4100, 440).body6("")))
		w.relay.Undo(media.Caller)
		w.talk()
		if p := must(t)(w.relay.Present(media.Caller)); led(t, p) != w.caller.ours {
			t.Errorf("the session is\n%s", p)
		}
	})
}

// RFC 3264 8.2, 8.1: audio is taken out by port 0 and comes back in its place.
func TestAudioIsTakenOutAndComesBack(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		ok := must(t)
		w.connect(media.Source{}, media.Source{})
		none := bytes.Replace(w.callee.body(""), []byte("m=audio 5000"), []byte("m=audio 0"), 1)
		if b := ok(w.relay.Reoffer(media.Callee, none)); !bytes.Contains(b, []byte("m=audio 0 RTP/AVP 0\r\n")) {
			t.Errorf("answered\n%s", b)
		}
		if a, b := w.heard(); a != 0 || b != 0 || !w.relay.Holds(media.Callee) {
			t.Errorf("without audio the caller got %d, the callee %d", a, b)
		}
		if p := ok(w.relay.Present(media.Callee)); !bytes.Contains(p, []byte("m=audio 0 ")) {
			t.Errorf("the session is\n%s", p)
		}
		if _, err := w.relay.Ask(media.Caller, w.caller.codecs("18")); !errors.Is(err, errDropped) {
			t.Errorf("asked one who has no audio: %v", err)
		}
		back := ok(w.relay.Reoffer(media.Callee, w.callee.body("")))
		if led(t, back) != w.callee.ours || w.relay.Holds(media.Callee) {
			t.Errorf("back\n%s", back)
		}
		if a, b := w.heard(); a != 3 || b != 2 {
			t.Errorf("then the caller got %d, the callee %d", a, b)
		}
	})
}

func TestClosedRelayNegotiatesNothing(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Close()
		w.relay.Undo(media.Caller)
		for name, f := range map[string]func() ([]byte, error){
			"open":    w.relay.Open,
			"present": func() ([]byte, error) { return w.relay.Present(media.Caller) },
			"take":    func() ([]byte, error) { return w.relay.Take(media.Caller, w.caller.body(""), media.Source{}) },
			"ask":     func() ([]byte, error) { return w.relay.Ask(media.Caller, w.caller.body("")) },
			"settle":  func() ([]byte, error) { return w.relay.Settle(media.Callee, w.callee.body("")) },
			"join": func() ([]byte, error) {
				b, _, err := w.relay.Join(media.Callee, w.callee.body(""), media.Source{})
				return b, err
			},
		} {
			if b, err := f(); b != nil || !errors.Is(err, errClosed) {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
	})
}

// A party that moves by a new offer is followed at once, under either rule and
// on either side; what was learnt of its old place is forgotten.
func TestMovedPartyIsFollowed(t *testing.T) {
	for _, rule := range []media.Rule{media.Strict, media.Latch} {
		for _, side := range []media.Side{media.Caller, media.Callee} {
			t.Run(string(rule)+" "+side.String(), func(t *testing.T) {
				inWorld(t, mediatest.Link{}, func(w *world) {
					src := media.Source{Rule: rule}
					w.connect(src, src)
					w.sing(w.caller, 10)
					w.sing(w.callee, 10)
					old, other, ip := w.caller, w.callee, sipperIP
					if side == media.Callee {
						old, other, ip = w.callee, w.caller, phoneIP
					}
					moved := w.phone(ip, 7000, 700)
					moved.ours = led(t, must(t)(w.relay.Reoffer(side, moved.body(""))))
					if moved.ours != old.ours {
						t.Errorf("our port moved from %v to %v", old.ours, moved.ours)
					}
					old.rtp.Drain()
					other.rtp.Drain()
					w.sing(other, 3)
					if a, b := len(moved.rtp.Drain()), len(old.rtp.Drain()); a != 3 || b != 0 {
						t.Errorf("%d packets went to the new place, %d to the old", a, b)
					}
					w.sing(moved, 10)
					w.sing(old, 3)
					if got := len(other.rtp.Drain()); got != 10 {
						t.Errorf("the other heard %d packets of 10", got)
					}
				})
			})
		}
	}
}
