package quality

import "time"

// The jitter buffer that a listener is supposed to have: it holds four times the
// jitter, in these bounds. A packet that is later than that is not heard.
const (
	bufferFactor = 4
	bufferLeast  = 40 * time.Millisecond
	bufferMost   = 200 * time.Millisecond
	bufferResync = 10 // packets too late in a row: the way has become longer
)

// jump is a change of transit time that no network makes: the sender's timestamps leapt.
const jump = 2 * time.Second

// drift is after how many packets the shortest transit time grows by one unit,
// so that a sender's slow clock does not look like delay: up to 390 ppm at 20 ms.
const drift = 16

// timing is the interarrival jitter of one source (RFC 3550 A.8) and its place
// in the supposed jitter buffer. All in units of the RTP clock.
type timing struct {
	clock   uint32
	transit uint32 // of the last packet
	low     uint32 // the shortest one
	jitter  uint32 // times 16, as in A.8
	least   uint32 // transit of the run of late packets
	late    uint8  // how many of them in a row
	n       uint8  // towards drift
	started bool
}

// take measures a packet that came at a moment, in nanoseconds, and reports
// whether it came too late to be heard, and whether its timestamp leapt.
func (t *timing) take(at int64, ts, clock uint32) (late, leapt bool) {
	transit := uint32(uint64(at)/1000*uint64(clock)/1_000_000) - ts
	if !t.started || clock != t.clock {
		before := t.span(t.jitter)
		*t = timing{clock: clock, transit: transit, low: transit, started: true}
		t.jitter = t.units(before)
		return false, false
	}
	d := int32(transit - t.transit)
	t.transit = transit
	if bound := int32(t.units(jump)); d > bound || d < -bound {
		t.low, t.late = transit, 0
		return false, true
	}
	if d < 0 {
		d = -d
	}
	t.jitter += uint32(d) - (t.jitter+8)>>4
	return t.tooLate(transit), false
}

// tooLate follows the shortest transit time and compares.
func (t *timing) tooLate(transit uint32) bool {
	if t.n++; t.n == drift {
		t.n = 0
		t.low++
	}
	over := int32(transit - t.low)
	switch {
	case over < 0:
		t.low, t.late = transit, 0
		return false
	case uint32(over) <= t.buffer():
		t.late = 0
		return false
	}
	if t.late == 0 || int32(transit-t.least) < 0 {
		t.least = transit
	}
	if t.late++; t.late == bufferResync {
		t.low, t.late = t.least, 0
	}
	return true
}

// buffer is the depth of the supposed jitter buffer.
func (t *timing) buffer() uint32 {
	return min(max(bufferFactor*(t.jitter>>4), t.units(bufferLeast)), t.units(bufferMost))
}

func (t *timing) units(d time.Duration) uint32 {
	return uint32(int64(t.clock) * int64(d) / int64(time.Second))
}

// span turns units of the clock into time.
func (t *timing) span(units uint32) time.Duration {
	if t.clock == 0 {
		return 0
	}
	return time.Duration(int64(units) * int64(time.Second) / int64(t.clock))
}
