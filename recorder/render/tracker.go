package render

import (
	"time"

	"ringdown/recorder/format"
)

// place is where a packet stands in its sender's own count.
type place struct {
	run int   // uninterrupted count of one sender; a new SSRC or a jump starts another
	seq int64 // sequence number without wrap, from 0 in each run
	ts  int64 // RTP timestamp without wrap, from 0 in each run
}

// Bounds of what one side may cost us, whatever it sends.
const (
	maxStreams = 8       // SSRCs remembered at a time
	maxRuns    = 10_000  // in one recording
	seqJump    = 3000    // RFC 3550 appendix A.1: further than this is a restart
	perPacket  = 200     // ms of audio that one packet may hold, at most
	leap       = 500     // ms by which a timestamp may run ahead of the clock
	lapse      = 2 * 1e3 // ms by which it may fall behind
)

// tracker unwinds sequence numbers and timestamps of one side. The same packets
// give the same places, so both passes agree.
type tracker struct {
	streams []stream // the one used last is first
	runs    int
}

type stream struct {
	ssrc  uint32
	clock int
	seq16 uint16
	ts32  uint32
	at    time.Duration
	last  place
}

// place returns a packet's place, or false when the side has started over more
// often than is bearable.
func (t *tracker) place(a format.Audio, clock int) (place, bool) {
	for i := range t.streams {
		if t.streams[i].ssrc != a.SSRC {
			continue
		}
		s := t.streams[i]
		copy(t.streams[1:i+1], t.streams[:i])
		t.streams[0] = s
		if s.follows(a, clock) {
			return t.streams[0].step(a), true
		}
		return t.start(a, clock, true)
	}
	return t.start(a, clock, false)
}

// start begins a run, in the first stream's place or in one of its own.
func (t *tracker) start(a format.Audio, clock int, again bool) (place, bool) {
	if t.runs == maxRuns {
		return place{}, false
	}
	s := stream{ssrc: a.SSRC, clock: clock, seq16: a.Seq, ts32: a.TS, at: a.At, last: place{run: t.runs}}
	t.runs++
	if !again {
		if len(t.streams) < maxStreams {
			t.streams = append(t.streams, stream{})
		}
		copy(t.streams[1:], t.streams)
	}
	t.streams[0] = s
	return s.last, true
}

// follows reports whether a packet goes on with the stream's count. Either its
// timestamp agrees with the clock, or it agrees with the sequence number: a
// burst after a stall and a sender that froze its timestamp both do.
func (s *stream) follows(a format.Audio, clock int) bool {
	seq := int64(int16(a.Seq - s.seq16))
	if clock != s.clock || seq > seqJump || seq < -seqJump {
		return false
	}
	ts := int64(int32(a.TS-s.ts32)) * 1000 / int64(clock)
	ahead := ts - (a.At - s.at).Milliseconds()
	if ahead <= leap && ahead >= -lapse {
		return true
	}
	if seq < 0 {
		seq, ts = -seq, -ts
	}
	return ts >= 0 && ts <= seq*perPacket
}

func (s *stream) step(a format.Audio) place {
	s.last.seq += int64(int16(a.Seq - s.seq16))
	s.last.ts += int64(int32(a.TS - s.ts32))
	s.seq16, s.ts32, s.at = a.Seq, a.TS, a.At
	return s.last
}
