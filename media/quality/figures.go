package quality

import (
	"time"

	"ringdown/media"
)

// Mark is a moment in what a meter counts, from which figures can be taken.
type Mark struct {
	counts Counts
	gaps   gaps
}

// Mark notes what was counted until now.
func (m *Meter) Mark() Mark { return Mark{m.Counts(), m.gaps} }

// Figures are those since a mark; the zero mark is the beginning. leg is the
// RTCP of the same party, whole the one-way time of the network from this party
// to its listener, 0 when that is not known.
func (m *Meter) Figures(since Mark, leg *Session, whole time.Duration) media.Heard {
	c, before := m.Counts(), since.counts
	h := media.Heard{
		Codec: m.Codec(), Packets: c.Packets - before.Packets, Bytes: c.Bytes - before.Bytes,
		Expected: less(c.Expected, before.Expected), Lost: less(c.Lost, before.Lost), Late: c.Late - before.Late,
		Duplicate: c.Duplicate - before.Duplicate, Reordered: c.Reordered - before.Reordered, Jitter: m.Jitter(),
	}
	open := m.gaps
	open.close() // as if it ended here
	var ratio float64
	h.BurstDensity, h.GapDensity, ratio = open.since(since.gaps)
	if whole > 0 {
		whole += m.timing.span(m.timing.buffer()) + m.packetTime()
	}
	loss := Loss{Ratio: ratio}
	if h.Expected > 0 {
		loss.Part = min(1, float64(h.Lost+h.Late)/float64(h.Expected))
	}
	if r, ok := Rate(h.Codec, loss, whole); ok && h.Expected > 0 {
		h.Rated, h.R, h.ListeningMOS, h.TalkingMOS, h.Class = true, r.R, r.MOSLQ, r.MOSCQ, string(ClassOf(r.R))
	}
	leg.tell(&h)
	return h
}

// less is what a count grew by; a late packet can make one smaller.
func less(now, before uint64) uint64 { return now - min(now, before) }

// Tally is what an engine that forwards a stream without showing it to us says
// of it: what came since the last tally, and where the stream stands. At least
// one is wanted for each 30,000 packets.
type Tally struct {
	SSRC      uint32
	PT        uint8
	First     uint16 // sequence number of the first packet counted here, used when the source is new to the meter
	Highest   uint16 // sequence number of the newest packet
	TS        uint32 // its timestamp
	At        int64  // its arrival
	Packets   uint64 // since the last tally, repetitions included when the engine cannot tell
	Octets    uint64 // of their payloads
	Reordered uint64
	Duplicate uint64 // those it can tell
	Jitter    uint32 // as RFC 3550 A.8 has it, times 16, in units of the clock
}

// Absorb takes what another engine has counted. Its losses count as if they
// stood alone, since nobody saw their order, and it says nothing of loudness.
func (m *Meter) Absorb(t Tally) {
	m.count.Packets += t.Packets
	m.count.Bytes += t.Octets
	m.count.Reordered += t.Reordered
	m.count.Duplicate += t.Duplicate
	if t.Packets == 0 {
		return
	}
	unique := t.Packets - min(t.Duplicate, t.Packets)
	if !m.seq.started || m.ssrc != t.SSRC {
		if m.seq.started {
			m.retire()
		}
		m.seq.start(t.First)
		m.seq.unique = 0
		m.seq.max-- // it is counted below
		m.seq.base, m.seq.decided = m.seq.max+1, m.seq.max+1
		m.ssrc = t.SSRC
		m.count.Sources++
	}
	m.seq.flush(&m.gaps)
	n := uint32(t.Highest - uint16(m.seq.max))
	if n >= 1<<15 { // nothing newer than what we have seen
		n = 0
	}
	m.seq.max += n
	m.seq.decided = m.seq.max + 1
	m.seq.unique += unique
	m.seq.again += t.Duplicate
	m.seq.seen, m.seq.good, m.seq.bad = ^uint64(0), ^uint64(0), 0
	lost := uint64(n) - min(unique, uint64(n))
	m.gaps.close()
	m.gaps.Heard += unique
	m.gaps.Lost += lost
	m.gaps.Runs += lost
	m.gaps.run, m.gaps.lastHeard = gmin, true
	if k, ok := m.find(t.PT); ok && k.what < comfort {
		m.now, m.timing.clock = k, k.clock
	}
	m.timing.jitter, m.timing.started = t.Jitter, false
	m.lastTS, m.lastAt = t.TS, 0
	m.levelled = false
}
