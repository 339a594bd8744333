package relay

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// encrypted makes a call between two phones that insist on encryption, each with
// a suite of its own.
func (w *world) encrypted() (a, b *keyed) {
	w.t.Helper()
	a, b = w.keyed(w.caller, secure.AES128CM80, "RTP/SAVP"), w.keyed(w.callee, secure.AES256GCM, "RTP/SAVP")
	if err := w.dial(a, b, srtp(media.SRTPRequire), srtp(media.SRTPRequire)); err != nil {
		w.t.Fatal(err)
	}
	w.converse(a, b)
	return a, b
}

// keysTold are our keys in a description, as the lines have them.
func keysTold(body string) (all []string) {
	for _, m := range cryptoLine.FindAllStringSubmatch(body, -1) {
		_, key, _ := strings.Cut(m[1], "inline:")
		all = append(all, key)
	}
	return all
}

// New offers within a call: who says the same key again goes on counting, with
// our key as it was; who says a new one is heard under it, and for a moment under
// the old one; hold and its end change nothing of either.
func TestNewOffersOfEncryptedLegs(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.encrypted()
		ok := must(t)
		was := keysTold(a.told)
		a.hear(ok(w.relay.Reoffer(media.Caller, a.offer())))
		w.converse(a, b)
		hold := append(a.offer(), "a=sendonly\r\n"...)
		a.hear(ok(w.relay.Reoffer(media.Caller, hold)))
		if !w.relay.Holds(media.Caller) {
			t.Error("not on hold")
		}
		a.hear(ok(w.relay.Reoffer(media.Caller, a.offer())))
		w.converse(a, b)

		former := a.out
		a.renew()
		a.hear(ok(w.relay.Reoffer(media.Caller, a.offer())))
		late, err := former.RTP(append(make([]byte, 0, 300), a.tone.Next()...))
		if err != nil {
			t.Fatal(err)
		}
		a.rtp.WriteToUDPAddrPort(late, a.ours)
		w.converse2(a, b, 1)
		time.Sleep(5 * time.Second) // the bubble's clock: the former key's time is over
		late, _ = former.RTP(append(make([]byte, 0, 300), a.tone.Next()...))
		a.rtp.WriteToUDPAddrPort(late, a.ours)
		w.converse(a, b)
		if now := keysTold(a.told); !slices.Equal(now, was) {
			t.Error("our key has changed without need")
		}

		b.renew()
		b.hear(ok(w.relay.Reoffer(media.Callee, b.offer())))
		w.converse(a, b)
		wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropAuth: 1})
	})
}

// converse2 is converse with packets of the first on their way already.
func (w *world) converse2(a, b *keyed, before int) {
	w.t.Helper()
	sent := a.sings(20)
	if got := b.hears(); len(got) != len(sent)+before || !equal(got[before:], sent) {
		w.t.Errorf("%d packets arrived, want %d and %d", len(got), before, len(sent))
	}
	w.converse(b, a)
}

// A new key that is taken back with its offer leaves the one before in force.
func TestUndoOfANewKey(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.encrypted()
		before, out := a.key, a.out
		a.renew()
		must(t)(w.relay.Reoffer(media.Caller, a.offer()))
		w.relay.Undo(media.Caller)
		a.key, a.out = before, out
		w.converse(a, b)
	})
}

// An offer of ours inside a call asks for what was agreed, under the keys that
// were told, and an answer without encryption is refused.
func TestOfferOfOursInsideAnEncryptedCall(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.encrypted()
		ok := must(t)
		was := keysTold(a.told)
		offer := ok(w.relay.Present(media.Caller))
		if !bytes.Contains(offer, []byte(" RTP/SAVP ")) || !slices.Contains(keysTold(string(offer)), was[0]) {
			t.Errorf("offered\n%s", offer)
		}
		for _, body := range []string{"RTP/SAVP", "RTP/AVP"} {
			bare := strings.Replace(string(w.caller.body("")), "RTP/AVP", body, 1)
			if _, err := w.relay.Take(media.Caller, []byte(bare), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
				t.Errorf("an answer with %s and no key: %v", body, err)
			}
		}
		w.converse(a, b)
		if _, err := w.relay.Take(media.Caller, a.answer(ok(w.relay.Present(media.Caller))), media.Source{}); err != nil {
			t.Error(err)
		}
		w.converse(a, b)
		bare := string(w.caller.body(""))
		if _, err := w.relay.Reoffer(media.Caller, []byte(bare)); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("a new offer in the clear: %v", err)
		}
		w.converse(a, b)
	})
}

// A codec that the other side has to be asked for crosses two encrypted legs.
func TestAskedThroughEncryptedLegs(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.encrypted()
		ok := must(t)
		other := func(body []byte) []byte { return bytes.Replace(body, []byte(" 0 8\r\n"), []byte(" 18\r\n"), 1) }
		ask := ok(w.relay.Ask(media.Caller, other(a.offer())))
		a.hear(ok(w.relay.Settle(media.Callee, other(b.answer(ask)))))
		w.converse(a, b)
		w.noKeyCrosses(a, b)
	})
}

// Early media of two attempts: each is told a key of its own, and nothing of the
// first passes any more when the second speaks.
func TestEncryptedAttempts(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, secure.AES128GCM, "")
		c := w.keyed(w.phone("10.2.0.9", 7000, 700), secure.AES128GCM, "")
		require := srtp(media.SRTPRequire)
		if err := w.dial(a, b, require, require); err != nil {
			t.Fatal(err)
		}
		w.converse(a, b)
		mine := keysTold(a.told)
		w.relay.Silence(media.Callee)
		offer := must(t)(w.relay.Over(media.Callee, netip.MustParseAddr("10.2.0.9"), require))
		for _, key := range keysTold(string(offer)) {
			if strings.Contains(b.told, key) {
				t.Error("the second attempt is told a key of the first")
			}
		}
		b.sings(5)
		a.hear(must(t)(w.relay.Answer(media.Callee, c.answer(offer), require)))
		b.sings(5)
		if got := len(a.hears()); got != 0 {
			t.Errorf("%d packets of the first attempt passed", got)
		}
		w.converse(a, c)
		if now := keysTold(a.told); !slices.Equal(now, mine) {
			t.Error("the caller is told another key")
		}
	})
}

// Transfers: who comes has keys of his own, or none, and nothing of who went
// passes, though his packets are sound.
func TestTransferOfEncryptedLegs(t *testing.T) {
	for _, suite := range []secure.Suite{0, secure.AES256GCM} {
		for _, offers := range []bool{false, true} {
			inWorld(t, mediatest.Link{}, func(w *world) {
				t := w.t
				a, b := w.encrypted()
				heir := w.keyed(w.phone("10.2.0.9", 7000, 700), suite, "RTP/AVP")
				src := media.Source{}
				if suite != 0 {
					heir.proto, src = "RTP/SAVP", srtp(media.SRTPRequire)
				}
				var again []byte
				var err error
				if offers {
					var answer []byte
					answer, again, err = w.relay.ReplaceBy(media.Callee, heir.offer(), src)
					if err == nil {
						heir.hear(answer)
					}
				} else {
					offer := must(t)(w.relay.Invite(media.Callee, netip.Addr{}, src, nil))
					again, err = w.relay.Replace(media.Callee, heir.answer(offer), src)
				}
				if err != nil || again != nil {
					t.Fatalf("suite %v, offers %v: %v; asked again:\n%s", suite, offers, err, again)
				}
				b.sings(5)
				if got := len(a.hears()); got != 0 {
					t.Errorf("%d packets of who went passed", got)
				}
				w.converse(a, heir)
				if got := b.rtp.Waiting(); got != 0 {
					t.Errorf("who went still hears %d packets", got)
				}
				w.noKeyCrosses(b, heir)
				w.noKeyCrosses(a, heir)
			})
		}
	}
}

// A leg that comes from another call was told a key there: it may be told one here,
// whatever is known of its signalling now.
func TestEncryptedLegOfAnotherCall(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		_, b := w.encrypted()
		src := srtp(media.SRTPRequire)
		src.Terms.SRTP.Private = false
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, src, []byte(b.told)); err != nil {
			t.Error(err)
		}
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, src, w.callee.body("")); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("one that was told none: %v", err)
		}
	})
}

// Callers and callees without an offer of their own have encrypted calls too.
func TestEncryptedWithoutOffer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.keyed(w.caller, secure.AES128GCM, ""), w.keyed(w.callee, secure.AES256CM80, "")
		require, ok := srtp(media.SRTPRequire), must(t)
		if _, err := w.relay.Over(media.Caller, a.rtp.AddrPort().Addr(), require); err != nil {
			t.Fatal(err)
		}
		ok(w.relay.Open())
		offer := ok(w.relay.Answer(media.Callee, b.answer(ok(w.relay.Over(media.Callee, b.rtp.AddrPort().Addr(), require))), require))
		if _, err := w.relay.Take(media.Caller, a.answer(offer), require); err != nil {
			t.Fatal(err)
		}
		w.converse(a, b)
	})
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, secure.AES256CM80, "RTP/SAVP")
		require := srtp(media.SRTPRequire)
		must(t)(w.relay.Offer(media.Caller, a.offer(), require))
		must(t)(w.relay.Over(media.Callee, b.rtp.AddrPort().Addr(), require))
		toCaller, toCallee, err := w.relay.Join(media.Callee, b.offer(), require)
		if err != nil {
			t.Fatal(err)
		}
		a.hear(toCaller)
		b.hear(toCallee)
		w.converse(a, b)
	})
}
