package relay

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// packetOf makes a packet of twelve bytes for the tests of voice.
func packetOf(ssrc uint32, seq uint16, ts uint32, at int64) *packet {
	b := make([]byte, 12)
	b[0] = 2 << 6
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	h, _ := parseRTP(b)
	return &packet{buf: b, header: h, at: at}
}

// However their packets and ours follow each other, with losses, reordering and
// repetitions of theirs: no two different packets have one number, the order of
// numbers is that of timestamps, and nothing changes while nothing of ours came between.
func TestVoiceIsOneStream(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var v voice
		type place struct{ seq, origin uint16 }
		seen := map[uint16]place{} // by number sent; origin: their own number, or 0 for ours
		ts := map[uint16]uint32{}
		seq, clock := rapid.Uint16().Draw(r, "seq"), rapid.Uint32().Draw(r, "ts")
		at, touched := int64(time.Second), false
		lead := packetOf(7, seq, clock, at)
		v.pass(lead, 8000)
		first := seq
		seen[seq], ts[seq] = place{seq, seq}, clock
		for i := range rapid.IntRange(1, 80).Draw(r, "steps") {
			at += frameTime
			seq++
			clock += 160
			switch rapid.SampledFrom([]string{"theirs", "theirs", "theirs", "ours", "ours", "lost", "late"}).Draw(r, "what") {
			case "ours":
				touched = true
				h := v.ours(0, 160, at, 8000, rapid.Bool().Draw(r, "begins"))
				if h.ssrc != 7 {
					r.Fatalf("step %d: ours has SSRC %d", i, h.ssrc)
				}
				if was, twice := seen[h.seq]; twice {
					r.Fatalf("step %d: number %d of ours was %+v", i, h.seq, was)
				}
				seen[h.seq], ts[h.seq] = place{seq: h.seq}, h.ts
			case "theirs", "late":
				n, c := seq, clock
				back := uint16(0)
				if i > 0 && rapid.Bool().Draw(r, "behind") {
					back = uint16(rapid.IntRange(1, 5).Draw(r, "by"))
				}
				if n-back-first > 60000 {
					back = 0
				}
				n, c = n-back, c-160*uint32(back)
				p := packetOf(7, n, c, at)
				if !v.pass(p, 8000) {
					continue
				}
				h, _ := parseRTP(p.buf)
				if h != p.header {
					r.Fatalf("step %d: header and packet differ: %+v %+v", i, h, p.header)
				}
				if !touched && (h.seq != n || h.ts != c) {
					r.Fatalf("step %d: changed without cause", i)
				}
				if was, twice := seen[h.seq]; twice && was.origin != n {
					r.Fatalf("step %d: number %d is %+v and their %d", i, h.seq, was, n)
				}
				seen[h.seq], ts[h.seq] = place{h.seq, n}, h.ts
			}
		}
		for n, t1 := range ts {
			for m, t2 := range ts {
				if int16(n-m) > 0 && int32(t1-t2) <= 0 {
					r.Fatalf("number %d is after %d, its timestamp %d not after %d", n, m, t1, t2)
				}
			}
		}
	})
}

func TestVoiceMeetsANewSource(t *testing.T) {
	var v voice
	h := v.ours(0, 160, 0, 8000, false)
	if !h.marker || !v.mine || !v.passive() {
		t.Errorf("the first of ours: %+v", h)
	}
	if n := v.ours(0, 160, frameTime, 8000, false); n.ssrc != h.ssrc || n.seq != h.seq+1 || n.ts != h.ts+160 || n.marker {
		t.Errorf("the second: %+v behind %+v", n, h)
	}
	p := packetOf(9, 100, 5000, 2*frameTime)
	if !v.pass(p, 8000) || p.header.ssrc != 9 || p.header.seq != 100 || !v.passive() {
		t.Errorf("theirs behind ours of our own source: %+v", p.header)
	}
	v.ours(0, 160, 3*frameTime, 8000, true)
	p = packetOf(9, 101, 5160, 10*frameTime)
	if !v.pass(p, 8000) || p.header.seq != 102 || p.header.ts != 5000+8*160 || !p.header.marker || v.passive() {
		t.Errorf("theirs behind ours: %+v", p.header)
	}
	if p = packetOf(9, 100, 5000, 10*frameTime); v.pass(p, 8000) {
		t.Errorf("a late one took the place of ours: %+v", p.header)
	}
	if p = packetOf(10, 3, 77, 11*frameTime); !v.pass(p, 8000) || p.header.seq != 3 || p.header.ts != 77 || !v.passive() {
		t.Errorf("another source: %+v", p.header)
	}
}
