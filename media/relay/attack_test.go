package relay

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// everyPort is the range of the pool of a world.
func everyPort(f func(netip.AddrPort)) {
	for port := uint16(20000); port <= 20019; port++ {
		f(netip.AddrPortFrom(netip.MustParseAddr(relayIP), port))
	}
}

// spray sends one packet of the thief's tone, and one RTCP packet, to every port.
func spray(thief *phone) {
	pkt := thief.tone.Next()
	everyPort(func(to netip.AddrPort) {
		thief.rtp.WriteToUDPAddrPort(pkt, to)
		thief.rtcp.WriteToUDPAddrPort(report(), to)
	})
	synctest.Wait()
}

// RTP Bleed. Spraying all ports during set-up and in the call gives the
// thief nothing, and costs the parties nothing.
func TestSprayGetsNothing(t *testing.T) {
	for _, src := range []media.Source{
		{},
		{Rule: media.Latch, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/14")}},
	} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			thief := w.phone(thiefIP, 4000, 3000)
			tap := newListener(t)
			w.relay.Tap(tap)
			spray(thief)
			w.offer(src)
			spray(thief)
			w.answer(w.callee, src)
			for range 30 {
				spray(thief)
				w.sing(w.caller, 1)
				w.sing(w.callee, 1)
			}
			if n := thief.rtp.Waiting() + thief.rtcp.Waiting(); n != 0 {
				t.Errorf("%v: the thief got %d packets", src.Rule, n)
			}
			if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 30 || b != 30 {
				t.Errorf("%v: caller got %d, callee %d", src.Rule, a, b)
			}
			for _, side := range []media.Side{media.Caller, media.Callee} {
				if p := mediatest.Goertzel(tap.sound(side), mediatest.Rate, 3000); p > 0.001 {
					t.Errorf("%v: %.4f of the %s in the tap is the thief's", src.Rule, p, side)
				}
			}
			if d := w.relay.Close().Callee.Drops[media.DropSource]; d < 30 {
				t.Errorf("%v: %d dropped for their source", src.Rule, d)
			}
		})
	}
}

// injection with everything right but the address.
func TestInjectionIsNotHeard(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.connect(media.Source{}, media.Source{})
		w.relay.Tap(tap)
		thief := w.phone(thiefIP, 4000, 3000)
		thief.ours = w.caller.ours
		for range 20 {
			thief.tone.SSRC, thief.tone.Seq, thief.tone.TS = w.caller.tone.SSRC, w.caller.tone.Seq, w.caller.tone.TS
			w.sing(thief, 1)
			w.sing(w.caller, 1)
		}
		heard, err := mediatest.Hear(w.callee.rtp.Drain())
		if err != nil {
			t.Fatal(err)
		}
		for name, sound := range map[string][]int16{"callee": heard, "tap": tap.sound(media.Caller)} {
			if mine, his := mediatest.Goertzel(sound, mediatest.Rate, 440), mediatest.Goertzel(sound, mediatest.Rate, 3000); mine < 0.99 || his > 0.001 {
				t.Errorf("%s hears %.3f of the caller, %.4f of the thief", name, mine, his)
			}
		}
		wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropSource: 20})
	})
}

// A phone behind a NAT: its description names an address nobody can reach.
func TestLatchCall(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		inside := media.Source{Rule: media.Latch, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
		nat := w.phone("203.0.113.5", 31000, 1000)
		lone := w.conn("203.0.113.5", 31777) // its RTCP, mapped elsewhere
		w.connect(media.Source{}, inside)
		nat.ours = w.callee.ours
		w.sing(w.caller, 5)
		if n := w.callee.rtp.Waiting(); n != 0 {
			t.Errorf("%d packets went to the address outside the trunk", n)
		}
		w.sing(nat, 4)
		if n := w.caller.rtp.Waiting(); n != 0 {
			t.Errorf("%d packets passed before the source was learnt", n)
		}
		w.sing(nat, 6)
		w.sing(w.caller, 7)
		if a, b := w.caller.rtp.Waiting(), nat.rtp.Waiting(); a != 6 || b != 7 {
			t.Errorf("caller got %d, the phone %d", a, b)
		}
		time.Sleep(reportsBy)
		if n := nat.rtcp.Waiting(); n == 0 {
			t.Error("no report at the port above the learnt one")
		}
		lone.WriteToUDPAddrPort(report(), w.callee.ours0(1))
		synctest.Wait()
		nat.rtcp.Drain()
		time.Sleep(reportsBy)
		if n, m, l := lone.Waiting(), w.caller.rtcp.Waiting(), nat.rtcp.Waiting(); n == 0 || m == 0 || l != 0 {
			t.Errorf("%d reports where RTCP came from, %d at the caller, %d still at the port before", n, m, l)
		}
		stats := w.relay.Close()
		wantDrops(t, stats.Caller, map[media.Drop]uint64{media.DropNoPeer: 5})
		wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropSource: 4})
	})
}

// a flood at one port is capped, and malformed packets are told apart from it.
func TestFloodIsCapped(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		for range 200 { // a second in steps of 5 ms, ten packets each: 2,000 a second
			for range 10 {
				w.callee.rtp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours)
				w.callee.rtp.WriteToUDPAddrPort([]byte{0x80, 0}, w.callee.ours)
				w.callee.rtp.WriteToUDPAddrPort(nil, w.callee.ours)
			}
			time.Sleep(5 * time.Millisecond)
		}
		synctest.Wait()
		f := w.relay.Close().Callee
		wantDrops(t, f, map[media.Drop]uint64{media.DropMalformed: 4000, media.DropRate: 2000 - f.Packets})
		if f.Packets < 290 || f.Packets > 310 {
			t.Errorf("%d of 2000 passed in a second", f.Packets)
		}
	})
}
