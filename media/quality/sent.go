package quality

// Sent is the stream that we send a party, whoever made it. The zero value is
// none.
type Sent struct {
	SSRC            uint32
	Packets, Octets uint32 // of this source
	TS              uint32 // of the newest packet of sound
	At              int64  // when that went
	Clock           uint32 // Hz; 0: nothing was sent yet
	pt              uint8
}

// usualClock is that of a payload type of which nothing is known: RTP's own.
const usualClock = 8000

// Count takes a packet that goes out, as it goes out. by measures who speaks, to
// who listens: one of them knows the payload type, unless nobody does.
func (s *Sent) Count(by, to *Meter, at int64, pt uint8, ts, ssrc uint32, octets int) {
	if ssrc != s.SSRC {
		*s = Sent{SSRC: ssrc}
	}
	s.Packets++
	s.Octets += uint32(octets)
	if pt != s.pt || s.Clock == 0 {
		k, ok := by.find(pt)
		if !ok {
			k, _ = to.find(pt)
		}
		if k.what == event && s.Clock != 0 { // its timestamp stands still
			return
		}
		s.pt, s.Clock = pt, k.clock
		if k.clock == 0 {
			s.Clock = usualClock
		}
	}
	s.TS, s.At = ts, at
}

// Add takes what another engine sent of the source that Count was given last, or
// of a new one; ts is the timestamp of its newest packet, which went at a moment.
func (s *Sent) Add(by, to *Meter, at int64, pt uint8, ts, ssrc uint32, packets, octets uint64) {
	if packets == 0 {
		return
	}
	s.Count(by, to, at, pt, ts, ssrc, 0)
	s.Packets += uint32(packets) - 1
	s.Octets += uint32(octets)
}
