//go:build netns && linux

package kernel

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWrongSource(t *testing.T) {
	for _, only := range []bool{false, true} {
		s := newStream(t, Config{}, func(f *Flow) { f.Only = only })
		stranger := s.f
		for _, from := range []string{"127.0.0.1:4001", "127.0.0.2:4000"} {
			stranger.From = at(from)
			want := up
			if only {
				want = dropped
			}
			for _, payload := range [][]byte{rtp(8, 1, 2, 3), []byte("no RTP")} {
				if got := s.from(stranger, payload); got != want {
					t.Errorf("only %v: from %s: %v", only, from, got)
				}
			}
		}
		c := s.counts()
		if want := [2]uint64{4, 0}; !only && [2]uint64{c.UpSource, c.Source} != want || only && [2]uint64{c.Source, c.UpSource} != want {
			t.Errorf("only %v: %+v", only, c)
		}
		if c.Packets != 0 || !c.Last.IsZero() {
			t.Errorf("a stranger's packets count: %+v", c)
		}
	}
}

// TestUp: what is not the flow's own RTP comes up, and is counted by its reason.
func TestUp(t *testing.T) {
	s := newStream(t, Config{}, nil)
	rtcp := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
	report := append([]byte{0x80, 200, 0, 6}, make([]byte, 24)...)
	stun := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	dtls := append([]byte{22, 0xfe, 0xfd}, make([]byte, 60)...)
	for name, p := range map[string][]byte{"receiver report": rtcp, "sender report": report, "STUN": stun, "DTLS": dtls, "nothing": nil} {
		if got := s.from(s.f, p); got != up {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := s.from(s.f, rtp(111, 1, 2, 3)); got != up {
		t.Errorf("a payload type that was not agreed on: %v", got)
	}
	if got := s.from(s.f, rtp(101|128, 1, 2, 3)); got != forwarded {
		t.Errorf("an event with its marker: %v", got)
	}
	elsewhere := s.f
	elsewhere.In = at("127.0.0.1:20001")
	if got := s.from(elsewhere, rtp(8, 1, 2, 3)); got != up {
		t.Errorf("to another port: %v", got)
	}
	elsewhere.In = at("127.0.0.2:20000")
	if got := s.from(elsewhere, rtp(8, 1, 2, 3)); got != up {
		t.Errorf("to another address: %v", got)
	}
	if c := s.counts(); c.UpForm != 5 || c.UpType != 1 || c.Packets != 1 || c.UpSource+c.UpWay != 0 {
		t.Errorf("%+v", c)
	}
}

// TestOldSlot: a packet that found the slot of its flow just before another flow
// got it is not taken for the other's.
func TestOldSlot(t *testing.T) {
	s := newStream(t, Config{}, nil)
	old := s.f
	old.In = at("127.0.0.1:20010")
	must(s.e.program.Ports.Put(placeOf(old.In), s.e.flows[s.f.In].slot))
	if got := s.from(old, rtp(8, 1, 2, 3)); got != up {
		t.Errorf("%v", got)
	}
	if c := s.counts(); c.Packets != 0 {
		t.Errorf("%+v", c)
	}
}

// TestRate: a burst passes, then what the cap lets through, as in media/relay.
func TestRate(t *testing.T) {
	s := newStream(t, Config{}, func(f *Flow) { f.Every, f.Burst = time.Hour, 5 })
	for n := range uint16(8) { // five, and one for the little that has leaked
		if got := s.packet(8, n, 0, 1); got != (n < 6) {
			t.Errorf("packet %d: %v", n, got)
		}
	}
	if c := s.counts(); c.Packets != 6 || c.Rate != 2 || c.Expected != 6 {
		t.Errorf("%+v", c)
	}
	s.f.Every = time.Microsecond // the bucket of before is full for hours
	s.f.Burst = math.MaxInt32
	set(t, s.e, s.f)
	if s.packet(8, 9, 0, 1) {
		t.Error("another rule emptied the bucket")
	}
}

// TestReplace: the counts of a flow end with it, what it knew of the source goes on.
func TestReplace(t *testing.T) {
	s := newStream(t, Config{}, nil)
	for n := range uint16(10) {
		s.packet(8, n, 0, 1)
	}
	next := s.f
	next.Tag, next.To = 8, at("127.0.0.1:5002")
	if before := set(t, s.e, next); before.Packets != 10 || before.Expected != 10 {
		t.Errorf("before %+v", before)
	}
	s.packet(8, 11, 0, 1) // 10 is lost
	s.packet(8, 9, 0, 1)  // again
	if c := s.counts(); c.Packets != 2 || c.Expected != 2 || c.Lost() != 1 || c.Duplicates != 1 || c.Highest != 11 || c.Begin != 0 {
		t.Errorf("after %+v", c)
	}
	if before := set(t, s.e, s.f); before.Packets != 2 {
		t.Errorf("before %+v", before)
	}
	if c := s.counts(); c.Packets+c.Expected+c.Duplicates != 0 || !c.Last.IsZero() {
		t.Errorf("counts of the flow before the last are there again: %+v", c)
	}
	if _, ok := s.e.Remove(s.f.In); !ok {
		t.Error("not removed")
	}
	if _, ok := s.e.Remove(s.f.In); ok {
		t.Error("removed twice")
	}
	if s.packet(8, 12, 0, 1) {
		t.Error("forwarded without a flow")
	}
	set(t, s.e, s.f)
	if c := s.counts(); c.Highest != 0 || c.SSRC != 0 {
		t.Errorf("a new flow remembers the slot's last: %+v", c)
	}
}

func TestFull(t *testing.T) {
	e := open(t, Config{Interfaces: []string{"lo"}, Flows: 3})
	f := local("127.0.0.1")
	var in []netip.AddrPort
	for n := range uint16(3) {
		f.In = netip.AddrPortFrom(f.In.Addr(), 30000+n)
		in = append(in, f.In)
		set(t, e, f)
	}
	f.In = at("127.0.0.1:30003")
	if _, err := e.Set(f); !errors.Is(err, ErrFull) {
		t.Errorf("a fourth flow: %v", err)
	}
	for range 100 { // slots come back
		e.Remove(in[0])
		f.In = in[0]
		set(t, e, f)
	}
	if s := e.Stats(); s.Flows != 3 || len(s.Interfaces) != 1 || s.Interfaces[0] != "lo" {
		t.Errorf("%+v", s)
	}
	f.Copy = true
	if _, err := e.Set(f); err == nil {
		t.Error("copies for nobody were accepted")
	}
	e.Close()
	if _, err := e.Set(f); err == nil {
		t.Error("a closed engine took a flow")
	}
	e.Read(func(uint64, Counts) { t.Error("a closed engine has counts") })
	e.Drain()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestRingFull: copies are lost and counted, packets are not lost.
func TestRingFull(t *testing.T) {
	var got atomic.Int64
	s := newStream(t, Config{RingBytes: 4096, Tap: func(uint64, time.Time, []byte) { got.Add(1) }},
		func(f *Flow) { f.Copy = true })
	s.e.draining.Lock()
	for n := range uint16(100) {
		if !s.packet(8, n, 0, 1) {
			t.Fatal("a packet was lost for its copy")
		}
	}
	c := s.counts()
	s.e.draining.Unlock()
	s.e.Drain()
	if c.Packets != 100 || c.Uncopied == 0 || int64(c.Uncopied)+got.Load() != 100 {
		t.Errorf("%d copies, counts %+v", got.Load(), c)
	}
	total := func(after string) {
		if n := s.e.Stats().Uncopied; n != c.Uncopied {
			t.Errorf("%s: in total %d copies were lost, want %d", after, n, c.Uncopied)
		}
	}
	set(t, s.e, s.f)
	total("replaced")
	s.e.Remove(s.f.In)
	total("removed")
	set(t, s.e, s.f)
	if s.packet(8, 1, 0, 1); s.counts().Uncopied != 0 {
		t.Error("the drained ring takes nothing")
	}
}

// TestCopies: whole, in order, of every length, and a tap that panics loses one.
func TestCopies(t *testing.T) {
	type one struct {
		tag uint64
		pkt []byte
	}
	var mu sync.Mutex
	var got []one
	s := newStream(t, Config{RingBytes: 1 << 22, Tap: func(tag uint64, _ time.Time, pkt []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, one{tag, bytes.Clone(pkt)})
		if len(got) == 100 {
			panic("on purpose")
		}
	}}, func(f *Flow) { f.Copy = true })
	var want [][]byte
	for n := 12; n <= Longest; n++ {
		p := append(rtp(8, uint16(n), 1, 2), make([]byte, Longest)...)[:n]
		if n%2 == 1 {
			p[1] |= 128
		}
		want = append(want, p)
		if s.from(s.f, p) != forwarded {
			t.Fatalf("%d bytes were not forwarded", n)
		}
	}
	s.e.Drain()
	mu.Lock()
	defer mu.Unlock()
	if len(got) != len(want) || s.e.Stats().Panics != 1 {
		t.Fatalf("%d copies of %d, %d panics", len(got), len(want), s.e.Stats().Panics)
	}
	for i := range got {
		if got[i].tag != s.f.Tag || !bytes.Equal(got[i].pkt, want[i]) {
			t.Fatalf("copy %d: %x, want %x", i, got[i].pkt, want[i])
		}
	}
}

// TestRingGoesRound: copies across the end of the ring, at every offset.
func TestRingGoesRound(t *testing.T) {
	var got []byte
	s := newStream(t, Config{RingBytes: 4096, Tap: func(_ uint64, _ time.Time, pkt []byte) { got = append(got, pkt...) }},
		func(f *Flow) { f.Copy = true })
	for round := range 500 {
		var want []byte
		for n := range 3 {
			p := append(rtp(8, uint16(3*round+n), 1, 2), make([]byte, Longest)...)[:12+(round*37+n*401)%1100]
			want = append(want, p...)
			if s.from(s.f, p) != forwarded {
				t.Fatal("a packet was not forwarded")
			}
		}
		s.e.Drain()
		s.e.draining.Lock()
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: %d bytes, want %d", round, len(got), len(want))
		}
		got = got[:0]
		s.e.draining.Unlock()
	}
	if c := s.counts(); c.Uncopied != 0 {
		t.Errorf("%d copies were lost", c.Uncopied)
	}
}

// TestPump: copies come by themselves, also when flows with copies come and go.
func TestPump(t *testing.T) {
	heard := make(chan uint64, 10)
	s := newStream(t, Config{Tap: func(tag uint64, _ time.Time, _ []byte) { heard <- tag }}, nil)
	for tag := range uint64(3) {
		s.f.Tag, s.f.Copy = tag, true
		set(t, s.e, s.f)
		s.packet(8, uint16(tag), 0, 1)
		select {
		case got := <-heard:
			if got != tag {
				t.Errorf("copy of flow %d, want %d", got, tag)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no copy came")
		}
		s.f.Copy = false
		set(t, s.e, s.f)
		s.packet(8, 100+uint16(tag), 0, 1)
	}
	s.e.Close()
	if len(heard) != 0 {
		t.Error("copies that nobody wanted")
	}
}

// TestNoAllocation: reading a node's counters and setting flows makes little garbage.
func TestNoAllocation(t *testing.T) {
	s := newStream(t, Config{}, nil)
	each := func(uint64, Counts) {}
	s.e.Read(each)
	if n := testing.AllocsPerRun(100, func() { s.e.Read(each) }); n != 0 {
		t.Errorf("Read allocates %v times", n)
	}
	s.e.Drain()
	if n := testing.AllocsPerRun(100, s.e.Drain); n != 0 {
		t.Errorf("Drain allocates %v times", n)
	}
}

// TestAtOnce: all at the same time, for the race detector.
func TestAtOnce(t *testing.T) {
	var copies atomic.Uint64
	s := newStream(t, Config{RingBytes: 1 << 22, Tap: func(uint64, time.Time, []byte) { copies.Add(1) }},
		func(f *Flow) { f.Copy = true })
	var done sync.WaitGroup
	var sum Counts
	stop := make(chan struct{})
	done.Go(func() { // every packet is counted in exactly one of the flows
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			f := s.f
			f.Tag = n
			before, err := s.e.Set(f)
			if err != nil {
				t.Error(err)
				return
			}
			sum.Packets += before.Packets
			sum.Expected += before.Expected
			sum.Uncopied += before.Uncopied
		}
	})
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.e.Read(func(uint64, Counts) {})
				s.e.Drain()
				s.e.Stats()
			}
		}
	})
	const n = 5000
	for i := range n {
		if !s.packet(8, uint16(i), 0, 1) {
			t.Error("a packet was not forwarded")
			break
		}
	}
	close(stop)
	done.Wait()
	last, _ := s.e.Remove(s.f.In)
	s.e.Drain()
	if got := sum.Packets + last.Packets; got != n || sum.Expected+last.Expected != n {
		t.Errorf("%d packets and %d expected over all flows, want %d", got, sum.Expected+last.Expected, n)
	}
	if lost := s.e.Stats().Uncopied; copies.Load()+lost != n {
		t.Errorf("%d copies and %d lost ones of %d", copies.Load(), lost, n)
	}
}
