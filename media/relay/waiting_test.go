package relay

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// This file shows a caller whom we answer by ourselves: he is played to and his keys
// are heard, before a callee is invited, and put through to him.

// only takes the codecs out of a description of a phone but for one, and adds events.
func only(body []byte, pt string) []byte {
	return append(bytes.Replace(body, []byte(" 0 8\r\n"), []byte(" "+pt+" 101\r\n"), 1), "a=rtpmap:101 telephone-event/8000\r\n"...)
}

// guest is somebody of these tests, in whatever way he speaks.
type guest interface {
	hears() [][]byte
	sings(n int) [][]byte
}

// hearsOnly checks that nearly all that arrived at somebody is one note, in one stream.
func (w *world) hearsOnly(g guest, hz float64, least int) {
	w.t.Helper()
	got := g.hears()
	sound, err := mediatest.Hear(got)
	if err != nil || len(got) < least {
		w.t.Errorf("%d packets of %.0f Hz, %v", len(got), hz, err)
		return
	}
	if part := mediatest.Goertzel(sound, mediatest.Rate, hz); part < 0.85 {
		w.t.Errorf("%.2f of %d packets are %.0f Hz", part, len(got), hz)
	}
	w.wantSeamless(got)
}

// greets plays to a caller who is alone and hears a key of his.
func (w *world) greets(g guest) {
	w.t.Helper()
	w.play(media.Play{To: media.Caller, Sound: media.Sound{File: file(w.t, 700, 2*time.Second)}, For: "greeting"})
	g.sings(50)
	time.Sleep(1100 * time.Millisecond)
	w.hearsOnly(g, 700, 99)
	if got := w.played(); !got.Complete || got.Heard != 2*time.Second {
		w.t.Errorf("played %+v", got)
	}
	w.play(media.Play{To: media.Caller, Sound: media.Sound{Ringback: "de"}, Loop: true, For: "ringback"})
	time.Sleep(500 * time.Millisecond)
	w.hearsOnly(g, 425, 20)
}

// puts invites a callee, who answers, and puts him through. asks takes the caller's
// answer when he has to be asked.
func (w *world) puts(b *keyed, src media.Source, asks func(offer []byte) []byte) {
	w.t.Helper()
	offer, err := w.relay.Invite(media.Callee, b.rtp.AddrPort().Addr(), src, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	again, err := w.relay.Replace(media.Callee, b.answer(offer), src)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(again) > 0 {
		if more, err := w.relay.Take(media.Caller, asks(again), media.Source{}); err != nil || more != nil {
			w.t.Fatalf("the caller's answer: %q, %v", more, err)
		}
	}
	w.relay.Watch()
}

// talked has both hear each other and nothing else.
func (w *world) talked(a, b guest, hzA, hzB float64) {
	w.t.Helper()
	a.hears()
	b.sings(30)
	w.hearsOnly(a, hzB, 29)
	b.hears()
	a.sings(30)
	w.hearsOnly(b, hzA, 29)
}

func TestCallerFirst(t *testing.T) {
	secret, open := srtp(media.SRTPRequire), media.Source{}
	for name, c := range map[string]struct {
		caller, callee       media.Source
		callerKey, calleeKey secure.Suite
		pt                   string // what the callee answers with; empty: what he is offered
		below                int    // directions that pass in the kernel afterwards
	}{
		"same codec":           {open, open, 0, 0, "", 2},
		"the caller encrypts":  {secret, open, secure.AES128GCM, 0, "", 0},
		"the callee encrypts":  {open, secret, 0, secure.AES128CM80, "", 0},
		"both encrypt":         {secret, secret, secure.AES128CM80, secure.AES128GCM, "", 0},
		"another codec of his": {open, open, 0, 0, "8", 1}, // the callee was offered PCMU too, and may yet send it
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				a, b := w.keyed(w.caller, c.callerKey, "RTP/SAVP"), w.keyed(w.callee, c.calleeKey, "")
				if c.callerKey == 0 {
					a.proto = "RTP/AVP"
				}
				if _, err := w.relay.Offer(media.Caller, a.offer(), c.caller); err != nil {
					t.Fatal(err)
				}
				answer, err := w.relay.Await(media.Caller)
				if err != nil {
					t.Fatal(err)
				}
				a.hear(answer)
				w.relay.Watch(media.Caller)
				w.greets(a)
				id := w.relay.plays
				if c.pt == "" {
					w.puts(b, c.callee, func([]byte) []byte { t.Error("the caller is asked again"); return nil })
				} else {
					w.picks(a, b, c.callee, c.pt)
				}
				if _, ok := w.relay.Stop(id); !ok {
					t.Error("the ringing was over")
				}
				w.talked(a, b, 440, 1000)
				time.Sleep(15 * time.Second) // nothing is looked at or mapped any more
				a.sings(200)
				b.sings(200)
				if w.kernel != nil && w.pool.Stats().Below != c.below {
					t.Errorf("%d directions pass below us, not %d", w.pool.Stats().Below, c.below)
				}
			})
		})
	}
}

// picks is puts for a callee who answers with one codec, for which the caller is asked.
func (w *world) picks(a, b *keyed, src media.Source, pt string) {
	w.t.Helper()
	offer, err := w.relay.Invite(media.Callee, netip.Addr{}, src, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	again, err := w.relay.Replace(media.Callee, only(b.answer(offer), pt), src)
	if err != nil || !strings.Contains(string(again), "RTP/AVP "+pt) {
		w.t.Fatalf("the caller is asked %q, %v", again, err)
	}
	if more, err := w.relay.Take(media.Caller, only(a.body(""), pt), media.Source{}); err != nil || more != nil {
		w.t.Fatalf("%q, %v", more, err)
	}
	a.tone.PT, b.tone.PT = mediatest.PCMA, mediatest.PCMA
	w.relay.Watch()
}

// A caller's first offer may be put to a callee too; his answer then is no answer of
// the caller's any more, so what he sends is converted when it has to be.
func TestCallerFirstConverted(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, 0, ""), w.keyed(w.callee, 0, "")
		if _, err := w.relay.Offer(media.Caller, only(a.body(""), "0"), media.Source{}); err != nil {
			t.Fatal(err)
		}
		answer, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		a.hear(answer)
		w.greets(a)
		w.relay.Stop(w.relay.plays)
		src := media.Source{Terms: media.Terms{Speech: media.Speech{Codecs: []string{"PCMA"}}}}
		offer, err := w.relay.Invite(media.Callee, netip.Addr{}, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.hear(offer)
		b.tone.PT = mediatest.PCMA
		again, err := w.relay.Replace(media.Callee, only(b.body(""), "8"), src)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > 0 { // he speaks nothing else and says so
			if _, err := w.relay.Take(media.Caller, only(a.body(""), "0"), media.Source{}); err != nil {
				t.Fatal(err)
			}
		}
		w.talked(a, b, 440, 1000)
	})
}

// A caller of IPv6 is put through to a callee of IPv4, and the other way round.
func TestCallerFirstOverTwoFamilies(t *testing.T) {
	for _, ips := range [][2]string{{sipper6, phoneIP}, {sipperIP, phone6}} {
		inDualWorld(t, ips[0], ips[1], func(w *world) {
			a, b := w.keyed(w.caller, 0, ""), w.keyed(w.callee, 0, "")
			if _, err := w.relay.Offer(media.Caller, a.body6(""), media.Source{}); err != nil {
				t.Fatal(err)
			}
			answer, err := w.relay.Await(media.Caller)
			if err != nil {
				t.Fatal(err)
			}
			a.hear(answer)
			w.play(media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 700, time.Second)}})
			a.sings(10)
			time.Sleep(time.Second)
			w.hearsOnly(a, 700, 49)
			offer, err := w.relay.Invite(media.Callee, b.rtp.AddrPort().Addr(), media.Source{Attempt: "b1"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b.hear(offer)
			if again, err := w.relay.Replace(media.Callee, b.body6(""), media.Source{Attempt: "b1"}); err != nil || again != nil {
				t.Fatalf("%q, %v", again, err)
			}
			w.talked(a, b, 440, 1000)
		})
	}
}

// A caller who made no offer is made one, and his answer begins his side of the call.
func TestCallerFirstWithoutAnOffer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, 0, "")
		src := srtp(media.SRTPRequire, secure.AES128GCM)
		if _, err := w.relay.Take(media.Caller, a.body(""), src); err == nil {
			t.Error("an answer to nothing is taken")
		}
		if _, err := w.relay.Over(media.Caller, netip.MustParseAddr(sipperIP), src); err != nil {
			t.Fatal(err)
		}
		offer, err := w.relay.Present(media.Caller)
		if err != nil || !strings.Contains(string(offer), "RTP/SAVP 8 0 101") {
			t.Fatalf("offer %q, %v", offer, err)
		}
		if again, err := w.relay.Take(media.Caller, a.answer(offer), src); err != nil || again != nil {
			t.Fatalf("again %q, %v", again, err)
		}
		w.greets(a)
		w.relay.Stop(w.relay.plays)
		w.puts(b, media.Source{}, a.answer)
		w.talked(a, b, 440, 1000)
	})
}

// While he waits a caller may hold, resume, ask for an offer of ours, and take his
// audio out; what he takes back is as it was.
func TestCallerWaitingChangesHisMind(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a := w.keyed(w.caller, 0, "")
		if _, err := w.relay.Reoffer(media.Caller, a.body("")); err == nil {
			t.Error("a second offer before a first one is answered")
		}
		w.offer(media.Source{})
		if _, err := w.relay.Reoffer(media.Caller, a.body("")); err == nil {
			t.Error("a second offer before the first one is answered")
		}
		answer, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		a.hear(answer)
		first, _ := sdp.Parse(answer)
		w.play(media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 700, time.Minute)}, Loop: true})
		time.Sleep(200 * time.Millisecond)
		w.hearsOnly(a, 700, 9)

		held, err := w.relay.Reoffer(media.Caller, a.body("a=sendonly\r\n"))
		if err != nil || !strings.Contains(string(held), "a=recvonly") {
			t.Fatalf("his hold is answered %q, %v", held, err)
		}
		now, _ := sdp.Parse(held)
		id, version, _ := first.Origin()
		if i, v, _ := now.Origin(); i != id || v != version+1 {
			t.Errorf("session %d version %d behind %d %d", i, v, id, version)
		}
		a.hears()
		time.Sleep(200 * time.Millisecond)
		if n := len(a.hears()); n != 0 || !w.relay.Holds(media.Caller) {
			t.Errorf("on hold he is sent %d packets", n)
		}
		w.relay.Undo(media.Caller)
		time.Sleep(200 * time.Millisecond)
		w.hearsOnly(a, 700, 9)

		gone, err := w.relay.Reoffer(media.Caller, bytes.Replace(a.body(""), []byte("m=audio 4000"), []byte("m=audio 0"), 1))
		if err != nil || !strings.Contains(string(gone), "m=audio 0") {
			t.Fatalf("without audio: %q, %v", gone, err)
		}
		if back, err := w.relay.Reoffer(media.Caller, a.body("")); err != nil || ledBy(t, back) != a.ours {
			t.Fatalf("with audio again: %q, %v", back, err)
		}
		if end := w.played().End; end != media.PlayNoCodec {
			t.Errorf("without audio the sound ended by %q", end)
		}
		w.play(media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 700, time.Minute)}, Loop: true})
		asked, err := w.relay.Present(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := w.relay.Take(media.Caller, a.answer(asked), media.Source{}); err != nil || again != nil {
			t.Fatalf("%q, %v", again, err)
		}
		a.hears()
		time.Sleep(200 * time.Millisecond)
		w.hearsOnly(a, 700, 9)
	})
}

// Early media of an invited callee reaches a caller who was answered already, and the
// same party's answer goes on from it.
func TestCallerFirstHearsEarlyMedia(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, 0, ""), w.keyed(w.callee, 0, "")
		w.offer(media.Source{})
		answer, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		a.hear(answer)
		src := media.Source{Attempt: "b1"}
		offer, err := w.relay.Invite(media.Callee, netip.Addr{}, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.hear(offer)
		for range 2 { // the 183, then the 200
			if again, err := w.relay.Replace(media.Callee, b.body(""), src); err != nil || again != nil {
				t.Fatalf("%q, %v", again, err)
			}
			w.talked(a, b, 440, 1000)
		}
		w.relay.Silence(media.Callee) // he was early only, after all
		b.sings(5)
		if n := len(a.hears()); n != 0 {
			t.Errorf("%d packets of who is gone", n)
		}
		c := w.keyed(w.phone("10.2.0.9", 7000, 300), 0, "")
		w.puts(c, media.Source{Attempt: "b2"}, nil)
		w.talked(a, c, 440, 300)
		b.sings(5)
		if n := len(a.hears()); n != 0 {
			t.Errorf("%d packets of who was before", n)
		}
	})
}

// Nobody but the tap that was asked for hears a caller who is alone, and it hears
// neither his keys nor anybody else.
func TestDictate(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		usual, tap := newListener(t), newListener(t)
		if _, err := w.relay.Offer(media.Caller, w.caller.keypad(true), media.Source{}); err != nil {
			t.Fatal(err)
		}
		answer, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours = led(t, answer)
		w.relay.Tap(usual)
		w.sing(w.caller, 5)
		w.relay.Dictate(media.Caller, tap)
		w.sing(w.caller, 20)
		w.press(w.caller, "#")
		if got := w.told(media.Pressed, media.Caller); got != "#" {
			t.Errorf("we heard %q", got)
		}
		if n, m := tap.count(media.Caller), usual.count(media.Caller); n != 23 || m != 0 {
			t.Errorf("%d packets were dictated, the tap has %d", n, m)
		}
		for _, p := range tap.packets[media.Caller] {
			if p.PT == eventPT {
				t.Error("a key was dictated")
			}
		}
		w.answer(w.callee, media.Source{})
		w.sing(w.callee, 5)
		w.sing(w.caller, 5)
		if n, m := tap.count(media.Caller), tap.count(media.Callee); n != 28 || m != 0 {
			t.Errorf("%d packets of the caller's and %d of the callee's", n, m)
		}
		w.relay.Dictate(media.Caller, nil)
		w.sing(w.caller, 5)
		if n := tap.count(media.Caller); n != 28 {
			t.Errorf("%d packets after its end", n)
		}
	})
}

// A caller who falls silent while he waits is noticed, as is who was never heard.
func TestWaitingIsWatched(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.offer(media.Source{})
		if _, err := w.relay.Await(media.Caller); err != nil {
			t.Fatal(err)
		}
		w.relay.Watch(media.Caller)
		time.Sleep(20 * time.Second)
		w.mu.Lock()
		for _, n := range w.notices {
			if n.Kind != media.Silent || n.Side != media.Caller {
				t.Errorf("notice %v of the %s", n.Kind, n.Side)
			}
		}
		if len(w.notices) != 1 {
			t.Errorf("%d notices", len(w.notices))
		}
		w.mu.Unlock()
		w.answer(w.callee, media.Source{}) // rings, with early media: nobody judges him yet
		time.Sleep(9 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, n := range w.notices {
			if n.Side == media.Callee {
				t.Errorf("notice %v of who has not answered", n.Kind)
			}
		}
	})
}
