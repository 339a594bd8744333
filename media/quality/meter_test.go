package quality

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zaf/g711"

	"ringdown/media"
)

var pcmu = []media.Format{{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {PT: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}}

// sender speaks PCMU to a meter, 20 ms a packet.
type sender struct {
	m    Meter
	seq  uint16
	ts   uint32
	ssrc uint32
	at   time.Duration
	hear []byte
}

func newSender(seq uint16) *sender {
	s := &sender{seq: seq, ts: 0xffffff00, ssrc: 7, at: time.Second, hear: make([]byte, 160)}
	s.m.Formats(pcmu)
	return s
}

// send gives the meter the next packet, so much later than it was due.
func (s *sender) send(late time.Duration) {
	s.m.Packet(int64(s.at+late), 0, s.seq, s.ts, s.ssrc, s.hear)
	s.skip()
}

// skip loses the next packet.
func (s *sender) skip() {
	s.seq++
	s.ts += 160
	s.at += 20 * time.Millisecond
}

func (s *sender) talk(n int) {
	for range n {
		s.send(0)
	}
}

// TestLossAcrossTheWrap: RFC 3550 A.3, with the sequence number going round.
func TestLossAcrossTheWrap(t *testing.T) {
	s := newSender(65530)
	s.talk(4)
	s.skip()
	s.skip()
	s.talk(100)
	c := s.m.Counts()
	if c.Expected != 106 || c.Lost != 2 || c.Packets != 104 || c.Sources != 1 {
		t.Errorf("%+v, want 106 expected, 2 lost", c)
	}
	if got := s.m.seq.highest(); got != 1<<16+uint32(s.seq-1) {
		t.Errorf("extended highest is %#x, want one cycle and %#x", got, s.seq-1)
	}
}

// TestDisorder: late packets are not lost, and each counts once.
func TestDisorder(t *testing.T) {
	s := newSender(10)
	s.talk(20)
	seq, ts, at := s.seq, s.ts, s.at
	s.skip()
	s.talk(3)
	s.m.Packet(int64(s.at), 0, seq, ts, 7, s.hear) // 3 late
	s.m.Packet(int64(s.at), 0, seq, ts, 7, s.hear) // and again
	s.m.Packet(int64(at), 0, seq+2, ts+320, 7, s.hear)
	s.m.Packet(int64(at), 0, s.seq-1, s.ts-160, 7, s.hear)
	c := s.m.Counts()
	if c.Expected != 24 || c.Lost != 0 || c.Reordered != 1 || c.Duplicate != 3 {
		t.Errorf("%+v, want 24 expected, none lost, 1 reordered, 3 twice", c)
	}
	s.talk(200)
	s.m.Packet(int64(s.at), 0, s.seq-80, s.ts, 7, s.hear) // too old to know, but nothing was lost
	if c := s.m.Counts(); c.Duplicate != 4 || c.Lost != 0 {
		t.Errorf("%+v, want the old one taken for a repetition", c)
	}
	early := newSender(100)
	early.m.Packet(int64(early.at), 0, 101, early.ts+160, 7, early.hear)
	early.send(0) // 100 behind 101, from the start
	if c := early.m.Counts(); c.Expected != 2 || c.Lost != 0 || c.Reordered != 1 {
		t.Errorf("%+v, want both of a stream that begins in disorder", c)
	}
}

// TestLeap: one packet out of every bound changes nothing, the second begins anew (A.1).
func TestLeap(t *testing.T) {
	s := newSender(10)
	s.talk(50)
	stray := s.seq + 20_000
	s.m.Packet(int64(s.at), 0, stray, s.ts, 7, s.hear)
	s.talk(50)
	if c := s.m.Counts(); c.Expected != 100 || c.Lost != 0 {
		t.Errorf("%+v after a stray packet, want 100 expected", c)
	}
	s.seq = stray
	s.talk(50)
	c := s.m.Counts()
	if c.Expected != 149 || c.Lost != 0 || c.Sources != 1 {
		t.Errorf("%+v after a restart, want 149 expected: the first after the leap is not counted", c)
	}
}

// TestAnotherSource: the second packet in a row of another SSRC makes it the
// source; one that speaks beside the source is not measured.
func TestAnotherSource(t *testing.T) {
	s := newSender(65000)
	s.talk(50)
	s.skip() // lost
	s.talk(10)
	s.ssrc, s.seq = 99, 5
	s.talk(40)
	c := s.m.Counts()
	if c.Expected != 61+40 || c.Lost != 1 || c.Sources != 2 || c.Foreign != 0 {
		t.Errorf("%+v, want 101 expected, 1 lost, 2 sources", c)
	}
	for i := range 20 {
		s.m.Packet(int64(s.at), 0, uint16(4000+i), 0, 1234, s.hear)
		s.send(0)
	}
	if c := s.m.Counts(); c.Expected != 61+60 || c.Sources != 2 || c.Foreign != 20 {
		t.Errorf("%+v, want 20 foreign packets and no third source", c)
	}
}

// TestJitter: the estimate of RFC 3550 A.8, against its own arithmetic in floating point.
func TestJitter(t *testing.T) {
	s := newSender(1)
	chance := rand.New(rand.NewPCG(1, 2))
	want, before := 0.0, time.Duration(0)
	for i := range 2000 {
		late := time.Duration(chance.IntN(20_000)) * time.Microsecond
		s.send(late)
		if i > 0 {
			want += (math.Abs(float64(late-before)) - want) / 16
		}
		before = late
	}
	if got := s.m.Jitter(); math.Abs(float64(got)-want) > float64(500*time.Microsecond) {
		t.Errorf("jitter %s, want %s", got, time.Duration(want))
	}
	still := newSender(1)
	still.talk(500)
	if got := still.m.Jitter(); got != 0 {
		t.Errorf("jitter of a steady stream is %s", got)
	}
}

// TestClockOfThePayloadType: G.722 counts at 8 kHz whatever it samples (RFC 3551
// 4.5.2), Opus at 48 kHz; a change between them is no jitter.
func TestClockOfThePayloadType(t *testing.T) {
	m := Meter{}
	m.Formats([]media.Format{{PT: 9, Name: "G722", Clock: 8000}, {PT: 96, Name: "OPUS", Clock: 48000}})
	at, ts := time.Duration(0), uint32(0)
	for i := range 100 {
		m.Packet(int64(at), 9, uint16(i), ts, 1, make([]byte, 160))
		at, ts = at+20*time.Millisecond, ts+160
	}
	if got := m.Codec(); got != "G722" {
		t.Errorf("codec is %s", got)
	}
	for i := range 100 {
		m.Packet(int64(at), 96, uint16(100+i), ts, 1, make([]byte, 60))
		at, ts = at+20*time.Millisecond, ts+960
	}
	if c := m.Counts(); m.Jitter() != 0 || c.Lost != 0 || c.Jumps != 0 || m.Codec() != "OPUS" {
		t.Errorf("jitter %s, codec %s, %+v after a change of clock", m.Jitter(), m.Codec(), c)
	}
	if m.packetTime() != 20*time.Millisecond {
		t.Errorf("packet time %s", m.packetTime())
	}
}

// TestDigitsAreNoJitter: the packets of an event share one timestamp (RFC 4733).
func TestDigitsAreNoJitter(t *testing.T) {
	s := newSender(1)
	s.talk(100)
	start := s.ts
	for range 10 {
		s.m.Packet(int64(s.at), 101, s.seq, start, 7, make([]byte, 4))
		s.skip()
	}
	s.talk(100)
	if c := s.m.Counts(); s.m.Jitter() != 0 || c.Expected != 210 || c.Lost != 0 || c.Strange != 0 {
		t.Errorf("jitter %s, %+v", s.m.Jitter(), c)
	}
}

// TestTimestampJump: a sender whose clock leaps has not become late.
func TestTimestampJump(t *testing.T) {
	s := newSender(1)
	s.talk(100)
	s.ts += 1_000_000
	s.talk(100)
	if c := s.m.Counts(); c.Jumps != 1 || c.Late != 0 || s.m.Jitter() != 0 {
		t.Errorf("%+v, jitter %s", c, s.m.Jitter())
	}
}

// TestTooLate: what no jitter buffer waits for is as good as lost; a way that
// became longer for good is not.
func TestTooLate(t *testing.T) {
	s := newSender(1)
	s.talk(100)
	s.send(120 * time.Millisecond)
	s.talk(100)
	s.m.Close()
	if c := s.m.Counts(); c.Late != 1 || c.Lost != 0 || s.m.gaps.Lost != 1 {
		t.Errorf("%+v, %+v, want one too late to be heard", c, s.m.gaps)
	}
	far := newSender(1)
	far.talk(100)
	far.at += 150 * time.Millisecond
	far.talk(500)
	if c := far.m.Counts(); c.Late > bufferResync {
		t.Errorf("%d of 500 late after the way became longer", c.Late)
	}
}

// TestBurstsAndGaps: RFC 3611 4.7.2. Losses with fewer than 16 packets between
// are one burst, a loss alone belongs to the gap.
func TestBurstsAndGaps(t *testing.T) {
	s := newSender(1)
	s.talk(100)
	s.skip() // alone
	s.talk(100)
	for range 3 { // a burst: 1 2 1 2 1 -> lost 3 of 7
		s.skip()
		s.talk(2)
	}
	s.talk(98)
	s.skip() // two in a row, 15 heard, one more: lost 3 of 18
	s.skip()
	s.talk(15)
	s.skip()
	s.talk(100)
	s.m.Close()
	g := s.m.gaps
	if g.Lost != 7 || g.Bursts != 2 || g.BurstLost != 6 || g.BurstSpan != 7+18 || g.Runs != 6 {
		t.Errorf("%+v, want 2 bursts of 6 lost in 25", g)
	}
	burst, gap, ratio := g.since(gaps{})
	total := float64(g.Heard + g.Lost)
	if math.Abs(burst-6.0/25) > 1e-9 || math.Abs(gap-1/(total-25)) > 1e-9 {
		t.Errorf("burst density %f, gap density %f", burst, gap)
	}
	if want := 7.0 / 6 * (1 - 7/total); math.Abs(ratio-want) > 1e-9 {
		t.Errorf("burst ratio %f, want %f", ratio, want)
	}
}

// TestRandomLossHasNoBurstRatio: independent losses give a ratio of about 1, a
// chain that likes to lose again gives what theory says: 1/(p+q).
func TestRandomLossHasNoBurstRatio(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	run := func(p, q float64) float64 { // chance of going down, and up again
		s := newSender(1)
		down := false
		for range 200_000 {
			if down {
				down = chance.Float64() >= q
			} else {
				down = chance.Float64() < p
			}
			if down {
				s.skip()
			} else {
				s.send(0)
			}
		}
		s.m.Close()
		_, _, ratio := s.m.gaps.since(gaps{})
		return ratio
	}
	if got := run(0.05, 0.95); math.Abs(got-1) > 0.03 {
		t.Errorf("burst ratio of random loss is %f", got)
	}
	if got := run(0.02, 0.4); math.Abs(got-1/0.42) > 0.1 {
		t.Errorf("burst ratio is %f, want %f", got, 1/0.42)
	}
}

// TestAgainstAModel: whatever is lost, repeated and put in disorder, what is
// counted is what happened.
func TestAgainstAModel(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 9))
		type pkt struct {
			seq uint16
			ts  uint32
			due int
		}
		var way []pkt
		base := uint16(chance.IntN(1 << 16))
		lost, twice := uint64(0), uint64(0)
		const n = 2000
		for i := range n {
			p := pkt{base + uint16(i), uint32(i) * 160, i*4 + chance.IntN(1+chance.IntN(40))}
			inner := i > 0 && i < n-1
			switch {
			case inner && chance.IntN(20) == 0:
				lost++
				continue
			case inner && chance.IntN(20) == 0:
				twice++
				way = append(way, p)
			case !inner:
				p.due = i * 4
			}
			way = append(way, p)
		}
		at := func(i int) pkt { return way[i] }
		order := make([]int, len(way))
		for i := range order {
			order[i] = i
		}
		for i := 1; i < len(order); i++ { // stable by due time
			for j := i; j > 0 && at(order[j]).due < at(order[j-1]).due; j-- {
				order[j], order[j-1] = order[j-1], order[j]
			}
		}
		var m Meter
		m.Formats(pcmu)
		for k, i := range order {
			m.Packet(int64(k)*int64(10*time.Millisecond), 0, way[i].seq, way[i].ts, 5, []byte{0xff})
		}
		if c := m.Counts(); c.Expected != n || c.Lost != lost || c.Duplicate != twice || c.Packets != uint64(len(way)) {
			t.Fatalf("seed %d: %+v, want %d expected, %d lost, %d twice", seed, c, n, lost, twice)
		}
	}
}

// TestLevel: G.711 is heard as loud as it is, silence as silence, in both laws.
func TestLevel(t *testing.T) {
	for _, law := range []struct {
		pt   uint8
		zero byte
		full byte
	}{{0, 0xff, 0x80}, {8, 0xd5, 0xaa}} {
		m := Meter{}
		m.Formats([]media.Format{{PT: 0, Name: "PCMU", Clock: 8000}, {PT: 8, Name: "PCMA", Clock: 8000}})
		payload := make([]byte, 160)
		feed := func(code byte, from int) {
			for i := range payload {
				payload[i] = code
			}
			for i := range 100 {
				m.Packet(int64(from+i)*int64(20*time.Millisecond), law.pt, uint16(from+i), uint32(from+i)*160, 1, payload)
			}
		}
		feed(law.zero, 0)
		if m.loud != 0 || m.count.Silent == 0 || dBov(m.level) > -66 {
			t.Errorf("silence in %d is heard: %+v at %f", law.pt, m.count, dBov(m.level))
		}
		feed(law.full, 100)
		if m.loud == 0 || dBov(m.level) < -1 || dBov(m.level) > 0 {
			t.Errorf("the loudest sample of %d is at %f dBov", law.pt, dBov(m.level))
		}
	}
}

// TestLaws: our tables of G.711 are those of another program, sample by sample.
func TestLaws(t *testing.T) {
	for i := range 256 {
		code := byte(i)
		if got, want := fromMuLaw(code), int32(g711.DecodeUlawFrame(code)); got != want {
			t.Errorf("mu-law %#x is %d, want %d", code, got, want)
		}
		if got, want := fromALaw(code), int32(g711.DecodeAlawFrame(code)); got != want {
			t.Errorf("A-law %#x is %d, want %d", code, got, want)
		}
	}
}

// TestAbsorb: an engine that counts gives the same figures as the packets would.
func TestAbsorb(t *testing.T) {
	seen, told := newSender(65000), newSender(65000)
	both := func(n int) { seen.talk(n); told.talk(n) }
	both(100)
	var tally Tally
	for i := range 1000 { // the engine takes over, a packet in a hundred is lost
		tally.Expected++
		if i%100 == 50 {
			seen.skip()
			told.skip()
			continue
		}
		seen.send(0)
		tally.Packets, tally.Octets, tally.Unique, tally.Highest = tally.Packets+1, tally.Octets+160, tally.Unique+1, told.seq
		told.skip()
	}
	tally.SSRC = 7
	told.m.Absorb(tally)
	both(100)
	seen.m.Close()
	told.m.Close()
	a, b := seen.m.Figures(Mark{}, nil, 0), told.m.Figures(Mark{}, nil, 0)
	if a.Expected != 1200 || a.Lost != 10 || b.Expected != a.Expected || b.Lost != a.Lost || b.Packets != a.Packets || b.Bytes != a.Bytes {
		t.Errorf("from packets %+v\nfrom counts %+v", a, b)
	}
	if math.Abs(a.ListeningMOS-b.ListeningMOS) > 0.01 || !b.Rated || b.GapDensity < 0.005 {
		t.Errorf("MOS %.3f from packets, %.3f from counts; gap density %f", a.ListeningMOS, b.ListeningMOS, b.GapDensity)
	}
	var fresh Meter
	fresh.Formats(pcmu)
	fresh.Absorb(Tally{SSRC: 9, Highest: 8, Packets: 9, Unique: 9, Expected: 10, Octets: 9 * 160, Jitter: 8})
	fresh.Absorb(Tally{SSRC: 9, Highest: 8, Jitter: 8})
	fresh.Absorb(Tally{SSRC: 9, Highest: 12, Packets: 3, Unique: 3, Expected: 4, Jitter: 8})
	if c := fresh.Counts(); c.Expected != 14 || c.Lost != 2 || c.Sources != 1 || fresh.Jitter() != time.Millisecond {
		t.Errorf("%+v, jitter %s of a stream that was never seen", c, fresh.Jitter())
	}
	fresh.Absorb(Tally{SSRC: 10, Highest: 50_000, Packets: 5, Unique: 5, Expected: 7, Foreign: 1})
	if c := fresh.Counts(); c.Expected != 21 || c.Lost != 4 || c.Sources != 2 || c.Foreign != 1 {
		t.Errorf("%+v after another source", c)
	}
}

// TestLive: figures since a mark are those of the stretch alone.
func TestLive(t *testing.T) {
	s := newSender(1)
	s.talk(500)
	before := s.m.Mark()
	for range 500 {
		s.send(0)
		if s.seq%10 == 0 {
			s.skip()
		}
	}
	live, whole := s.m.Figures(before, nil, 0), s.m.Figures(Mark{}, nil, 40*time.Millisecond)
	if p := live.LossPart(); p < 0.08 || p > 0.11 {
		t.Errorf("live loss %f", p)
	}
	if live.ListeningMOS >= whole.ListeningMOS || live.TalkingMOS != 0 || whole.TalkingMOS == 0 || whole.TalkingMOS > whole.ListeningMOS {
		t.Errorf("live %+v\nwhole %+v", live, whole)
	}
}

// TestEveryToneIsHeard: none hides between the samples that are looked at.
func TestEveryToneIsHeard(t *testing.T) {
	payload := make([]byte, 160)
	for hz := 100; hz < 4000; hz += 10 {
		for i := range payload {
			payload[i] = g711.EncodeUlawFrame(int16(3000 * math.Sin(2*math.Pi*float64(hz)*float64(i)/8000)))
		}
		if got := dBov(muLaw.mean(payload)); math.Abs(got-(20*math.Log10(3000.0/32768)-3)) > 10 {
			t.Errorf("%d Hz at %.1f dBov", hz, got)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s := newSender(1)
	if n := testing.AllocsPerRun(1000, func() { s.send(0) }); n != 0 {
		t.Errorf("%f allocations a packet", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	s := newSender(1)
	b.ReportAllocs()
	for b.Loop() {
		s.send(0)
	}
}
