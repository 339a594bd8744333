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
