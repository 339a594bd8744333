package relay

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

const (
	relay6  = "2001:db8::1"
	sipper6 = "2001:db8:1::1"
	phone6  = "2001:db8:2::1"
)

// inDualWorld is inWorld with a relay that has an address of each IP version;
// caller and callee are of the ones given.
func inDualWorld(t *testing.T, callerIP, calleeIP string, f func(w *world)) {
	t.Helper()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { inDualEngine(t, engine, callerIP, calleeIP, f) })
	}
}

func inDualEngine(t *testing.T, engine, callerIP, calleeIP string, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, mediatest.Link{})
		pool, err := NewPool(Config{Address: relayIP, Address6: relay6, Ports: "20000-20009"}, w.net.Listen, silent())
		if err != nil {
			t.Fatal(err)
		}
		w.use(pool, engine)
		defer pool.Close()
		w.caller, w.callee = w.phone(callerIP, 4000, 440), w.phone(calleeIP, 5000, 1000)
		if w.relay, err = pool.NewRelay("call_1", nil); err != nil {
			t.Fatal(err)
		}
		f(w)
		w.relay.Close()
		time.Sleep(quarantineMost)
		synctest.Wait()
		if s := pool.Stats(); s.Free != 10 || s.Quarantined != 0 || s.Panics != 0 {
			t.Errorf("after the call: %+v", s)
		}
	})
}

func (p *phone) body6(rest string) []byte {
	return []byte(strings.ReplaceAll(string(p.body(rest)), "IN IP4 2001:", "IN IP6 2001:"))
}

// over makes the callee's offer for the address it is reached at.
func (w *world) over(addr string) string {
	w.t.Helper()
	b, err := w.relay.Over(media.Callee, netip.MustParseAddr(addr), media.Source{})
	if err != nil {
		w.t.Fatal(err)
	}
	if b != nil {
		w.callee.ours = led(w.t, b)
	}
	return string(b)
}

func (w *world) talk() {
	w.t.Helper()
	before := w.counted()
	w.sing(w.caller, 20)
	w.sing(w.callee, 20)
	s := w.counted()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if n := s.Of(side).Packets - before.Of(side).Packets; n != 20 {
			w.t.Errorf("%d of 20 packets of the %s passed; drops %v", n, side, s.Of(side).Drops)
		}
	}
}

func TestBetweenFamilies(t *testing.T) {
	for _, c := range []struct{ caller, callee string }{
		{sipper6, phoneIP}, {sipperIP, phone6}, {sipper6, phone6}, {sipperIP, phoneIP},
	} {
		t.Run(c.caller+" to "+c.callee, func(t *testing.T) {
			inDualWorld(t, c.caller, c.callee, func(w *world) {
				line := func(ip string) string {
					if strings.Contains(ip, ":") {
						return "IN IP6 " + relay6
					}
					return "IN IP4 " + relayIP
				}
				if _, err := w.relay.Offer(media.Caller, w.caller.body6(""), media.Source{}); err != nil {
					t.Fatal(err)
				}
				offer := w.over(c.callee)
				if strings.Count(offer, line(c.callee)) != 2 { // o= and c=
					t.Errorf("offer\n%s", offer)
				}
				answer, err := w.relay.Answer(media.Callee, w.callee.body6(""), media.Source{})
				if err != nil {
					t.Fatal(err)
				}
				if strings.Count(string(answer), line(c.caller)) != 2 {
					t.Errorf("answer\n%s", answer)
				}
				w.caller.ours = led(t, answer)
				w.talk()
				pairs := 2
				if c.callee == phone6 {
					pairs = 3 // the offer was first written for IPv4, so its ports may be known
				}
				if n := w.pool.Stats(); n.Free+n.Quarantined != 10-pairs {
					t.Errorf("the call holds other than %d pairs: %+v", pairs, n)
				}
			})
		})
	}
}

func TestFamilyMissing(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		six := w.phone(sipper6, 4100, 440)
		if b, err := w.relay.Offer(media.Caller, six.body6(""), media.Source{}); !errors.Is(err, ErrFamily) || !errors.Is(err, sdp.ErrUnacceptable) || b != nil {
			t.Errorf("offer over IPv6: %v\n%s", err, b)
		}
		w.connect(media.Source{}, media.Source{})
		// who is reached over IPv6 without our having it gets what we have
		if b := w.over(phone6); !strings.Contains(b, "IN IP4 "+relayIP) {
			t.Errorf("%s", b)
		}
		if _, err := w.relay.Answer(media.Callee, six.body6(""), media.Source{}); !errors.Is(err, ErrFamily) {
			t.Errorf("answer over IPv6: %v", err)
		}
		w.talk()
	})
}

// The next attempt may be over another version than the one before it, which
// had early media already.
func TestAttemptsOverBothFamilies(t *testing.T) {
	inDualWorld(t, sipperIP, phone6, func(w *world) {
		w.offer(media.Source{})
		first := w.over(phone6)
		answer, err := w.relay.Answer(media.Callee, w.callee.body6(""), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours = led(t, answer)
		w.talk()
		w.callee = w.phone(phoneIP, 5100, 1000)
		second := w.over(phoneIP)
		if !strings.Contains(first, "IN IP6") || !strings.Contains(second, "IN IP4") {
			t.Errorf("first\n%s\nsecond\n%s", first, second)
		}
		six := w.phone(phone6, 5200, 1000)
		if _, err := w.relay.Answer(media.Callee, six.body6(""), media.Source{}); !errors.Is(err, errOtherFamily) {
			t.Errorf("an answer over another version than the offer: %v", err)
		}
		w.answer(w.callee, media.Source{})
		w.talk()
	})
}

// A party that moves to the other version is followed, and back again; the
// ports it was told of first stay its own.
func TestMovedToAnotherFamily(t *testing.T) {
	inDualWorld(t, sipperIP, phoneIP, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.talk()
		first := w.caller.ours
		four := w.caller
		w.caller = w.phone(sipper6, 4100, 440)
		for i, p := range []*phone{w.caller, four} {
			answer, err := w.relay.Reoffer(media.Caller, p.body6(""))
			if err != nil {
				t.Fatal(err)
			}
			p.ours = led(t, answer)
			w.caller = p
			w.talk()
			if i == 1 && p.ours != first {
				t.Errorf("back at %s, told to send to %s", first, p.ours)
			}
		}
		if _, err := w.relay.Reoffer(media.Caller, []byte(strings.ReplaceAll(string(four.body("")), "0 8", "18"))); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("an offer of nothing agreed on: %v", err)
		}
		w.talk()
	})
}

// A version noted before there is an offer is that of the first offer.
func TestOverBeforeTheOffer(t *testing.T) {
	inDualWorld(t, sipper6, phone6, func(w *world) {
		if b := w.over(phone6); b != "" {
			t.Errorf("an offer from nobody: %s", b)
		}
		b, err := w.relay.Offer(media.Caller, w.caller.body6(""), media.Source{})
		if err != nil || !strings.Contains(string(b), "IN IP6 "+relay6) {
			t.Errorf("%v\n%s", err, b)
		}
	})
}

// No port in the other version: the negotiation fails and what stood stays.
func TestFamilyPortsRunOut(t *testing.T) {
	inDualWorld(t, sipperIP, phoneIP, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		var all []*pair
		for range 5 {
			q, err := w.pool.take(spot{0, six}, 0)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, q)
		}
		if _, err := w.relay.Over(media.Callee, netip.MustParseAddr(phone6), media.Source{}); !errors.Is(err, ErrNoPorts) {
			t.Errorf("sixth pair of IPv6: %v", err)
		}
		if _, err := w.relay.Reoffer(media.Caller, w.phone(sipper6, 4100, 440).body6("")); !errors.Is(err, ErrNoPorts) {
			t.Errorf("sixth pair of IPv6: %v", err)
		}
		w.talk()
		for _, q := range all {
			w.pool.putBack(q)
		}
	})
}

// A caller over IPv6 who makes no offer gets ours in IPv6, whatever the callee speaks.
func TestDelayedOfferOverIPv6(t *testing.T) {
	inDualWorld(t, sipper6, phoneIP, func(w *world) {
		if b, err := w.relay.Over(media.Caller, netip.MustParseAddr(sipper6), media.Source{}); err != nil || b != nil {
			t.Fatalf("%q, %v", b, err)
		}
		offer, err := w.relay.Open()
		if err != nil {
			t.Fatal(err)
		}
		w.callee.ours = led(t, offer)
		toCaller, err := w.relay.Answer(media.Callee, w.callee.body(""), media.Source{})
		if err != nil || !strings.Contains(string(toCaller), "c=IN IP6 "+relay6) || !strings.Contains(string(offer), "c=IN IP4 "+relayIP) {
			t.Fatalf("%v\n%s", err, toCaller)
		}
		w.caller.ours = led(t, toCaller)
		if _, err := w.relay.Take(media.Caller, w.caller.body6(""), media.Source{}); err != nil {
			t.Fatal(err)
		}
		w.talk()
	})
}
