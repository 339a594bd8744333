package quality

// Bounds of RFC 3550 A.1: how far a sequence number may leap or lag before the
// source counts as started anew.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// settle is how many packets later one that is missing counts as lost to the
// listener: no jitter buffer waits longer.
const settle = 32

// firstCycle keeps the arithmetic of the first cycle above zero, for packets
// that come before the first one.
const firstCycle = 1 << 16

// sequence follows the sequence numbers of one source (RFC 3550 A.1, A.3). The
// zero value is before its first packet.
type sequence struct {
	max     uint32 // extended, from firstCycle
	base    uint32
	decided uint32 // all before it are settled as heard or lost
	seen    uint64 // bit i: packet max-i has come
	good    uint64 // bit i: and in time to be heard
	bad     uint32 // what would follow a leap, which is believed the second time; 0: none
	unique  uint64
	again   uint64 // repetitions of the same packets
	started bool
}

// place is what a packet turned out to be.
type place uint8

const (
	inOrder place = iota
	reordered
	duplicate
	leap  // out of every bound, not counted: the next one decides
	anew  // the second after a leap: the source has begun again
	first // of the source
)

// start begins at a packet.
func (s *sequence) start(seq uint16) {
	*s = sequence{started: true, unique: 1, seen: 1, good: 1}
	s.max = firstCycle + uint32(seq)
	s.base, s.decided = s.max, s.max
}

// take places a packet. Packets that become too old to matter are given to gaps.
func (s *sequence) take(seq uint16, g *gaps) place {
	if !s.started {
		s.start(seq)
		return first
	}
	switch ahead := seq - uint16(s.max); {
	case ahead == 0:
		s.again++
		return duplicate
	case ahead < maxDropout:
		s.advance(uint32(ahead), g)
		s.unique++
		return inOrder
	case ahead < 1<<16-maxMisorder:
		if s.bad != 0 && uint16(s.bad) == seq {
			return anew
		}
		s.bad = firstCycle + uint32(seq+1)
		return leap
	default:
		return s.late(uint32(-ahead))
	}
}

// advance makes room for n more packets, the last of which has come.
func (s *sequence) advance(n uint32, g *gaps) {
	next := s.max + n
	for ; s.decided+settle <= next; s.decided++ {
		g.packet(s.decided <= s.max && s.good>>(s.max-s.decided)&1 == 1)
	}
	s.max, s.bad = next, 0
	if n >= 64 {
		s.seen, s.good = 0, 0
	} else {
		s.seen, s.good = s.seen<<n, s.good<<n
	}
	s.seen |= 1
	s.good |= 1
}

// late takes a packet that lies behind the newest one.
func (s *sequence) late(behind uint32) place {
	at := s.max - behind
	switch {
	case behind < 64 && s.seen>>behind&1 == 1,
		// Too far back to know: it was lost until now, when anything was.
		behind >= 64 && at >= s.base && s.unique >= s.expected():
		s.again++
		return duplicate
	case at < s.base:
		if s.decided == s.base {
			s.decided = at
		}
		s.base = at
	}
	s.unique++
	if behind < 64 {
		s.seen |= 1 << behind
		if at >= s.decided {
			s.good |= 1 << behind
		}
	}
	return reordered
}

// unheard says that the packet placed last came too late to be played.
func (s *sequence) unheard(seq uint16) {
	if behind := uint16(s.max) - seq; behind < 64 {
		s.good &^= 1 << behind
	}
}

// flush settles what is still open: the source has ended.
func (s *sequence) flush(g *gaps) {
	for ; s.started && s.decided <= s.max; s.decided++ {
		g.packet(s.good>>(s.max-s.decided)&1 == 1)
	}
}

// expected is how many packets the source has sent as far as we know.
func (s *sequence) expected() uint64 {
	if !s.started {
		return 0
	}
	return uint64(s.max-s.base) + 1
}

func (s *sequence) lost() uint64 { return s.expected() - min(s.unique, s.expected()) }

// highest is the extended highest sequence number as reports give it.
func (s *sequence) highest() uint32 { return s.max - firstCycle }
