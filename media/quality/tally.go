package quality

// Tally is what an engine that forwards a stream without showing it to us says
// of it: counts since the last tally, and where the stream stands. One is wanted
// for each 30,000 packets.
type Tally struct {
	SSRC       uint32
	PT         uint8   // of the newest packet
	Highest    uint16  // sequence number, of the source that is followed now
	Jitter     float64 // RFC 3550 6.4.1, in units of the clock
	Packets    uint64
	Octets     uint64 // of their payloads
	Expected   uint64 // by the sequence numbers, of all sources
	Unique     uint64 // of those, that came
	Reordered  uint64
	Duplicates uint64
	Foreign    uint64 // of a second source beside the one that is followed
}

// Absorb takes what another engine has counted. Its losses count as if they
// stood alone, since nobody saw their order, and of loudness it knows only what
// [Meter.Listen] was given since the tally before.
func (m *Meter) Absorb(t Tally) {
	m.count.Packets += t.Packets
	m.count.Bytes += t.Octets
	m.count.Reordered += t.Reordered
	m.count.Duplicate += t.Duplicates
	m.count.Foreign += t.Foreign
	if t.Unique == 0 {
		return
	}
	n := uint64(t.Highest - uint16(m.seq.max)) // what is expected beyond our newest
	newer := true
	switch {
	case !m.seq.started || m.ssrc != t.SSRC:
		n = m.adopt(t)
	case n == 0 || n >= 1<<15: // nothing newer than what we have seen
		n, newer = 0, false
		fallthrough
	default:
		m.seq.flush(&m.gaps)
		m.seq.max += uint32(n)
		m.seq.unique += t.Unique
		m.seq.again += t.Duplicates
	}
	m.seq.decided = m.seq.max + 1
	m.seq.seen, m.seq.good, m.seq.bad = ^uint64(0), ^uint64(0), 0
	lost := n - min(t.Unique, n)
	m.gaps.close()
	m.gaps.Heard += t.Unique
	m.gaps.Lost += lost
	m.gaps.Runs += lost
	m.gaps.run, m.gaps.lastHeard = gmin, true
	k, ok := m.find(t.PT)
	if ok && k.what < comfort {
		m.now = k
	}
	if newer && !m.listened { // else it is known from the packet itself
		m.resting = ok && k.what == comfort
	}
	if m.timing.clock = m.now.clock; m.timing.clock == 0 {
		m.timing.clock = m.first().clock
	}
	m.timing.jitter, m.timing.started = uint32(t.Jitter*16), false
	m.lastAt = 0
	if !m.listened { // nor is it by copies
		m.levelled = false
	}
	m.listened = false
}

// adopt takes a source that began, or began anew, out of our sight, and returns
// how many packets were expected in the tally.
func (m *Meter) adopt(t Tally) uint64 {
	m.retire()
	m.seq.start(t.Highest)
	expected := max(t.Expected, 1)
	m.count.Expected += expected - 1 // the last one is the sequence's own
	m.count.Lost += expected - min(t.Unique, expected)
	m.ssrc = t.SSRC
	m.count.Sources++
	return expected
}

// first is the kind that the party would speak first.
func (m *Meter) first() kind {
	for _, k := range m.kinds[:m.known] {
		if k.what < comfort {
			return k
		}
	}
	return kind{}
}
