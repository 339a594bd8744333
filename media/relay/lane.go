package relay

import (
	"time"

	"ringdown/media"
)

// lane is one direction of a call: what becomes of an RTP packet between its
// arrival from one party and its departure to the other. Its stages are nil in a
// plain call, which passes untouched. Guarded by Relay.mu, which is held for the
// whole way of a packet.
type lane struct {
	packet packet // the one in hand; here so that it costs no allocation

	open    stage // takes the sender's encryption off, before anyone learns from the packet
	meter   stage // sees what was accepted
	digits  *keys // sees keys that are pressed, and may keep them from the other party
	convert stage // payload types, codecs, packet times
	sound   stage // what we play to the receiver
	seal    stage // puts the receiver's encryption on

	timing timing
	passed struct { // the last packet that went below us
		header header // without lengths of a payload
		at     int64
	}
}

// latest is the header of the newest packet of the lane, wherever it passed, and
// its arrival on the relay's clock. Without any its start is 0. When a conversion
// has taken that it is the sender's own, which the receiver never sees.
func (l *lane) latest() (*header, int64) {
	if l.passed.at > l.packet.at {
		return &l.passed.header, l.passed.at
	}
	return &l.packet.header, l.packet.at
}

// stage is one step of a lane. It may change the packet where it stands, within
// its array. What it returns is [forward], [taken] or the reason of a drop.
type stage interface {
	pass(p *packet) media.Drop
}

// taken is the verdict on a packet that goes no further and is no loss either:
// it was for us, or goes out later in another form.
const taken = media.DropCount + 1

// packet is an RTP packet on its way along a lane.
type packet struct {
	buf     []byte // the whole of it, with room behind
	header  header // of buf; a stage that changes one keeps the other true
	from    media.Side
	src     endpoint
	to      endpoint
	arrival time.Time
	at      int64 // arrival on the relay's clock
	copied  bool  // a stage gives it to the tap itself
	alone   bool  // nobody is to hear it but us
}

// user reports whether packets of the lane have to come up to us, one and all.
func (l *lane) user() bool {
	return l.open != nil || l.digits.listens() || l.convert != nil || l.sound != nil || l.seal != nil
}

// works reports whether a packet of the lane costs its loop more than its passing:
// cipher, codec, or an ear for tones.
func (l *lane) works() bool {
	return l.open != nil || l.digits.listens() || l.convert != nil || l.seal != nil
}

// weigh tells the engine when a call begins or ends to be worked on. The caller
// holds r.mu.
func (r *Relay) weigh() {
	works := !r.over && (r.lanes[0].works() || r.lanes[1].works())
	if works == r.worked {
		return
	}
	r.worked = works
	by := int64(-1)
	if works {
		by = 1
	}
	r.pool.engine.worked.Add(by)
}

// pass takes a packet along its lane. The caller holds r.mu.
func (r *Relay) pass(p *packet) media.Drop {
	l, f := &r.lanes[index(p.from)], &r.flows[index(p.from)]
	if r.faxes() {
		return r.passFax(p)
	}
	if l.open != nil {
		if verdict := l.open.pass(p); verdict != forward {
			return verdict
		}
	}
	var sound bool
	p.header, sound = parseRTP(p.buf)
	h, source := &p.header, &r.sides[index(p.from)].source
	before := source.locked
	to, verdict, first := r.judgeRTP(p.from, p.src, h, sound, p.at)
	p.to = to
	if first || source.locked != before {
		r.replan()
	}
	if first {
		f.first.CompareAndSwap(0, p.at+1) // a new party starts too
		r.notice(media.Notice{Kind: media.Started, Side: p.from, At: p.arrival, PT: h.pt})
	}
	if verdict == media.DropSource || verdict == media.DropMalformed || verdict == media.DropRate {
		return verdict
	}
	f.last.Store(p.at + 1)
	if l.meter != nil {
		l.meter.pass(p)
	}
	switch verdict {
	case media.DropApart, media.DropMuted, media.DropNoPeer:
		r.hearAlone(p)
	}
	if verdict != forward {
		return verdict
	}
	if l.digits != nil {
		if verdict = l.digits.pass(p); verdict != forward {
			if c, ok := l.convert.(*converting); ok {
				c.skip(p)
			}
			return verdict
		}
	}
	if !p.copied {
		r.copy(p)
	}
	for _, s := range [...]stage{l.convert, l.sound, l.seal} {
		if s == nil {
			continue
		}
		if verdict = s.pass(p); verdict != forward {
			return verdict
		}
	}
	return forward
}

// copy gives the tap what the sender said.
func (r *Relay) copy(p *packet) {
	h := &p.header
	r.give(media.Packet{
		Side: p.from, Arrival: p.arrival, PT: h.pt, Marker: h.marker, Seq: h.seq, TS: h.ts, SSRC: h.ssrc,
		Payload: p.buf[h.start:h.end],
	}, p.alone)
}
