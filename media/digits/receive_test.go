package digits

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"ringdown/media"
)

// wire is one telephone-event packet on its way.
type wire struct {
	Arrival
	payload []byte
}

func block(e media.Digit, end bool, duration uint16) []byte {
	var b [4]byte
	Block{Digit: e, End: end, Volume: 10, Duration: duration}.Put(&b)
	return b[:]
}

// typist is a sender that does as RFC 4733 says: a packet every 20 ms, three ends.
type typist struct {
	seq uint16
	ts  uint32
	at  int64
}

func (t *typist) press(e media.Digit, packets int) (out []wire) {
	t.seq += 7 // audio went between
	t.ts += 1600
	for i := 1; i <= packets+2; i++ {
		n := min(i, packets)
		t.seq++
		t.at += int64(20 * time.Millisecond)
		out = append(out, wire{Arrival{t.seq, t.ts, 1, i == 1, t.at}, block(e, n == packets, uint16(160*n))})
	}
	t.ts += uint32(160 * packets)
	t.at += int64(80 * time.Millisecond)
	return out
}

// heard is what a receiver makes of packets, as "5" for a beginning, "." for an end.
func heard(t rapid.TB, packets []wire) string {
	t.Helper()
	var r Receiver
	var s strings.Builder
	said := func(changes []Change) {
		for _, c := range changes {
			if c.Ended {
				s.WriteByte('.')
			} else if k, ok := c.Digit.Key(); ok {
				s.WriteByte(k)
			} else {
				s.WriteString("<" + c.Digit.String() + ">")
			}
		}
	}
	last := int64(0)
	for _, p := range packets {
		changes, ok := r.Packet(nil, p.Arrival, 8000, p.payload)
		if !ok {
			t.Fatalf("payload % x is refused", p.payload)
		}
		said(changes)
		last = max(last, p.At)
	}
	said(r.Tick(nil, last+int64(time.Second)))
	if r.Open() {
		t.Error("a press is open a second after its last packet")
	}
	return s.String()
}

func TestPressIsHeardOnce(t *testing.T) {
	two := func(change func(all []wire) []wire) []wire {
		ty := typist{seq: 65530, ts: 0xFFFFF000}
		return change(append(ty.press(5, 5), ty.press(5, 5)...))
	}
	for name, c := range map[string]struct {
		packets []wire
		want    string
	}{
		"as it should be": {two(func(w []wire) []wire { return w }), "5.5."},
		"without markers": {two(func(w []wire) []wire {
			for i := range w {
				w[i].Marker = false
			}
			return w
		}), "5.5."},
		"first packets lost":        {two(func(w []wire) []wire { return append(w[2:7:7], w[9:]...) }), "5.5."},
		"ends lost":                 {two(func(w []wire) []wire { return append(w[:4:4], w[7:11]...) }), "5.5."},
		"end and beginning lost":    {two(func(w []wire) []wire { return append(w[:4:4], w[9:12]...) }), "5.5."},
		"only one end of each left": {two(func(w []wire) []wire { return []wire{w[6], w[13]} }), "5.5."},
		"everything twice": {two(func(w []wire) (out []wire) {
			for _, p := range w {
				out = append(out, p, p)
			}
			return out
		}), "5.5."},
		"a late end behind the next press": {two(func(w []wire) []wire {
			w[6], w[7], w[8] = w[7], w[8], w[6]
			return w
		}), "5.5."},
		"beginning after its second packet": {two(func(w []wire) []wire { w[0], w[1] = w[1], w[0]; return w }), "5.5."},
		"volume is anything": {two(func(w []wire) []wire {
			for i := range w {
				w[i].payload[1] |= byte(i*9) & 0x7f
			}
			return w
		}), "5.5."},
		"timestamp goes on with each packet": {two(func(w []wire) []wire {
			for i := range w {
				w[i].TS += uint32(160 * (i % 7))
				w[i].Marker = false
			}
			return w
		}), "5.5."},
		"timestamp stands still": {two(func(w []wire) []wire {
			for i := range w {
				w[i].TS = 99
			}
			return w
		}), "5.5."},
		"source changes in the middle": {two(func(w []wire) []wire {
			for i := 3; i < len(w); i++ {
				w[i].SSRC, w[i].Seq = 7, w[i].Seq-20000
			}
			return w
		}), "5.5."},
		"durations of zero": {two(func(w []wire) []wire {
			for i := range w {
				w[i].payload[2], w[i].payload[3] = 0, 0
			}
			return w
		}), "5.5."},
		"no pause between different keys": {func() []wire {
			ty := typist{}
			all := append(ty.press(1, 5)[:4], ty.press(2, 5)[:4]...)
			return append(all, ty.press(media.Pound, 3)...)
		}(), "1.2.#."},
		"two presses in a packet": {[]wire{
			{Arrival{1, 800, 1, true, 0}, append(block(4, true, 400), block(2, true, 400)...)},
			{Arrival{2, 800, 1, false, 0}, append(block(4, true, 400), block(2, true, 400)...)},
		}, "4.2."},
		"bytes behind": {[]wire{{Arrival{1, 800, 1, true, 0}, append(block(4, true, 400), 1, 2)}}, "4."},
		"flash and fax": {[]wire{
			{Arrival{1, 800, 1, true, 0}, block(media.Flash, true, 400)},
			{Arrival{2, 8000, 1, true, 9e8}, block(media.CNG, true, 4000)},
			{Arrival{3, 16000, 1, true, 19e8}, block(media.CED, true, 4000)},
			{Arrival{4, 24000, 1, true, 29e8}, block(200, true, 4000)},
		}, "<flash>.<fax>.<fax>.<other>."},
	} {
		if got := heard(t, c.packets); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestLongPress: a press longer than sixteen bits, in segments as RFC 4733
// 2.5.1.3 asks for and with a duration that just wraps, is one press of its length.
func TestLongPress(t *testing.T) {
	for name, segments := range map[string]bool{"segments": true, "wraps": false} {
		var r Receiver
		var all []Change
		ts, seq := uint32(0xFFFFFFF0), uint16(0)
		for total := 160; total <= 150*1000; total += 160 { // 18.75 s
			a := Arrival{seq, ts, 1, seq == 0, int64(total) * 125000}
			d := total
			if segments {
				a.TS, d = ts+uint32(total/0xFFFF*0xFFFF), total%0xFFFF
			}
			if seq++; seq%10 == 5 {
				continue // lost
			}
			all, _ = r.Packet(all, a, 8000, block(7, total+160 > 150*1000, uint16(d)))
		}
		if len(all) != 2 || all[0].Ended || !all[1].Ended {
			t.Fatalf("%s: %v", name, all)
		}
		if d := all[1].Duration; d < 18700*time.Millisecond || d > 18800*time.Millisecond {
			t.Errorf("%s: lasts %v, want 18.75 s", name, d)
		}
	}
}

// TestAnyLoss: whatever is lost, doubled or late by a packet or two, each press
// of which anything arrives is told once and in order.
func TestAnyLoss(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ty := typist{seq: uint16(rapid.IntRange(0, 65535).Draw(rt, "seq")), ts: rapid.Uint32().Draw(rt, "ts")}
		var packets []wire
		var want strings.Builder
		for range rapid.IntRange(1, 12).Draw(rt, "presses") {
			e := media.Digit(rapid.IntRange(0, 15).Draw(rt, "key"))
			left := false
			for _, p := range ty.press(e, rapid.IntRange(2, 20).Draw(rt, "packets")) {
				switch rapid.IntRange(0, 5).Draw(rt, "fate") {
				case 0, 1: // lost
				case 2:
					packets, left = append(packets, p, p), true
				default:
					packets, left = append(packets, p), true
				}
			}
			if left {
				k, _ := e.Key()
				want.WriteByte(k)
				want.WriteByte('.')
			}
		}
		// Neighbours of one press may change places.
		for i := 1; i < len(packets); i++ {
			if packets[i].TS == packets[i-1].TS && rapid.IntRange(0, 4).Draw(rt, "swap") == 0 {
				packets[i], packets[i-1] = packets[i-1], packets[i]
			}
		}
		if got := heard(rt, packets); got != want.String() {
			rt.Errorf("heard %q, pressed %q", got, want.String())
		}
	})
}

func FuzzReceiver(f *testing.F) {
	f.Add([]byte{5, 10, 0, 160, 5, 0x8a, 1, 64})
	f.Add(append(block(1, true, 100), block(1, true, 100)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Receiver
		open := false
		check := func(changes []Change) {
			for _, c := range changes {
				if c.Ended != open {
					t.Fatal("an end without its beginning, or two beginnings")
				}
				if open = !open; c.Duration < 0 {
					t.Fatal("a press lasts less than no time")
				}
			}
		}
		for i := 0; len(data) >= 8; i++ {
			a := Arrival{binary.BigEndian.Uint16(data), uint32(data[2]) * 100, uint32(data[3] & 1), data[3]&2 != 0, int64(i) * 1e7}
			n := min(4+int(data[3])%9, len(data))
			changes, _ := r.Packet(nil, a, int(data[2])*100, data[4:n])
			check(changes)
			data = data[n:]
		}
		check(r.Tick(nil, 1<<60))
		if open {
			t.Fatal("a press never ends")
		}
	})
}

func TestReceiverAllocatesNothing(t *testing.T) {
	ty := typist{}
	packets := ty.press(3, 10)
	var r Receiver
	var buf [8]Change
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range packets {
			r.Packet(buf[:0], p.Arrival, 8000, p.payload)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
