//go:build netns && linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// stream sends RTP packets to a flow within this machine, without a network.
type stream struct {
	t *testing.T
	e *Engine
	f Flow
}

func newStream(t *testing.T, c Config, change func(*Flow)) *stream {
	c.Interfaces = []string{"lo"}
	s := &stream{t, open(t, c), local("127.0.0.1")}
	if change != nil {
		change(&s.f)
	}
	set(t, s.e, s.f)
	return s
}

// packet sends one, and reports whether it was forwarded.
func (s *stream) packet(pt uint8, seq uint16, ts, ssrc uint32) bool {
	s.t.Helper()
	return s.from(s.f, rtp(pt, seq, ts, ssrc)) == forwarded
}

type outcome int

const (
	up outcome = iota
	dropped
	forwarded
)

func (s *stream) from(f Flow, payload []byte) outcome {
	s.t.Helper()
	in := newFrame(noMAC, f.From, f.In, payload).raw
	verdict, out := run(s.t, s.e.program.Ether, in)
	switch {
	case verdict == 2: // TC_ACT_SHOT
		return dropped
	case verdict != next:
		s.t.Fatalf("verdict %d", int32(verdict))
	case bytes.Equal(in, out):
		return up
	}
	return forwarded
}

func (s *stream) counts() (c Counts) {
	s.e.Read(func(_ uint64, got Counts) { c = got })
	return c
}

// TestSequenceNumbers: streams with loss, duplicates, packets out of order and
// wraps are counted as who knows them whole would.
func TestSequenceNumbers(t *testing.T) {
	for round := range uint64(20) {
		chance := rand.New(rand.NewPCG(3550, round))
		s := newStream(t, Config{}, nil)
		var sent []int // in the order of their arrival
		for n, next := 0, 60_000; n < 3000; n++ {
			next++
			for chance.UintN(20) == 0 {
				next += 1 + chance.IntN(20) // lost
			}
			sent = append(sent, next)
			if chance.UintN(30) == 0 {
				sent = append(sent, next)
			}
		}
		for i := 1; i < len(sent); i++ { // after the first
			if j := i + chance.IntN(4); chance.UintN(10) == 0 && j < len(sent) {
				sent[i], sent[j] = sent[j], sent[i]
			}
		}
		var want Counts
		seen, least, most := map[int]bool{}, sent[0], sent[0]
		for _, n := range sent {
			if !s.packet(8, uint16(n), uint32(n*160), 1) {
				t.Fatal("a packet was not forwarded")
			}
			switch {
			case seen[n]:
				want.Duplicates++
			case n < most:
				want.Reordered++
			}
			seen[n] = true
			least, most = min(least, n), max(most, n)
		}
		want.Expected, want.Unique = uint64(most-least+1), uint64(len(seen))
		got := s.counts()
		if got.Expected != want.Expected || got.Unique != want.Unique || got.Duplicates != want.Duplicates || got.Reordered != want.Reordered {
			t.Fatalf("round %d:\ngot  %+v\nwant %+v", round, got, want)
		}
		if got.Packets != uint64(len(sent)) || got.Highest != uint32(most) || got.Begin != uint16(sent[0]) || got.Foreign != 0 {
			t.Fatalf("round %d: %+v, highest is %d", round, got, most)
		}
		s.e.Close()
	}
}

// TestLeaps: what RFC 3550 A.1 says of sequences that begin anew, and sources
// that follow one another.
func TestLeaps(t *testing.T) {
	type p struct {
		seq  uint16
		ssrc uint32
	}
	for _, c := range []struct {
		name    string
		packets []p
		want    Counts
	}{
		{"lost but not anew", []p{{1, 1}, {2999, 1}}, Counts{Expected: 2999, Unique: 2, Highest: 2999}},
		{"one that leads nowhere", []p{{1, 1}, {5000, 1}, {2, 1}}, Counts{Expected: 2, Unique: 2, Highest: 2}},
		{"begun anew", []p{{1, 1}, {5000, 1}, {5001, 1}, {5002, 1}}, Counts{Expected: 3, Unique: 3, Highest: 5002}},
		{"two that lead nowhere", []p{{1, 1}, {5000, 1}, {2, 1}, {5001, 1}, {3, 1}}, Counts{Expected: 3, Unique: 3, Highest: 3}},
		{"begun anew at the wrap", []p{{1, 1}, {65535, 1}, {40000, 1}, {40001, 1}}, Counts{Expected: 4, Unique: 3, Highest: 40001, Reordered: 1}},
		{"before the first", []p{{10, 1}, {9, 1}, {8, 1}, {11, 1}}, Counts{Expected: 4, Unique: 4, Reordered: 2, Highest: 11}},
		{"another source", []p{{1, 1}, {2, 1}, {700, 2}, {701, 2}, {702, 2}}, Counts{Expected: 5, Unique: 5, Highest: 702}},
		{"a second one beside it", []p{{1, 1}, {700, 2}, {2, 1}, {701, 2}, {3, 1}}, Counts{Expected: 3, Unique: 3, Foreign: 2, Highest: 3}},
		{"two more beside it", []p{{1, 1}, {700, 2}, {900, 3}, {2, 1}}, Counts{Expected: 2, Unique: 2, Foreign: 2, Highest: 2}},
		{"wrapped", []p{{65534, 1}, {65535, 1}, {0, 1}, {1, 1}}, Counts{Expected: 4, Unique: 4, Highest: 65537}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(t, Config{}, nil)
			for _, p := range c.packets {
				s.packet(8, p.seq, 0, p.ssrc)
			}
			got := s.counts()
			if got.Expected != c.want.Expected || got.Unique != c.want.Unique || got.Duplicates != 0 ||
				got.Reordered != c.want.Reordered || got.Foreign != c.want.Foreign || got.Highest != c.want.Highest {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if last := c.packets[len(c.packets)-1]; c.want.Foreign == 0 && got.SSRC != last.ssrc {
				t.Errorf("follows %d, not %d", got.SSRC, last.ssrc)
			}
		})
	}
}

// TestNewSourceIsNoJitter: who begins anew has another clock.
func TestNewSourceIsNoJitter(t *testing.T) {
	for name, next := range map[string]struct {
		seq  uint16
		ssrc uint32
	}{"a leap": {30_000, 1}, "another source": {100, 2}} {
		s := newStream(t, Config{}, nil)
		for n := range uint16(10) {
			s.packet(8, n, 0, 1)
		}
		for n := range uint16(10) {
			s.packet(8, next.seq+n, 8000, next.ssrc) // a second ahead
		}
		if c := s.counts(); c.Jitter > 100 || c.Highest != uint32(next.seq)+9 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestJitter compares with RFC 3550 A.8, computed from the arrivals that the ring tells.
func TestJitter(t *testing.T) {
	s := newStream(t, Config{Tap: func(uint64, time.Time, []byte) {}}, func(f *Flow) { f.Copy = true })
	s.e.draining.Lock() // the ring is ours to read
	defer s.e.draining.Unlock()
	chance := rand.New(rand.NewPCG(8, 8))
	ts := uint32(1<<32 - 4000) // wraps
	for n := range uint16(200) {
		ts += 160
		if n == 100 {
			ts += 8000 * 60 // its clock leapt
		}
		pt := uint8(8)
		if n%10 == 9 {
			pt = 101 // whose timestamp stands still
		}
		s.packet(pt, n, ts, 1)
		for end := time.Now().Add(time.Duration(chance.UintN(100)) * time.Microsecond); time.Now().Before(end); {
		}
	}
	var jitter float64
	var before int64
	first, n := true, 0
	s.e.ring.drain(func(record []byte) {
		n++
		pkt := record[recordHeader:]
		if pkt[1]&127 == 101 {
			return
		}
		transit := int64(binary.NativeEndian.Uint64(record[8:])/1000*8000/1_000_000) - int64(binary.BigEndian.Uint32(pkt[4:]))
		d := int64(int32(transit - before))
		before = transit
		if d < 0 {
			d = -d
		}
		if !first && d <= 16000 {
			jitter += (float64(d) - jitter) / 16
		}
		first = false
	})
	got := s.counts().Jitter
	if n != 200 || jitter < 10 || got < jitter-1 || got > jitter+1 {
		t.Errorf("jitter %.2f over %d packets, want %.2f", got, n, jitter)
	}
}
