package digits

import (
	"time"

	"ringdown/media"
)

// Figures of the receiver.
const (
	// quiet is how long a press may say nothing before it counts as ended: all
	// its end packets are lost. A packet of it that comes later begins no other.
	quiet = 250 * time.Millisecond
	// back is how far a sequence number may lie behind the newest and be a late
	// packet; further back the sender has begun anew.
	back = 128
	// memory is how many presses are remembered, to know their late packets.
	memory = 4
	// longest is when a duration has run through its sixteen bits.
	longest = 1 << 16
)

// Arrival is the header of a telephone-event packet and when it came.
type Arrival struct {
	Seq    uint16
	TS     uint32
	SSRC   uint32
	Marker bool
	At     int64 // nanoseconds
}

// Receiver reads the telephone-event packets of one party and tells each press
// once, however it was sent: without its marker, its beginning or its end, with
// ends repeated, late or told under a new timestamp, in segments or with a
// duration that wraps, two presses in a packet, or on another clock than was
// agreed on. Volume is not looked at: senders write anything there, zero and 63
// included. The zero value is ready; not safe for concurrent use.
type Receiver struct {
	past  [memory]press // past[0] is the newest
	open  bool          // past[0] has begun and is not over
	heard bool          // anything came before
	ssrc  uint32
	seq   uint16 // the newest
	clock int    // Hz, of the newest packet
	at    int64  // when past[0] was last heard of
}

// press is one key held down.
type press struct {
	known    bool
	event    media.Digit
	ts       uint32 // of the packets that tell it now
	duration uint16 // the longest told under that
	before   uint64 // of its segments before
}

func (p *press) length(clock int) time.Duration {
	return time.Duration(p.before+uint64(p.duration)) * time.Second / time.Duration(max(clock, 1))
}

// Packet reads one packet and appends what it says to buf. clock is the RTP
// clock in Hz that was agreed on; ok is false for a payload that is no
// telephone-event, of which nothing is taken.
func (r *Receiver) Packet(buf []Change, a Arrival, clock int, payload []byte) (out []Change, ok bool) {
	if len(payload) < blockBytes {
		return buf, false
	}
	buf = r.Tick(buf, a.At)
	ahead := int16(a.Seq - r.seq)
	if !r.heard || a.SSRC != r.ssrc || ahead < -back {
		ahead = 1
	}
	late := ahead <= 0
	if !late {
		r.heard, r.ssrc, r.seq = true, a.SSRC, a.Seq
	}
	r.clock = clock
	for n := 0; n < maxBlocks; n++ {
		b, rest, more := readBlock(payload)
		if !more {
			break
		}
		buf = r.block(buf, a, b, late, int(ahead))
		// The next block is of the event behind this one (2.5.1.5); only the
		// first can be a press that the marker announces.
		a.TS += uint32(b.Duration)
		a.Marker, payload, ahead = false, rest, 1
	}
	return buf, true
}

// block takes one event of a packet. ahead is how far its sequence number lies
// before the newest, with 1 for the next.
func (r *Receiver) block(buf []Change, a Arrival, b Block, late bool, ahead int) []Change {
	if i := r.find(a, b, ahead); i >= 0 {
		if i == 0 {
			return r.goesOn(buf, a, b, late)
		}
		return buf // an older press, which was told
	}
	if late {
		return buf // a press that was overtaken as a whole: the next one was told already
	}
	buf = r.end(buf)
	copy(r.past[1:], r.past[:memory-1])
	r.past[0] = press{known: true, event: b.Digit, ts: a.TS, duration: b.Duration}
	r.open, r.at = true, a.At
	buf = append(buf, Change{Digit: b.Digit})
	if b.End {
		buf = r.end(buf)
	}
	return buf
}

// find returns which of the presses known a block belongs to, -1 for a new one.
func (r *Receiver) find(a Arrival, b Block, ahead int) int {
	for i := range r.past {
		p := &r.past[i]
		if !p.known || p.event != b.Digit || p.ts != a.TS {
			continue
		}
		// A sender whose timestamp stands still begins again: only the marker
		// and a duration that is small again tell.
		if i == 0 && !r.open && a.Marker && ahead > 0 && b.Duration < p.duration {
			return -1
		}
		return i
	}
	p := &r.past[0]
	if !p.known || p.event != b.Digit || a.Marker {
		return -1
	}
	since := a.TS - p.ts
	switch slack := uint32(r.clock / 50); {
	case !r.open: // its end again, under a timestamp that went on (two repetitions are usual)
		if b.End && b.Duration == p.duration && ahead <= 3 {
			return 0
		}
	case since <= uint32(p.duration)+slack && since+slack >= uint32(p.duration) && b.Duration <= p.duration,
		since >= longest-longest/16 && since <= longest && b.Duration < p.duration:
		return 0 // the next segment (2.5.1.3)
	case b.Duration > p.duration && since <= uint32(b.Duration)+slack:
		return 0 // a timestamp that goes on with each packet
	}
	return -1
}

// goesOn takes a packet of the newest press.
func (r *Receiver) goesOn(buf []Change, a Arrival, b Block, late bool) []Change {
	if !r.open {
		return buf // an end repeated
	}
	p := &r.past[0]
	switch {
	case late:
		p.duration = max(p.duration, b.Duration)
	case a.TS != p.ts:
		if b.Duration <= p.duration { // a segment
			p.before += uint64(a.TS - p.ts)
		}
		p.ts, p.duration = a.TS, b.Duration
	case p.duration > longest/2 && b.Duration < longest/2: // wrapped
		p.before += longest
		p.duration = b.Duration
	default:
		p.duration = max(p.duration, b.Duration)
	}
	r.at = max(r.at, a.At)
	if b.End {
		buf = r.end(buf)
	}
	return buf
}

// Tick appends the end of a press of which nothing was heard for a while.
func (r *Receiver) Tick(buf []Change, at int64) []Change {
	if r.open && at-r.at > int64(quiet) {
		return r.end(buf)
	}
	return buf
}

// Open reports whether a press has begun and is not over.
func (r *Receiver) Open() bool { return r.open }

func (r *Receiver) end(buf []Change) []Change {
	if !r.open {
		return buf
	}
	r.open = false
	return append(buf, Change{Digit: r.past[0].event, Ended: true, Duration: r.past[0].length(r.clock)})
}
