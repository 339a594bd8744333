package relay

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// voice makes one RTP stream for a receiver out of the other party's packets and
// of ours: one SSRC, sequence numbers without a seam, timestamps that follow the
// clock (RFC 3550 5.1). So a jitter buffer meets neither a second source nor a
// step backwards, and losses of the other party stay visible as such.
//
// As long as no packet of ours stood between theirs, theirs pass as they are. A
// new SSRC of the other party passes as it is too: to the receiver it is a new
// source with or without us. Where nothing is known of their stream, ours has an
// SSRC of its own. The zero value knows of nothing. Not safe for concurrent use.
type voice struct {
	known bool
	ssrc  uint32 // of what was sent last
	seq   uint16
	ts    uint32
	at    int64  // when it was sent, on the relay's clock
	step  uint32 // ticks that it lasts, when it was ours
	clock int64  // of its timestamps, in Hz; 0: unknown

	mine   bool   // the SSRC is ours, they have none yet
	theirs uint32 // their SSRC
	dseq   uint16 // what is added to theirs
	dts    uint32
	cut    bool   // packets of ours were sent since theirs
	fresh  bool   // the mapping is young: what is before first belongs to the one before
	first  uint16 // their own sequence number with which it began
}

// remapAfter is how far a stream moves on until nothing of before its mapping
// can be on its way.
const remapAfter = 1 << 13

// passive reports whether theirs pass as they are without us, too.
func (v *voice) passive() bool {
	return !v.known || v.mine || !v.cut && v.dseq == 0 && v.dts == 0 && v.ssrc == v.theirs
}

// meet takes a packet of theirs, as it is, for the last one sent.
func (v *voice) meet(h *header, at, clock int64) {
	*v = voice{known: true, ssrc: h.ssrc, seq: h.seq, ts: h.ts, at: at, clock: clock, theirs: h.ssrc}
}

// pass gives a packet of theirs its place in the stream and writes it into the
// packet. It is false for one that comes too late: its place was ours. clock is
// that of its timestamps; 0: unknown.
func (v *voice) pass(p *packet, clock int64) bool {
	h := &p.header
	if !v.known || v.mine || h.ssrc != v.theirs {
		v.meet(h, p.at, clock)
		return true
	}
	begins := v.cut
	if begins {
		v.cut, v.fresh, v.first = false, true, h.seq
		v.dseq = v.seq + 1 - h.seq
		v.dts = v.ts + max(v.step, v.since(p.at)) - h.ts
	}
	if v.fresh {
		switch ahead := int16(h.seq - v.first); {
		case ahead < 0:
			return false
		case ahead > remapAfter:
			v.fresh = false
		}
	}
	if begins || v.dseq != 0 || v.dts != 0 || v.ssrc != h.ssrc {
		h.ssrc, h.seq, h.ts = v.ssrc, h.seq+v.dseq, h.ts+v.dts
		h.marker = h.marker || begins
		h.write(p.buf)
	}
	if int16(h.seq-v.seq) > 0 {
		v.seq, v.ts, v.at = h.seq, h.ts, p.at
		if clock != 0 {
			v.clock = clock
		}
	}
	return true
}

// since is by how much the timestamps have to be ahead of the last one by now.
func (v *voice) since(at int64) uint32 {
	clock := v.clock
	if clock == 0 {
		clock = 8000
	}
	return uint32(max(0, at-v.at) * clock / int64(time.Second))
}

// ours gives a packet of ours its place. It lasts length ticks of clock Hz. Its
// timestamp follows by that when the last packet was ours too and no silence lies
// between (begins is false), and else by the time that has passed.
func (v *voice) ours(pt uint8, length uint32, at, clock int64, begins bool) header {
	switch {
	case !v.known:
		*v = voice{known: true, mine: true, ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), ts: rand.Uint32()}
		begins = true
	default:
		begins = begins || !v.cut
		step := length
		if begins {
			step = max(step, v.since(at))
		}
		v.seq++
		v.ts += step
	}
	v.cut, v.at, v.clock, v.step = true, at, clock, length
	return header{pt: pt, marker: begins, seq: v.seq, ts: v.ts, ssrc: v.ssrc, start: 12, end: 12}
}

// write puts the header's own fields into a packet, whose lengths stay.
func (h *header) write(b []byte) {
	b[1] = h.pt & 0x7f
	if h.marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], h.seq)
	binary.BigEndian.PutUint32(b[4:], h.ts)
	binary.BigEndian.PutUint32(b[8:], h.ssrc)
}
