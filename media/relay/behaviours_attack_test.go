package relay

import (
	"net/netip"
	"testing"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// ports are all that the pool of a rig may use.
func (w *rig) ports() (all []netip.AddrPort) {
	for port := uint16(20000); port <= 20019; port++ {
		all = append(all, netip.AddrPortFrom(netip.MustParseAddr(w.place(relayIP)), port))
	}
	return all
}

// sprayed: whoever sends to every port, during set-up and in the call, gets
// nothing and costs the parties nothing.
func sprayed(t *testing.T, w *rig, src media.Source) {
	tap := newListener(t)
	w.relay.Tap(tap)
	thief := w.at(thiefIP, 4000, 3000)
	spray := func() {
		pkt := thief.tone.Next()
		for _, to := range w.ports() {
			shoot(thief.rtp, pkt, to)
			shoot(thief.rtcp, report(), to)
		}
	}
	spray()
	w.offer(src)
	spray()
	w.answer(w.callee, src)
	for i := range 16 {
		if i == 8 { // where it can be, the rest passes below us
			w.offload(2)
		}
		spray()
		w.sing(w.caller, 1)
		w.sing(w.callee, 1)
	}
	if a, b := w.caller.await(16), w.callee.await(16); a != 16 || b != 16 {
		t.Errorf("caller got %d, callee %d", a, b)
	}
	if n := thief.rtp.Waiting() + thief.rtcp.Waiting(); n != 0 {
		t.Errorf("the thief got %d packets", n)
	}
	if d := w.relay.Close().Callee.Drops[media.DropSource]; d < 16 {
		t.Errorf("%d dropped for their source", d)
	}
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if p := mediatest.Goertzel(tap.sound(side), mediatest.Rate, 3000); p > 0.001 {
			t.Errorf("%.4f of the %s in the tap is the thief's", p, side)
		}
	}
}

func sprayStrict(t *testing.T, w *rig) { sprayed(t, w, media.Source{}) }

func sprayLatch(t *testing.T, w *rig) {
	sprayed(t, w, media.Source{Rule: media.Latch, Allow: w.within("10.0.0.0/14")})
}

func injected(t *testing.T, w *rig) {
	tap := newListener(t)
	w.connect(media.Source{}, media.Source{})
	w.relay.Tap(tap)
	thief := w.at(thiefIP, 4000, 3000)
	thief.ours = w.caller.ours
	for i := range 40 {
		if i == 5 {
			w.offload(1)
		}
		thief.tone.SSRC, thief.tone.Seq, thief.tone.TS = w.caller.tone.SSRC, w.caller.tone.Seq, w.caller.tone.TS
		w.sing(thief, 1)
		w.sing(w.caller, 1)
	}
	heard, err := mediatest.Hear(w.callee.rtp.Drain())
	if err != nil {
		t.Fatal(err)
	}
	f := w.relay.Close().Caller
	for name, sound := range map[string][]int16{"callee": heard, "tap": tap.sound(media.Caller)} {
		if mine, his := mediatest.Goertzel(sound, mediatest.Rate, 440), mediatest.Goertzel(sound, mediatest.Rate, 3000); mine < 0.99 || his > 0.001 {
			t.Errorf("%s hears %.3f of the caller, %.4f of the thief", name, mine, his)
		}
	}
	wantDrops(t, f, map[media.Drop]uint64{media.DropSource: 40})
}

// malformedFlood: what is no RTP, from the party's own place and from elsewhere,
// costs the party nothing.
func malformedFlood(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.callee, 2)
	w.offload(1)
	drain(w.caller)
	thief := w.at(thiefIP, 4000, 3000)
	bad := [][]byte{{}, {0x80}, fixed(0x8f, 0, 'c'), fixed(0x90, 0, 0, 0, 255, 255), fixed(0xa0, 0, 200), {0x81, 205, 0, 9, 1, 2}}
	for range 20 {
		for _, b := range bad {
			w.callee.rtp.WriteToUDPAddrPort(b, w.callee.ours)
			w.callee.rtcp.WriteToUDPAddrPort(b, w.callee.ours0(1))
			thief.rtp.WriteToUDPAddrPort(b, w.callee.ours)
		}
		w.sing(w.callee, 1)
	}
	if n := w.caller.rtp.Waiting() + w.caller.rtcp.Waiting(); n != 20 {
		t.Errorf("the caller got %d packets, 20 were sound", n)
	}
	wantDrops(t, w.relay.Close().Callee, map[media.Drop]uint64{media.DropMalformed: 240, media.DropSource: 120})
}
