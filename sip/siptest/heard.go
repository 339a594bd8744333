package siptest

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// Heard is what a phone heard in one call. Samples are placed by RTP time from
// the first packet on; what never came is silence.
type Heard struct {
	Samples     []int16
	Packets     int
	Duplicates  int
	Reordered   int
	Missing     int // sequence numbers between the first and the last that never came
	Sources     int // SSRCs; one in a call that nobody redirected
	Others      int // packets that are not PCMU or PCMA: comfort noise, digits, RTCP
	Malformed   int
	First, Last time.Time     // arrivals
	Gap         time.Duration // longest time between two arrivals
}

// maxHeard bounds what one call keeps: an hour.
const maxHeard = 3600 * 8000

// recorder places packets on the RTP time line of their source.
type recorder struct {
	mu      sync.Mutex
	h       Heard
	ssrc    uint32
	base    uint32 // RTP time of the sample at origin
	origin  int
	first   int64 // extended sequence number
	highest int64
	seen    map[int64]bool
}

func (r *recorder) packet(at time.Time, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	payload, ok := rtpPayload(b)
	if !ok {
		r.h.Malformed++
		return
	}
	codec := Codec(b[1] & 0x7f)
	if codec != PCMU && codec != PCMA {
		r.h.Others++
		return
	}
	seq, ts, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if r.h.Sources == 0 || ssrc != r.ssrc {
		r.source(at, seq, ts, ssrc)
	}
	n := r.highest + int64(int16(seq-uint16(r.highest)))
	switch {
	case r.seen[n]:
		r.h.Duplicates++
		return
	case n < r.highest:
		r.h.Reordered++
	}
	r.seen[n] = true
	r.first, r.highest = min(r.first, n), max(r.highest, n)
	if !r.h.Last.IsZero() {
		r.h.Gap = max(r.h.Gap, at.Sub(r.h.Last))
	}
	r.h.Last = at
	r.h.Packets++
	r.place(r.origin+int(int32(ts-r.base)), codec, payload)
}

// source starts the time line of a new SSRC where the wall clock is by now.
func (r *recorder) source(at time.Time, seq uint16, ts, ssrc uint32) {
	if r.h.Sources == 0 {
		r.h.First = at
	} else {
		r.countMissing()
	}
	r.h.Sources++
	r.ssrc, r.base = ssrc, ts
	r.origin = int(at.Sub(r.h.First) * 8 / time.Millisecond)
	r.first, r.highest = int64(seq), int64(seq)
	r.seen = map[int64]bool{}
}

func (r *recorder) countMissing() {
	r.h.Missing += int(r.highest-r.first) + 1 - len(r.seen)
}

func (r *recorder) place(at int, c Codec, payload []byte) {
	if at < 0 || at+len(payload) > maxHeard {
		return
	}
	if short := at + len(payload) - len(r.h.Samples); short > 0 {
		r.h.Samples = append(r.h.Samples, make([]int16, short)...)
	}
	c.Decode(r.h.Samples[at:at], payload)
}

// Heard returns what was heard so far; the samples are a copy.
func (d *Dialog) Heard() Heard {
	d.p.mu.Lock()
	st := d.stream
	d.p.mu.Unlock()
	if st == nil {
		return Heard{}
	}
	st.heard.mu.Lock()
	defer st.heard.mu.Unlock()
	h := st.heard.h
	if h.Sources > 0 {
		h.Missing += int(st.heard.highest-st.heard.first) + 1 - len(st.heard.seen)
	}
	h.Samples = slices.Clone(h.Samples)
	return h
}

// Said is how many frames the phone has sent in this call.
func (d *Dialog) Said() int {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if d.stream == nil {
		return 0
	}
	return int(d.stream.sent.Load())
}

// rtpPayload cuts header, extension and padding off (RFC 3550 5.1).
func rtpPayload(b []byte) ([]byte, bool) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return nil, false
	}
	at := 12 + 4*int(b[0]&15)
	if b[0]&0x10 != 0 {
		if len(b) < at+4 {
			return nil, false
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[end-1])
	}
	if at > end {
		return nil, false
	}
	return b[at:end], true
}
