package relay

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/secure"
)

// byDTLS is the rule of a trunk of phones that make keys by DTLS, without ICE.
func byDTLS(rule media.Rule) (src media.Source) {
	src.Rule = rule
	src.Terms.SRTP = media.SRTP{Mode: media.SRTPRequire, DTLS: true}
	return src
}

// A phone without ICE shakes hands from where its description says, whichever end
// begins; one that begins before its answer is here loses no time by that.
func TestDTLSWithoutICE(t *testing.T) {
	for _, setup := range []string{"active", "passive"} {
		for _, out := range []bool{false, true} {
			inWorld(t, mediatest.Link{}, func(w *world) {
				b := w.browser(sipperIP, 6000, setup)
				defer b.close()
				b.ice = false
				phone := w.ring(b, byDTLS(media.Strict), out)
				if b.failed != nil || strings.Contains(b.told, "ice") || !strings.Contains(b.told, " UDP/TLS/RTP/SAVP ") {
					w.t.Fatalf("%s, called %v: %v; told\n%s", setup, out, b.failed, b.told)
				}
				w.confirm(b, phone)
			})
		}
	}
}

func TestHelloBeforeTheAnswer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		b.ice = false
		phone := w.keyed(w.callee, 0, "RTP/AVP")
		must(w.t)(w.relay.Offer(media.Caller, phone.offer(), media.Source{}))
		offer := must(w.t)(w.relay.Over(media.Callee, b.conn.AddrPort().Addr(), byDTLS(media.Strict)))
		b.hear(offer)
		thief := w.conn(thiefIP, 6000)
		b.settle()
		phone.hear(must(w.t)(w.relay.Answer(media.Callee, b.body(), byDTLS(media.Strict))))
		time.Sleep(200 * time.Millisecond) // the bubble's clock: less than it takes to say hello again
		w.confirm(b, phone)
		if thief.Waiting() != 0 {
			w.t.Error("a stranger was answered")
		}
	})
}

// Handshakes of strangers: from elsewhere nothing is answered; from the
// party's own host somebody with another certificate makes no keys, the call goes
// on, and the party's own handshake is taken after that.
func TestStrangersShakeNoHands(t *testing.T) {
	for _, rule := range []media.Rule{media.Strict, media.Latch} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			b := w.browser(sipperIP, 6000, "active")
			defer b.close()
			b.ice = false
			phone := w.keyed(w.callee, 0, "RTP/AVP")
			must(w.t)(w.relay.Offer(media.Caller, b.body(), byDTLS(rule)))
			must(w.t)(w.relay.Over(media.Callee, phone.rtp.AddrPort().Addr(), media.Source{}))
			offer := w.relay.Told(media.Callee)
			answer := must(w.t)(w.relay.Answer(media.Callee, phone.answer(offer), media.Source{}))

			far := w.browser(thiefIP, 6000, "active")
			defer far.close()
			far.ice = false
			far.hear(answer)
			time.Sleep(5 * time.Second) // the bubble's clock
			synctest.Wait()
			if far.in != nil || len(far.heard) != 0 {
				w.t.Error("a stranger from elsewhere made keys")
			}
			near := w.browser(sipperIP, 6001, "active")
			defer near.close()
			near.ice = false
			near.hear(answer)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if near.out != nil {
				near.sings(10)
			}
			if got := len(phone.hears()); got != 0 {
				w.t.Errorf("%d packets of a stranger passed", got)
			}
			near.close2()
			time.Sleep(40 * time.Second) // what the stranger has begun is given up
			b.hear(answer)
			time.Sleep(2 * time.Second)
			w.confirm(b, phone)
		})
	}
}

// close2 ends only its handshake.
func (b *browser) close2() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hand.Close()
}

// Media of a browser comes from where a check has passed and from nowhere else, it
// goes where one has nominated, and who does not know the password is not answered.
func TestOnlyCheckedPlaces(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		phone := w.ring(b, web(), false)
		w.confirm(b, phone)
		thief := w.browser(thiefIP, 6000, "active")
		defer thief.close()
		thief.told = strings.Replace(b.told, "a=ice-pwd:", "a=ice-pwd:x", 1)
		thief.ours, thief.fragment = b.ours, b.fragment
		thief.check(true)
		thief.settle()
		if thief.replies != 0 {
			w.t.Error("a wrong password was answered")
		}
		pkt := b.tone.Next()
		sealed, _ := b.out.RTP(append(make([]byte, 0, 300), pkt...))
		thief.conn.WriteToUDPAddrPort(sealed, b.ours)
		synctest.Wait()
		if got := len(phone.hears()); got != 0 {
			w.t.Error("a packet passed from where no check has")
		}
		w.confirm(b, phone)

		moved := w.browser("10.1.0.2", 6000, "active") // the same browser by another network
		defer moved.close()
		moved.told, moved.ours, moved.fragment, moved.password = b.told, b.ours, b.fragment, b.password
		moved.out, moved.in = b.out, b.in
		moved.tone = b.tone
		moved.check(true)
		moved.settle()
		if moved.replies != 1 {
			w.t.Fatalf("%d replies", moved.replies)
		}
		w.confirm(moved, phone)
		stats := w.relay.Close()
		if stats.Caller.Drops[media.DropSTUN] != 1 || stats.Caller.Drops[media.DropSource] != 1 {
			w.t.Errorf("%+v", stats.Caller.Drops)
		}
	})
}

// A browser is told our addresses of both IP versions, and talks over the one that
// it nominates: here that which the description does not name.
func TestBrowserOverTheOtherFamily(t *testing.T) {
	inDualWorld(t, sipperIP, phoneIP, func(w *world) {
		b := w.browser("2001:db8::9", 6000, "active")
		defer b.close()
		phone := w.keyed(w.callee, 0, "RTP/AVP")
		must(w.t)(w.relay.Offer(media.Caller, b.body(), web()))
		offer := must(w.t)(w.relay.Over(media.Callee, phone.rtp.AddrPort().Addr(), media.Source{}))
		answer := must(w.t)(w.relay.Answer(media.Callee, phone.answer(offer), media.Source{}))
		m := regexp.MustCompile(`a=candidate:2 1 udp (\d+) (\S+) (\d+) typ host`).FindSubmatch(answer)
		if m == nil || string(m[2]) != relay6 || string(m[1]) >= "2130706431" {
			w.t.Fatalf("answered\n%s", answer)
		}
		at := netip.MustParseAddrPort("[" + relay6 + "]:" + string(m[3]))
		b.aim = func(netip.AddrPort) netip.AddrPort { return at }
		b.hear(answer)
		time.Sleep(2 * time.Second) // the bubble's clock: the handshake
		w.confirm(b, phone)
	})
}

// A browser that begins its checks anew gets a new name and password of ours, the
// keys stay; STUN of a phone without ICE is counted as what it is.
func TestICERestart(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		phone := w.ring(b, web(), false)
		before := b.word("ice-pwd")
		b.told = string(must(w.t)(w.relay.Reoffer(media.Caller, b.body())))
		if b.word("ice-pwd") != before {
			w.t.Error("another password without need")
		}
		w.confirm(b, phone)
		b.fragment, b.password = "anew", "anew"+b.password
		b.told = string(must(w.t)(w.relay.Reoffer(media.Caller, b.body())))
		if b.word("ice-pwd") == before {
			w.t.Error("the old password still holds")
		}
		w.confirm(b, phone) // it goes on meanwhile
		b.replies = 0
		b.check(true)
		b.settle()
		if b.replies != 1 {
			w.t.Error("no answer under the new password")
		}
		w.confirm(b, phone)

		probe := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "transaction!"...)
		phone.rtp.WriteToUDPAddrPort(probe, phone.ours)
		synctest.Wait()
		if got := phone.rtp.Waiting(); got != 0 {
			w.t.Errorf("%d answers to a probe", got)
		}
		if stats := w.relay.Close(); stats.Callee.Drops[media.DropSTUN] != 1 || stats.Callee.Drops[media.DropMalformed] != 0 {
			w.t.Errorf("%+v", stats.Callee.Drops)
		}
	})
}

// A transfer gives the browser's place to another one with keys of its own.
func TestTransferOfABrowser(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		phone := w.ring(b, web(), true)
		w.confirm(b, phone)
		heir := w.browser("10.1.0.9", 6000, "passive")
		defer heir.close()
		heir.fragment, heir.tone = "heir", mediatest.Tone{Hz: 700, SSRC: 7}
		offer := must(w.t)(w.relay.Invite(media.Callee, netip.Addr{}, web(), nil))
		heir.told = string(offer)
		if _, err := w.relay.Replace(media.Callee, heir.body(), web()); err != nil {
			w.t.Fatal(err)
		}
		heir.hear(offer)
		time.Sleep(2 * time.Second) // the bubble's clock: the handshake
		b.sings(5)
		if got := len(phone.hears()); got != 0 {
			w.t.Errorf("%d packets of who went passed", got)
		}
		w.confirm(heir, phone)
		if b.word("ice-pwd") == heir.word("ice-pwd") {
			w.t.Error("who came has the password of who went")
		}
	})
}

// The relayed way of an encrypted packet does not allocate. (In CM the library has a
// pool, which the race detector empties at random; media/secure measures that.)
func TestEncryptedForwardDoesNotAllocate(t *testing.T) {
	for _, s := range []secure.Suite{secure.AES128GCM, secure.AES256GCM} {
		r, in, pkt, src := path(t)
		theirs, ours := secure.NewKey(s), secure.NewKey(s)
		sealer, _ := secure.NewSealer(theirs)
		opener, _ := secure.NewOpener(theirs)
		out, _ := secure.NewSealer(ours)
		r.mu.Lock()
		r.lanes[0].open = &opening{side: &r.sides[0], opener: opener}
		r.lanes[0].seal = &sealing{sealer: out}
		r.mu.Unlock()
		at, seq, buf := time.Now(), uint16(0), make([]byte, 0, 4096)
		n := testing.AllocsPerRun(500, func() {
			seq++
			at = at.Add(mediatest.Frame)
			buf = append(buf[:0], pkt...)
			buf[2], buf[3] = byte(seq>>8), byte(seq)
			wire, err := sealer.RTP(buf)
			if err != nil {
				t.Fatal(err)
			}
			in.deliver(wire, src, at)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a packet", s, n)
		}
		if f := r.Close().Caller; f.Packets != 501 {
			t.Errorf("%s: %+v", s, f)
		}
	}
}
