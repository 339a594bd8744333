package relay

import (
	"errors"
	"fmt"
	"time"

	"ringdown/media"
	"ringdown/media/digits"
	"ringdown/media/sound"
)

// ErrTooManyKeys says that more keys wait to be sent to a party than may.
var ErrTooManyKeys = errors.New("too many keys wait to be sent")

// presser sends keys to a party, as part of its player: while one goes out,
// nothing else does. Guarded by Relay.mu.
type presser struct {
	events digits.Sender
	ts     uint32 // of the event that is being sent

	tones [digits.Queue]media.Press // that wait, the first is being sent
	count int
	tone  digits.Tone
	begun bool
	rest  int64 // until when there is silence behind a tone
	due   int64 // when the first of those that wait may go
}

func (s *presser) busy() bool { return s != nil && (s.events.Busy() || s.count > 0) }

// on reports whether keys go out at this moment.
func (s *presser) on(at int64) bool { return s.busy() && at >= s.due }

// Press sends keys to a side, one after another: as events, as tones, or, with
// the zero Way, as events when the side has agreed on them and else as tones.
// While they go out the other side is not heard there. Fails with [ErrNoCodec] when
// the side takes neither, and with [ErrTooManyKeys] before any of them is sent.
func (r *Relay) Press(to media.Side, way media.Way, keys ...media.Press) error {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return errClosed
	}
	if r.legs[index(to)].desc == nil {
		return errNoCall
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		if err := r.press(to, k, way); err != nil {
			return fmt.Errorf("keys for the %s: %w", to, err)
		}
	}
	return nil
}

// press puts one key into the line. The caller holds r.mu.
func (r *Relay) press(to media.Side, key media.Press, way media.Way) error {
	p, side := r.player(to), &r.sides[index(to)]
	event := side.events
	if p.tongue.formats == nil && side.takes != nil {
		p.tongue = tongueFor(side.takes, side.told)
	}
	if p.press == nil {
		p.press = &presser{}
	}
	s, idle := p.press, !p.press.busy()
	switch {
	case way != media.BySound && event.clock != 0:
		if !s.events.Add(key) {
			return ErrTooManyKeys
		}
	case way == media.ByEvent || p.tongue.rate == 0 || key.Digit.Class() != media.KeyEvent:
		return ErrNoCodec
	case s.count == len(s.tones):
		return ErrTooManyKeys
	default:
		s.tones[s.count] = key
		s.count++
	}
	at := r.clock(time.Now())
	p.attach(at)
	if idle {
		s.due = at + p.listenFirst(at)
	}
	r.pool.beat.hurry(r)
	return nil
}

// pressOn is the presser's share of the fast beat.
func (p *player) pressOn(at int64) {
	if p.press.events.Busy() {
		p.pressEvent(at)
		return
	}
	p.pressTone(at)
}

// pressEvent sends the next packet of an event. All of one event have its timestamp
// (RFC 4733 2.5.1.2), so what follows is counted from that.
func (p *player) pressEvent(at int64) {
	s, event := p.press, p.r.sides[index(p.to)].events
	f, ok := s.events.Next(at, event.clock, sound.Frame)
	if !ok || event.clock == 0 {
		return
	}
	var h header
	if f.First {
		h = p.voice.ours(event.pt, uint32(ticks(sound.Frame, event.clock)), at, int64(event.clock), true)
		s.ts = h.ts
	} else {
		h = p.voice.again(event.pt, s.ts+f.Behind)
	}
	p.spoke = false
	b := append(p.room[:12], f.Payload[:]...)
	b[0] = 2 << 6
	h.write(b)
	h.end = len(b)
	p.out = packet{buf: b, header: h, from: p.to.Other(), arrival: p.r.start.Add(time.Duration(at)), at: at}
	p.r.emit(&p.out)
}

// pressTone sends the next frame of a tone, or of the silence behind it.
func (p *player) pressTone(at int64) {
	s := p.press
	if p.tongue.rate == 0 { // he takes no sound any more
		s.count = 0
		return
	}
	if !s.begun {
		s.begun, s.tone, s.rest = true, digits.NewTone(s.tones[0], p.tongue.rate), 0
	}
	pcm := p.talk[:sound.FrameSize(p.tongue.rate)]
	s.tone.Read(pcm)
	if b := p.tongue.speak(p.room[:12:cap(p.room)-tailroom], pcm); len(b) > 12 {
		p.spoke = p.send(b, at)
	}
	if s.tone.Over() {
		if s.rest == 0 {
			s.rest = at + int64(digits.Gap)
		}
		if at >= s.rest {
			s.begun = false
			s.count--
			copy(s.tones[:], s.tones[1:])
		}
	}
}

// again gives a further packet of ours its place under a timestamp of its own.
func (v *voice) again(pt uint8, ts uint32) header {
	v.seq++
	return header{pt: pt, seq: v.seq, ts: ts, ssrc: v.ssrc, start: 12, end: 12}
}
