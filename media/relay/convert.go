package relay

import (
	"math/rand/v2"
	"slices"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sdp"
	"ringdown/media/sound"
)

// converting is the stage of a lane whose two parties do not call the same codec
// by the same number, or do not speak the same at all. As long as every packet
// has a codec that the receiver knows, only the number is changed in it; from the
// first one that has not, the stream is decoded and encoded, as one of our own,
// until for a second none has needed it.
type converting struct {
	relay *Relay
	from  media.Side

	numbers [128]uint8 // what the receiver calls what the sender calls so
	decode  [2]uint64  // payload types that the receiver does not know
	only    bool       // numbers alone are changed: nothing can be decoded

	frame   time.Duration    // packets to the receiver must last so long; 0: as they come
	in      []media.Format   // of the sender's payload types, as far as they can be decoded
	terms   codec.Terms      // for the conversion
	codec   *codec.Converter // nil: not begun
	broken  bool             // it cannot be had
	plain   int              // packets of speech in a row that did not need it
	ended   int64            // when it was last of use, on the relay's clock
	counted codec.Counts     // of its own counts, in the flow's
	buf     []byte           // the packet that it makes
	extra   packet           // one beside the packet in hand
}

// reconvert gives both lanes the stage that what was said last asks for. The
// caller holds r.nego and r.mu.
func (r *Relay) reconvert() {
	for _, from := range []media.Side{media.Caller, media.Callee} {
		l := &r.lanes[index(from)]
		was, _ := l.convert.(*converting)
		now := r.conversion(from)
		switch {
		case now == nil:
			l.convert = nil
		case was != nil && was.same(now):
		default:
			now.follow(was)
			l.convert = now
		}
	}
}

// conversion is what a direction needs; nil: nothing. The sender uses the numbers
// that we told him, or, if he is no stickler, his own.
func (r *Relay) conversion(from media.Side) *converting {
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	if me.desc == nil || peer.desc == nil || me.dropped || peer.dropped {
		return nil
	}
	c := &converting{relay: r, from: from, frame: r.terms(from.Other()).PacketTime}
	sends := r.tongues(from)
	for pt := range c.numbers {
		c.numbers[pt] = uint8(pt)
	}
	changed := false
	for _, f := range sends {
		if to, ok := named(f, peer.desc.Formats()); ok {
			c.numbers[f.PT] = to
			changed = changed || to != f.PT
		} else if codec.Known(f) {
			c.decode[f.PT>>6] |= 1 << (f.PT & 63)
		}
		if codec.Known(f) {
			c.in = append(c.in, f)
		}
	}
	c.only = !sdp.Converts(me.desc, peer.desc, r.converter())
	if c.only {
		c.decode, c.frame = [2]uint64{}, 0
	}
	if !changed && c.decode == [2]uint64{} && c.frame == 0 {
		return nil
	}
	c.terms = codec.Terms{In: sends, Out: peer.desc.Formats(), Frame: c.packetTime(peer.desc)}
	return c
}

// tongues are the formats a side may send in, each number once.
func (r *Relay) tongues(from media.Side) (all []media.Format) {
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	var told []media.Format
	if d, err := sdp.ParseFor(me.sent, sdp.AnyKind); err == nil {
		told = d.Formats()
	}
	for _, formats := range [][]media.Format{told, peer.desc.Formats(), me.desc.Formats()} {
		for _, f := range formats {
			if !slices.ContainsFunc(all, func(g media.Format) bool { return g.PT == f.PT }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// named is the number that a party has for a codec; its own for the sender's when
// it has that too.
func named(f media.Format, formats []media.Format) (pt uint8, ok bool) {
	for _, g := range formats {
		if g.Name == f.Name && g.Clock == f.Clock && g.Channels == f.Channels {
			if g.PT == f.PT {
				return g.PT, true
			}
			if !ok {
				pt, ok = g.PT, true
			}
		}
	}
	return pt, ok
}

// packetTime is that of our own packets: what the trunk wants, else what the
// receiver asks for, as far as we can make such.
func (c *converting) packetTime(to *sdp.Description) time.Duration {
	wish := c.frame
	if wish == 0 {
		wish = to.PacketTime()
	}
	i := slices.IndexFunc(to.Formats(), codec.Known)
	if i < 0 {
		return 0
	}
	return codec.Frame(to.Formats()[i], wish)
}

func (c *converting) same(o *converting) bool {
	return c.numbers == o.numbers && c.decode == o.decode && c.frame == o.frame && slices.Equal(c.in, o.in) &&
		slices.Equal(c.terms.Out, o.terms.Out) && c.terms.Frame == o.terms.Frame
}

// follow takes over what the receiver has to find continued.
func (c *converting) follow(was *converting) {
	c.terms.SSRC, c.terms.Seq, c.terms.TS = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32()
	if was == nil {
		return
	}
	c.buf = was.buf
	clock := codec.Clock(c.terms.Out)
	switch {
	case clock != codec.Clock(was.terms.Out): // timestamps in another clock are another source's (RFC 7160)
	case was.codec == nil:
		c.terms.SSRC, c.terms.Seq, c.terms.TS, c.ended = was.terms.SSRC, was.terms.Seq, was.terms.TS, was.ended
	default:
		c.terms.SSRC = was.terms.SSRC
		c.terms.Seq, c.terms.TS = was.codec.Position(c.relay.clock(time.Now()))
	}
}

func (c *converting) pass(p *packet) media.Drop {
	pt := p.header.pt
	needs := c.needs(p)
	if c.codec != nil && c.heard(pt) >= 0 {
		if c.plain++; needs {
			c.plain = 0
		}
		if c.plain > plainEnough {
			c.end(p.at)
		}
	}
	if c.codec == nil && !needs {
		if to := c.numbers[pt]; to != pt {
			p.buf[1] = p.buf[1]&0x80 | to
			p.header.pt = to
		}
		return forward
	}
	if c.codec == nil && !c.begin(p.at) {
		return media.DropCodec
	}
	h := &p.header
	c.codec.Put(&media.Packet{
		PT: h.pt, Marker: h.marker, Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Payload: p.buf[h.start:h.end],
	}, p.at)
	return c.next(p)
}

// needs reports whether a packet cannot go on as it is.
func (c *converting) needs(p *packet) bool {
	pt := p.header.pt
	if c.broken {
		return false
	}
	if c.decode[pt>>6]&(1<<(pt&63)) != 0 {
		return true
	}
	if c.frame == 0 {
		return false
	}
	i := c.heard(pt)
	if i < 0 {
		return false
	}
	long := codec.Length(c.in[i], p.buf[p.header.start:p.header.end])
	return long > 0 && long != c.terms.Frame
}

// heard is the place of a payload type among those that can be decoded; -1: none.
func (c *converting) heard(pt uint8) int {
	return slices.IndexFunc(c.in, func(f media.Format) bool { return f.PT == pt })
}

// skip takes a packet that is kept from the receiver.
func (c *converting) skip(p *packet) {
	if h := &p.header; c.codec != nil {
		c.codec.Skip(&media.Packet{PT: h.pt, Seq: h.seq, TS: h.ts, SSRC: h.ssrc}, p.at)
	}
}

// plainEnough is after how many packets that need no conversion it is over.
const plainEnough = 50

// end gives the receiver the sender's own stream again.
func (c *converting) end(at int64) {
	c.terms.Seq, c.terms.TS = c.codec.Position(at)
	c.codec, c.counted, c.plain, c.ended = nil, codec.Counts{}, 0, at
}

// begin makes the converter, whose stream goes on where it ended.
func (c *converting) begin(at int64) bool {
	if c.ended > 0 {
		c.terms.TS += uint32((at - c.ended) / int64(time.Millisecond) * int64(codec.Clock(c.terms.Out)) / 1000)
	}
	conv, err := codec.NewConverter(c.terms)
	if err != nil {
		c.broken = true
		c.relay.pool.engine.log.Error("codec cannot be converted", "call", c.relay.id, "side", c.from.String(), "error", err)
		return false
	}
	c.codec = conv
	c.relay.pool.converted.Add(1)
	if c.buf == nil {
		c.buf = make([]byte, 0, maxDatagram)
	}
	c.relay.pool.beat.hurry(c.relay)
	return true
}

// next puts the last packet that is ready in the place of the one in hand, and
// sends those before it, in their order.
func (c *converting) next(p *packet) media.Drop {
	defer c.tally()
	pkt, ok := c.codec.Next(c.buf[:0], p.at)
	if !ok {
		return taken
	}
	for {
		p.buf = append(p.buf[:0], pkt...)
		p.header, _ = parseRTP(p.buf)
		if pkt, ok = c.codec.Next(c.buf[:0], p.at); !ok {
			return forward
		}
		c.extra = *p
		c.push()
	}
}

// push sends extra by the rest of the lane, before the packet in hand or while
// there is none.
func (c *converting) push() {
	r, p := c.relay, &c.extra
	if s := r.lanes[index(c.from)].sound; s != nil && s.pass(p) != forward {
		return
	}
	n := len(p.buf)
	if f := &r.flows[index(c.from)]; r.emit(p) {
		f.packets.Add(1)
		f.bytes.Add(uint64(n))
	}
}

// turn sends what is due though nothing came.
func (c *converting) turn(now time.Time, at int64) {
	if !c.codec.Waiting() {
		return
	}
	defer c.tally()
	c.codec.Tick(at)
	for {
		pkt, ok := c.codec.Next(c.buf[:0], at)
		if !ok {
			return
		}
		h, _ := parseRTP(pkt)
		c.extra = packet{buf: pkt, header: h, from: c.from, arrival: now, at: at}
		c.push()
	}
}

// place is where the receiver's stream stands, as the header of a packet that has
// just ended, and its clock; false: he gets the sender's own.
func (c *converting) place(at int64) (h header, clock int64, ok bool) {
	if c.codec == nil {
		return header{}, 0, false
	}
	seq, ts := c.codec.Position(at)
	hz := codec.Clock(c.terms.Out)
	return header{ssrc: c.terms.SSRC, seq: seq - 1, ts: ts - uint32(ticks(sound.Frame, hz))}, int64(hz), true
}

// tally counts the packets that came and were of no use.
func (c *converting) tally() {
	n, f := c.codec.Counts(), &c.relay.flows[index(c.from)]
	f.drops[media.DropCodec].Add(n.Unknown + n.Bad - c.counted.Unknown - c.counted.Bad)
	f.drops[media.DropLate].Add(n.Late + n.Twice - c.counted.Late - c.counted.Twice)
	c.counted = n
}

// convertOn gives the conversions their turn, every 20 ms while there are any. The
// caller holds r.mu.
func (r *Relay) convertOn(now time.Time) (busy bool) {
	for i := range r.lanes {
		if c, ok := r.lanes[i].convert.(*converting); ok && c.codec != nil {
			c.turn(now, r.clock(now))
			busy = true
		}
	}
	return busy
}
