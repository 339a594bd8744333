package relay

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// STUN of strangers, as much of it as they like, costs the party none of its checks
// and none of its media.
func TestStrangersStarveNoChecks(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		phone := w.ring(b, web(), false)
		w.confirm(b, phone)
		thief := w.conn(thiefIP, 6000)
		probe := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "transaction!"...)
		b.replies = 0
		for range 20 {
			for range 200 {
				thief.WriteToUDPAddrPort(probe, b.ours)
			}
			b.check(false)
			b.settle()
		}
		if b.replies != 20 {
			t.Errorf("%d of 20 checks of the browser were answered", b.replies)
		}
		if thief.Waiting() != 0 {
			t.Error("a stranger was answered")
		}
		w.confirm(b, phone)
		wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropSTUN: 4000})
	})
}

// Who knows the names, and floods from where no check has passed, takes nothing from
// the place that has.
func TestPassedPlacesHaveARateOfTheirOwn(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		b := w.browser(sipperIP, 6000, "active")
		defer b.close()
		phone := w.ring(b, web(), false)
		thief := w.browser(thiefIP, 6000, "active")
		defer thief.close()
		thief.told = strings.Replace(b.told, "a=ice-pwd:", "a=ice-pwd:x", 1)
		thief.ours, thief.fragment = b.ours, b.fragment
		b.replies = 0
		for range 300 {
			thief.check(true)
		}
		b.check(false)
		b.settle()
		if b.replies != 1 || thief.replies != 0 {
			t.Errorf("%d answers for the browser, %d for the thief", b.replies, thief.replies)
		}
		w.confirm(b, phone)
		if f := w.relay.Close().Caller; f.Drops[media.DropRate] != 200 || f.Drops[media.DropSTUN] != 100 {
			t.Errorf("%+v", f.Drops)
		}
	})
}

// However many places pass a check, the one that is used stays one that may send.
func TestLockedPlaceIsNeverEvicted(t *testing.T) {
	var s source
	s.checked(false)
	at := func(port uint16) endpoint {
		return endpointOf(netip.AddrPortFrom(netip.MustParseAddr(sipperIP), port))
	}
	used := at(6000)
	s.passed(used, true)
	for i := range 40 {
		s.passed(at(7000+uint16(i)), false)
		if !s.valid.has(used) || s.locked != used {
			t.Fatalf("after %d other places the one in use is forgotten", i+1)
		}
	}
	if !s.valid.has(at(7039)) || s.valid.has(at(7000)) {
		t.Error("the others are not the last ones")
	}
}

// What strangers say before the answer neither drops nor replaces the party's own
// first word.
func TestStrangersHideNoHello(t *testing.T) {
	for _, late := range []bool{false, true} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			b := w.browser(sipperIP, 6000, "active")
			defer b.close()
			b.ice = false
			phone := w.keyed(w.callee, 0, "RTP/AVP")
			must(w.t)(w.relay.Offer(media.Caller, phone.offer(), media.Source{}))
			offer := must(w.t)(w.relay.Over(media.Callee, b.conn.AddrPort().Addr(), byDTLS(media.Strict)))
			thief := w.conn(thiefIP, 6000)
			neighbour := w.conn(sipperIP, 6001) // of a host that the rule allows
			hello := append(make([]byte, 0, 60), 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1)
			hello = hello[:53]
			flood := func() {
				for range 300 {
					thief.WriteToUDPAddrPort(hello, ledBy(t, offer))
					neighbour.WriteToUDPAddrPort(hello, ledBy(t, offer))
				}
				synctest.Wait()
			}
			if !late {
				flood()
			}
			b.hear(offer)
			b.settle()
			if late {
				flood()
			}
			phone.hear(must(w.t)(w.relay.Answer(media.Callee, b.body(), byDTLS(media.Strict))))
			time.Sleep(200 * time.Millisecond) // the bubble's clock: less than it takes to say hello again
			w.confirm(b, phone)
		})
	}
}
