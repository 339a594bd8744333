package codec

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"ringdown/media"
)

// Converter makes a stream of RTP packets in one codec of a stream in another,
// as an RTP mixer of one would (RFC 3550 7.1): with an SSRC, numbers and
// timestamps of its own, so that to the receiver nothing happens when the sender
// is replaced or begins anew. It also changes packet times.
//
// It is driven by what comes: a packet that is due leaves at once, so that no
// time is added, and only one behind a hole waits ([Queue]). [Converter.Tick]
// is for what is to be sent while nothing comes: comfort noise.
//
// The order of calls is Put, then Next until it says no; Tick likewise. For one
// goroutine at a time; now is nanoseconds of any clock that only rises.
type Converter struct {
	in    [128]input
	lanes [opus + 1]*lane // by codec, made when it is first heard
	queue Queue
	enc   Encoder
	out   output
	count Counts

	ssrc   uint32 // of the sender
	began  bool
	expect uint32 // timestamp after what was heard last
	last   int    // samples in it, at its decoder's rate
	now    *lane  // who decoded it
	lost   int    // packets in a row
	calm   calm   // why nothing may be coming

	pcm  []int16 // just decoded, at the decoder's rate
	next []int16 // the same at the encoder's, when it does not follow what is in ready
	jump int     // samples between ready and next
	more bool    // next is to be taken
}

// Counts is what became of packets that were not simply converted.
type Counts struct {
	Unknown  uint64 // of a payload type without a meaning here, or with nowhere to go
	Bad      uint64 // that could not be decoded, and were made up for
	Lost     uint64 // that never came, and were made up for
	Repaired uint64 // of those, by what the packet after them said
	Late     uint64 // that came after they were made up for
	Twice    uint64
}

type input struct {
	kind  kind
	other other
	clock int
	f     media.Format
}

// other is what else comes in a stream of speech.
type other uint8

const (
	nothing other = iota
	event
	noise
)

// calm is why a stream may rest.
type calm uint8

const (
	talking calm = iota
	hushed       // it sent comfort noise
	resting      // its Opus says so (DTX)
	dialing      // it sends events
)

// lane is one codec of the sender.
type lane struct {
	dec   Decoder
	conv  *Resampler
	clock int
}

// Terms say what a [Converter] is for.
type Terms struct {
	In    []media.Format // what the payload types of the sender mean
	Out   []media.Format // what the receiver takes; the first that is [Known] is sent
	Frame time.Duration  // packet time to send with; 0: 20 ms
	SSRC  uint32         // to send with
	Seq   uint16         // of the first packet
	TS    uint32         // of the first sample
}

// NewConverter fails when none of one side's formats is [Known], or when the
// codec cannot have that packet time.
func NewConverter(t Terms) (*Converter, error) {
	voice := slices.IndexFunc(t.Out, Known)
	from := slices.IndexFunc(t.In, Known)
	if voice < 0 || from < 0 {
		return nil, fmt.Errorf("convert %s to %s: %w", names(t.In), names(t.Out), ErrUnknown)
	}
	c := &Converter{}
	for _, f := range t.In {
		in := input{kind: kindOf(f), clock: f.Clock, f: f}
		switch f.Name {
		case "TELEPHONE-EVENT":
			in.other = event
		case "CN":
			in.other = noise
		}
		if in.kind != none || in.other != nothing {
			c.in[f.PT&127] = in
		}
	}
	frame := t.Frame
	if frame == 0 {
		frame = 20 * time.Millisecond
	}
	var err error
	if c.enc, err = NewEncoder(t.Out[voice], Rate(t.In[from])); err != nil {
		return nil, err
	}
	if !c.enc.Fits(frame) {
		return nil, fmt.Errorf("%s has no packets of %v", t.Out[voice].Name, frame)
	}
	c.out.begin(t, t.Out[voice], c.enc.Rate(), frame)
	c.pcm = make([]int16, samples(MaxFrame, 48000))
	return c, nil
}

func names(fs []media.Format) (s []string) {
	for _, f := range fs {
		s = append(s, f.Name)
	}
	return s
}

// Put takes a packet of the sender; its payload is copied.
func (c *Converter) Put(p *media.Packet, now int64) {
	if !c.began || p.SSRC != c.ssrc {
		c.ssrc, c.began = p.SSRC, true
		c.queue.Reset()
		for _, l := range c.lanes {
			if l != nil {
				l.dec.Reset()
			}
		}
	}
	c.queue.Put(Unit{PT: p.PT, Marker: p.Marker, Seq: p.Seq, TS: p.TS, Payload: p.Payload}, now)
}

// Skip says of a packet of the sender that it is kept from the receiver, as one
// of a key may be: nothing is missing where it stood.
func (c *Converter) Skip(p *media.Packet, now int64) {
	if c.began && p.SSRC == c.ssrc {
		c.queue.Put(Unit{Seq: p.Seq, TS: p.TS, Mute: true}, now)
	}
}

// Waiting reports whether a call of Next at a later time may have something to
// say though no packet came.
func (c *Converter) Waiting() bool { return c.queue.Waiting() || c.generates() }

// Counts returns what was counted since the beginning.
func (c *Converter) Counts() Counts {
	n := c.count
	n.Late, n.Twice = c.queue.Late, c.queue.Twice
	return n
}

// Next appends the next packet to send to dst; ok is false when there is none.
func (c *Converter) Next(dst []byte, now int64) (pkt []byte, ok bool) {
	for {
		if pkt, ok = c.out.frame(dst, c.enc, now); ok {
			return pkt, true
		}
		if c.more {
			c.more = false
			c.out.skip(c.jump)
			c.out.ready = append(c.out.ready, c.next...)
			continue
		}
		u, due := c.queue.Take(now)
		if !due {
			return dst, false
		}
		in := &c.in[u.PT&127]
		switch {
		case u.Lost:
			c.miss(u)
		case u.Mute:
			c.calm = dialing
		case in.other == event:
			if pkt, ok = c.event(dst, u, in); ok {
				return pkt, true
			}
		case in.other == noise:
			if pkt, ok = c.noise(dst, u, now); ok {
				return pkt, true
			}
		case in.kind == none:
			c.count.Unknown++
		default:
			c.speech(u, in, now)
		}
	}
}

// lane returns the decoder of a payload type; nil: it cannot be had.
func (c *Converter) lane(in *input) *lane {
	l := c.lanes[in.kind]
	if l != nil {
		return l
	}
	dec, err := NewDecoder(in.f, c.enc.Rate())
	if err != nil {
		return nil
	}
	conv, err := NewResampler(dec.Rate(), c.enc.Rate())
	if err != nil {
		return nil
	}
	l = &lane{dec: dec, conv: conv, clock: in.clock}
	c.lanes[in.kind] = l
	return l
}

// speech decodes a packet and puts its sound where its timestamp says.
func (c *Converter) speech(u Unit, in *input, now int64) {
	l := c.lane(in)
	if l == nil {
		c.count.Unknown++
		return
	}
	if u.Fresh || l != c.now && c.now != nil {
		l.dec.Reset()
	}
	n, err := l.dec.Decode(c.pcm, u.Payload)
	if err != nil {
		c.count.Bad++
		if n = c.last; l != c.now || n == 0 {
			return
		}
		l.dec.Conceal(c.pcm[:n])
	}
	gap := 0
	if c.now != nil {
		gap = c.gap(u, l, now)
	}
	if c.calm != talking {
		c.out.marked = true
	}
	c.calm = talking
	if in.kind == opus && len(u.Payload) <= 2 {
		c.calm = resting
	}
	c.now, c.last, c.lost = l, n, 0
	c.expect = u.TS + uint32(n*l.clock/l.dec.Rate())
	c.out.theirs = u.TS
	c.place(c.pcm[:n], l, gap)
}

// gap is how many samples of ours nothing was said before a packet.
func (c *Converter) gap(u Unit, l *lane, now int64) int {
	off := int64(int32(u.TS - c.expect))
	rate := int64(c.enc.Rate())
	gap := off * rate / int64(l.clock)
	half := int64(c.last) * rate / int64(c.now.dec.Rate()) / 2
	switch {
	case l.clock != c.now.clock || u.Fresh && (off < 0 || gap > 30*rate) || gap < -half || gap > 30*rate:
		gap = c.out.behind(now) // its clock tells nothing: ours does
	case gap <= half:
		return 0
	}
	gap -= int64(c.out.made)
	return int(max(gap, 0))
}

// place appends sound to what is ready. A gap before it first fills the packet
// that is begun; what remains of it is a jump of the timestamp.
func (c *Converter) place(pcm []int16, l *lane, gap int) {
	c.out.made = 0
	if gap > 0 {
		fill := min(gap, c.out.missing())
		c.out.silence(fill)
		gap -= fill
	}
	c.out.ours = c.out.ts + c.out.ticks(len(c.out.ready)+gap)
	if gap == 0 {
		c.out.ready = l.conv.Append(c.out.ready, pcm)
		return
	}
	c.next = l.conv.Append(c.next[:0], pcm)
	c.jump, c.more = gap, true
}

// miss makes up for a lost packet, unless the one after it says that nothing was.
func (c *Converter) miss(u Unit) {
	l := c.now
	if l == nil || c.calm != talking || c.last == 0 {
		return
	}
	ticks := c.last * l.clock / l.dec.Rate()
	if u.Next && int32(u.NextTS-c.expect) < int32(ticks) {
		return // the lost one was no sound
	}
	c.count.Lost++
	if c.lost++; c.lost*ticks > l.clock*6/100 {
		return // nothing sensible can be made up after 60 ms
	}
	pcm := c.pcm[:c.last]
	if r, can := l.dec.(Repairer); can && u.Next && c.lanes[c.in[u.NextPT&127].kind] == l && r.Repair(pcm, u.Payload) {
		c.count.Repaired++
	} else {
		l.dec.Conceal(pcm)
	}
	c.out.theirs = c.expect
	c.expect += uint32(ticks)
	c.place(pcm, l, 0)
}

// event passes an RFC 4733 event on: at the same moment of the sound, with its
// duration in the receiver's clock.
func (c *Converter) event(dst []byte, u Unit, in *input) ([]byte, bool) {
	to := c.out.event
	if to.Name == "" || len(u.Payload) < 4 {
		c.count.Unknown++
		return dst, false
	}
	c.calm = dialing
	clock := 0 // of the sound beside it
	if c.now != nil {
		clock = c.now.clock
	}
	if !c.out.dialed || c.out.dialTheirs != u.TS { // all packets of an event have its timestamp
		c.out.dialed, c.out.dialTheirs = true, u.TS
		c.out.dialOurs = c.out.moment(u.TS, in.clock == clock, clock)
	}
	dst = c.out.header(dst, to.PT, u.Marker, c.out.dialOurs)
	at := len(dst)
	dst = append(dst, u.Payload...)
	long := uint64(binary.BigEndian.Uint16(u.Payload[2:])) * uint64(to.Clock) / uint64(in.clock)
	binary.BigEndian.PutUint16(dst[at+2:], uint16(min(long, 0xffff)))
	return dst, true
}

// noise passes comfort noise on to who knows it, and makes it for who does not.
func (c *Converter) noise(dst []byte, u Unit, now int64) ([]byte, bool) {
	if len(u.Payload) == 0 {
		c.count.Unknown++
		return dst, false
	}
	c.out.noise.Set(u.Payload)
	c.calm = hushed
	if c.out.cn.Name == "" {
		c.out.rest(now)
		return dst, false
	}
	clock := 0
	if c.now != nil {
		clock = c.now.clock
	}
	dst = c.out.header(dst, c.out.cn.PT, u.Marker, c.out.moment(u.TS, clock != 0, clock))
	return append(dst, u.Payload...), true
}

// generates reports whether the receiver hears noise of our making.
func (c *Converter) generates() bool {
	return c.calm == hushed && c.out.cn.Name == "" || c.calm == resting
}

// Tick makes the noise that is due while the sender rests.
func (c *Converter) Tick(now int64) {
	if !c.generates() || c.queue.Waiting() || c.more {
		return
	}
	for range c.out.due(now) {
		at := len(c.out.ready)
		n := c.out.size
		if c.calm == hushed {
			c.out.ready = append(c.out.ready, c.pcm[:n]...)
			c.out.noise.Fill(c.out.ready[at:])
		} else {
			pcm := c.pcm[:n*c.now.dec.Rate()/c.enc.Rate()]
			c.now.dec.Conceal(pcm) // Opus makes its own
			c.out.ready = c.now.conv.Append(c.out.ready, pcm)
		}
		c.out.made += n
	}
}

// Position is where another converter has to go on, at a time, so that the
// receiver's stream has no seam.
func (c *Converter) Position(now int64) (seq uint16, ts uint32) {
	return c.out.seq, c.out.ts + c.out.ticks(len(c.out.ready)+int(c.out.behind(now)))
}
