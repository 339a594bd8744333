package digits

import (
	"time"

	"ringdown/media"
)

// Figures of what we send.
const (
	// Length is how long a key is held down when nobody said for how long.
	Length = 100 * time.Millisecond
	// shortest and longestPress bound what is sent: Q.24 wants 40 ms to be
	// heard, and nobody waits for more than five seconds of one key.
	shortest     = 40 * time.Millisecond
	longestPress = 5 * time.Second
	// Gap is the silence between two keys.
	Gap = 60 * time.Millisecond
	// ends is how often the last packet of a key is sent (RFC 4733 2.5.1.4).
	ends = 3
	// Queue is how many keys may wait to be sent.
	Queue = 32
	// volume is that of a key we send: -10 dBm0.
	volume = 10
)

// clamp is how long a press is sent.
func clamp(p media.Press) time.Duration {
	if p.For <= 0 {
		return Length
	}
	return min(max(p.For, shortest), longestPress)
}

// Frame is a packet to be sent.
type Frame struct {
	Payload [blockBytes]byte
	First   bool   // of its key: it has the marker
	Start   int64  // when its timestamp was, in nanoseconds
	Behind  uint32 // by how much its timestamp lies after that, in units of the clock
}

// Sender makes packets of keys that are to be sent, one after another. Next is
// to be asked at an even pace, of 20 to 50 ms. The zero value is ready; not safe
// for concurrent use.
type Sender struct {
	queue [Queue]media.Press
	count int

	on      bool
	start   int64 // of the key
	segment uint32
	ended   int   // how many last packets went
	rest    int64 // nothing before
}

// Add puts a key behind those that wait; false when the queue is full.
func (s *Sender) Add(p media.Press) bool {
	if s.count == Queue || p.Digit.Class() == media.OtherEvent {
		return false
	}
	s.queue[s.count] = p
	s.count++
	return true
}

// Busy reports whether a key is being sent or waits.
func (s *Sender) Busy() bool { return s.count > 0 }

// Next returns the packet to be sent now, if there is one. clock is the RTP
// clock in Hz, pace the distance to the next question.
func (s *Sender) Next(now int64, clock int, pace time.Duration) (f Frame, ok bool) {
	if s.count == 0 || !s.on && now < s.rest {
		return Frame{}, false
	}
	if !s.on {
		s.on, s.start, s.segment, s.ended = true, now, 0, 0
		f.First = true
	}
	p := s.queue[0]
	length := units(clamp(p), clock)
	duration := min(units(time.Duration(now-s.start)+pace, clock), length)
	b := Block{Digit: p.Digit, Volume: volume, End: duration == length}
	if duration -= s.segment; duration > 0xFFFF { // RFC 4733 2.5.1.3
		duration, b.End = 0xFFFF, false
	}
	b.Duration = uint16(duration)
	b.Put(&f.Payload)
	f.Start, f.Behind = s.start, s.segment
	switch {
	case duration == 0xFFFF && !b.End:
		s.segment += 0xFFFF
	case b.End:
		if s.ended++; s.ended == ends {
			s.done(now)
		}
	}
	return f, true
}

// done turns to the next key.
func (s *Sender) done(now int64) {
	s.on, s.rest = false, now+int64(Gap)
	s.count--
	copy(s.queue[:], s.queue[1:])
}

func units(d time.Duration, clock int) uint32 {
	return uint32(int64(d) * int64(clock) / int64(time.Second))
}
