package relay

import (
	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sound"
	"time"
)

// Figures of playing, in nanoseconds.
const (
	frameTime = int64(sound.Frame)
	// quiet is for how long nothing of the other party has come when we speak by
	// ourselves what was to lie under its talk.
	quiet = int64(100 * time.Millisecond)
	// behind is by how much a turn may be late until the frames missed are left out.
	behind = int64(200 * time.Millisecond)
	// hearFirst is how long we listen, before the first packet of ours, for where
	// the other party's stream stands, when it passed below us.
	hearFirst = int64(40 * time.Millisecond)
)

// player is the sound stage of the lane that leads to a party. Guarded by Relay.mu.
type player struct {
	r      *Relay
	to     media.Side
	tongue tongue
	voice  voice

	instead, under *cue
	next           int64 // when our next frame is due; 0: we do not speak
	spoke          bool  // the frame before it went out
	talked         int64 // when the other party's talk came last

	press *presser // keys that are sent; nil: none ever were

	talk, extra []int16 // room for the samples of one packet
	out         packet  // of ours
	room        []byte
}

func newPlayer(r *Relay, to media.Side) *player {
	most := int(codec.MaxFrame * 48000 / time.Second)
	return &player{r: r, to: to, talk: make([]int16, most), extra: make([]int16, most), room: make([]byte, maxDatagram+tailroom)}
}

func (p *player) from() int { return index(p.to.Other()) }

// begin puts a cue in the place of the one that plays in the same way.
func (p *player) begin(c *cue, at int64) {
	slot := &p.instead
	if c.order.Under {
		slot = &p.under
	}
	p.finish(slot, media.PlayReplaced)
	*slot, c.due, c.bed.Steady = c, at, c.order.Level
	p.attach(at)
	c.due += p.listenFirst(at)
}

// listenFirst is how long to wait until the other party's stream is known, which
// has passed below us until now.
func (p *player) listenFirst(at int64) int64 {
	heard := p.r.flows[p.from()].last.Load() - 1
	if !p.voice.known && heard >= 0 && at-heard <= quiet {
		return hearFirst
	}
	return 0
}

// attach makes the player a stage of its lane while it has anything to do there:
// a direction without one may pass below us. When it comes back it looks where
// the stream stands, which is known when the last packet passed here.
func (p *player) attach(at int64) {
	l := &p.r.lanes[p.from()]
	needed := p.waits(at+quiet) || !p.voice.passive()
	if needed == (l.sound != nil) {
		return
	}
	if !needed {
		l.sound = nil
		p.r.replan()
		return
	}
	l.sound = p
	p.r.replan() // tells us of what passed below
	p.voice, p.next, p.spoke = voice{}, 0, false
	p.look(at)
}

// look finds out where the stream stands that the listener gets of the other
// party. A conversion knows; else it is known when the last packet came to us,
// whatever became of it, or passed below us.
func (p *player) look(now int64) {
	if p.voice.known {
		return
	}
	l := &p.r.lanes[p.from()]
	if c, ok := l.convert.(*converting); ok {
		if h, clock, ok := c.place(now); ok {
			p.voice.meet(&h, now, clock)
			return
		}
	}
	if h, at := l.latest(); h.start > 0 && at+1 == p.r.flows[p.from()].last.Load() {
		p.voice.meet(h, at, p.clock(h.pt))
	}
}

// waits reports whether something plays, or begins before a moment.
func (p *player) waits(before int64) bool {
	return p.instead.waits(before) || p.under.waits(before) || p.press.busy()
}

func (p *player) clock(pt uint8) int64 {
	f, _ := p.tongue.format(pt)
	return int64(f.Clock)
}

// pass is the stage: a packet of the other party on its way to the listener.
func (p *player) pass(k *packet) media.Drop {
	if p.instead.on() || p.press.on(k.at) {
		return media.DropReplaced
	}
	if !p.voice.pass(k, p.clock(k.header.pt)) {
		return media.DropReplaced
	}
	if p.under.on() {
		p.mix(k)
	}
	return forward
}

// mix lays the sound under the talk in a packet. One that holds no talk passes as
// it is; where we do not speak its codec the sound cannot be heard this time.
func (p *player) mix(k *packet) {
	h, c := &k.header, p.under
	f, known := p.tongue.format(h.pt)
	if known && f.Name == "CN" {
		return
	}
	p.talked = k.at
	if known && f.Name == "TELEPHONE-EVENT" {
		return
	}
	if !p.tongue.listen(h.pt) {
		p.over(&p.under, k.at, media.PlayNoCodec)
		return
	}
	rate := p.tongue.dec.Rate()
	n, err := p.tongue.dec.Decode(p.talk, k.buf[h.start:h.end])
	if err != nil || n == 0 {
		return
	}
	c.tune(rate)
	heard := c.at.Next(p.extra[:n])
	c.bed.Mix(p.talk[:n], p.extra[:n])
	if mixed := p.tongue.re.Encode(k.buf[:h.start], p.talk[:n]); len(mixed) > h.start {
		k.buf, h.end = mixed, len(mixed)
		k.buf[0] &^= 0x20 // the padding is gone
	}
	c.count(heard)
	p.ended(&p.under, k.at)
}

// turn is the player's share of the fast beat: it begins what is due and, where
// nothing of the other party is to be heard, speaks.
func (p *player) turn(at int64) {
	p.attach(at)
	if p.press.on(at) {
		p.next, p.spoke = 0, p.spoke && p.press.begun
		p.pressOn(at)
		p.attach(at)
		return
	}
	if p.instead.start(at) {
		p.look(at)
	}
	if p.under.start(at) {
		p.talked = max(p.talked, p.r.flows[p.from()].last.Load()-1)
	}
	if p.instead.on() || p.under.on() && at-p.talked > quiet {
		if p.next == 0 || at-p.next > behind {
			p.next, p.spoke = at, false
		}
		for ; p.next <= at; p.next += frameTime {
			p.ended(&p.instead, p.next)
			p.ended(&p.under, p.next)
			if !p.instead.on() && !p.under.on() {
				break
			}
			p.speak(p.next)
		}
	} else {
		p.next, p.spoke = 0, false
	}
	p.attach(at)
}

// speak sends one frame of ours, when the listener may be sent one: a sound that
// has to wait for that goes on where it stood.
func (p *player) speak(at int64) {
	if _, ok := p.r.maySend(p.to); !ok || p.tongue.rate == 0 {
		p.spoke = false
		return
	}
	size := sound.FrameSize(p.tongue.rate)
	b := p.frame(p.room[:12:cap(p.room)-tailroom], size)
	if p.spoke = len(b) > 12 && p.send(b, at); p.spoke || len(b) == 12 {
		p.under.count(size)
		p.instead.count(size)
	}
}

// frame appends the payload of what is to be heard now; nothing when the encoder
// has nothing worth sending.
func (p *player) frame(b []byte, size int) []byte {
	c := p.instead
	if c.on() && !p.under.on() {
		c.tune(p.tongue.rate)
		if payload, ok := c.shared(&p.tongue); ok {
			c.at.Skip(size)
			return append(b, payload...)
		}
	}
	mixed, extra := p.talk[:size], p.extra[:size]
	clear(mixed)
	if c.on() {
		c.tune(p.tongue.rate)
		c.at.Next(mixed)
	}
	if p.under.on() {
		p.under.tune(p.tongue.rate)
		p.under.at.Next(extra)
		p.under.bed.Mix(mixed, extra)
	}
	return p.tongue.speak(b, mixed)
}

// send makes an RTP packet of a payload behind twelve bytes of room.
func (p *player) send(b []byte, at int64) bool {
	f := p.tongue.own
	h := p.voice.ours(f.PT, uint32(int64(f.Clock)*frameTime/int64(time.Second)), at, int64(f.Clock), !p.spoke)
	b[0] = 2 << 6
	h.write(b)
	h.end = len(b)
	p.out = packet{buf: b, header: h, from: p.to.Other(), arrival: p.r.start.Add(time.Duration(at)), at: at}
	return p.r.emit(&p.out)
}

// ended ends a cue whose last sample was heard.
func (p *player) ended(slot **cue, at int64) {
	if c := *slot; c.on() && c.rate != 0 && c.at.Over() && !c.next() {
		c.complete = true
		p.over(slot, at, media.PlayFinished)
	}
}

// over ends a cue for this time, or for good when it does not come again.
func (p *player) over(slot **cue, at int64, end media.PlayEnd) {
	c := *slot
	if c.order.Every <= 0 {
		p.finish(slot, end)
		return
	}
	c.sounding = false
	for c.due <= at {
		c.due += int64(c.order.Every)
	}
}

// finish ends a cue for good and says so.
func (p *player) finish(slot **cue, end media.PlayEnd) {
	if c := *slot; c != nil {
		*slot = nil
		done := c.playback(end)
		p.r.notice(media.Notice{Kind: media.Played, Side: p.to, At: time.Now(), Playback: &done})
	}
}

// retune speaks to a listener who takes other formats now.
func (p *player) retune(t tongue) {
	p.tongue = t
	if p.instead != nil {
		p.instead.frames, p.instead.alone = nil, false
	}
	if t.rate == 0 {
		p.finish(&p.instead, media.PlayNoCodec)
		p.finish(&p.under, media.PlayNoCodec)
	}
}

// barge ends what a digit of the listener ends.
func (p *player) barge() {
	for _, slot := range []**cue{&p.instead, &p.under} {
		if *slot != nil && (*slot).order.Barge {
			p.finish(slot, media.PlayBarged)
		}
	}
}

// find returns the place of a cue; nil: it plays no more.
func (p *player) find(id int) **cue {
	for _, slot := range []**cue{&p.instead, &p.under} {
		if *slot != nil && (*slot).id == id {
			return slot
		}
	}
	return nil
}
