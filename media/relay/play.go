package relay

import (
	"errors"
	"fmt"
	"time"

	"ringdown/media"
	"ringdown/media/sound"
)

// ErrNoCodec says that a party takes no codec that we speak: nothing can be
// played to it.
var ErrNoCodec = errors.New("the party takes no codec that we speak")

// errNoSound names what a [media.Sound] lacks; routing has checked it before.
var errNoSound = errors.New("there is no such sound")

// Play plays a sound to a side, from the next frame on, in place of a sound that
// plays there in the same way (instead of talk, or under it), and those of
// order.Then behind it: there is no gap between them, but each begins with a packet of
// its own, so up to 20 ms of silence fill up the last packet of the one before. It
// needs a description of that side and nothing of the other. When the sound is over the
// notice function is told ([media.Played]), unless [Relay.Stop] or Close ended it.
//
// While it plays instead of talk, what the other side sends is not forwarded
// ([media.DropReplaced]); the tap gets it all the same, and never hears a sound
// of ours. A side that may not be sent anything now hears the sound when it may.
func (r *Relay) Play(order media.Play) (id int, err error) {
	var all []*sound.Sound
	for _, of := range append([]media.Sound{order.Sound}, order.Then...) {
		s, err := r.pool.sound(of)
		if err != nil {
			return 0, fmt.Errorf("sound for the %s: %w", order.To, err)
		}
		all = append(all, s)
	}
	r.nego.Lock()
	defer r.nego.Unlock()
	l := &r.legs[index(order.To)]
	switch {
	case r.closed:
		return 0, errClosed
	case l.desc == nil:
		return 0, errNoCall
	}
	t := tongueFor(l.desc, l.sent)
	if t.rate == 0 {
		return 0, fmt.Errorf("sound for the %s: %w", order.To, ErrNoCodec)
	}
	for _, s := range all {
		t.warm(s)
	}
	r.warm()

	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.player(order.To)
	if !p.tongue.same(&t) {
		p.retune(t)
	}
	r.plays++
	p.begin(&cue{id: r.plays, order: order, sound: all[0], all: all}, r.clock(time.Now()))
	r.pool.beat.hurry(r)
	return r.plays, nil
}

// Stop ends a sound and says how far it came; ok is false when it plays no more.
func (r *Relay) Stop(id int) (done media.Playback, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.players {
		if p == nil {
			continue
		}
		if slot := p.find(id); slot != nil {
			done = (*slot).playback(media.PlayStopped)
			*slot = nil
			p.attach(r.clock(time.Now()))
			return done, true
		}
	}
	return media.Playback{}, false
}

// player is the one for a side, made when it is asked for first.
func (r *Relay) player(to media.Side) *player {
	p := r.players[index(to)]
	if p == nil {
		p = newPlayer(r, to)
		r.players[index(to)] = p
	}
	return p
}

// playOn gives the players their turn, every 20 ms while anything plays, and
// reports whether they need another. The caller holds r.mu.
func (r *Relay) playOn(now time.Time) (busy bool) {
	at := r.clock(now)
	for _, p := range r.players {
		if p != nil {
			p.turn(at)
			busy = busy || p.waits(at+int64(time.Second))
		}
	}
	return busy
}

// playSoon is the slow beat's part: it wakes the fast one for what begins before
// its next turn, and lets go of lanes that no longer need a player. The caller holds r.mu.
func (r *Relay) playSoon(now time.Time) {
	at := r.clock(now)
	for _, p := range r.players {
		if p == nil {
			continue
		}
		p.attach(at)
		if p.waits(at + int64(time.Second+2*slowBeat)) {
			r.pool.beat.hurry(r)
		}
	}
}

// warm converts what plays for what the parties take now, before the packet path
// needs it. No other sound can begin meanwhile. The caller holds r.nego.
func (r *Relay) warm() {
	type playing struct {
		s *sound.Sound
		t tongue
	}
	var all []playing
	r.mu.Lock()
	for i, p := range r.players {
		if p == nil || r.legs[i].desc == nil || p.instead == nil && p.under == nil {
			continue
		}
		t := tongueFor(r.legs[i].desc, r.legs[i].sent)
		for _, c := range [...]*cue{p.instead, p.under} {
			if c != nil && !p.tongue.same(&t) {
				for _, s := range c.all {
					all = append(all, playing{s, t})
				}
			}
		}
	}
	r.mu.Unlock()
	for _, w := range all {
		w.t.warm(w.s)
	}
}

// retune gives the players what a party takes now, which r.warm has seen to. The caller holds r.nego and r.mu.
func (r *Relay) retune() {
	for i, p := range r.players {
		if p == nil || r.legs[i].desc == nil {
			continue
		}
		if t := tongueFor(r.legs[i].desc, r.legs[i].sent); !p.tongue.same(&t) {
			p.retune(t)
		}
	}
}

// bargeIn ends what a digit of the listener ends. The caller holds r.mu.
func (r *Relay) bargeIn(listener media.Side) {
	if p := r.players[index(listener)]; p != nil {
		p.barge()
	}
}

// sound finds what an order names.
func (p *Pool) sound(of media.Sound) (*sound.Sound, error) {
	var s *sound.Sound
	switch {
	case of.File != "":
		s, err := p.sounds.File(of.File)
		if s == nil {
			return nil, err
		}
		if err != nil {
			p.engine.log.Warn("a sound file cannot be read again: the sound plays as it was", "file", of.File, "error", err)
		}
		return s, nil
	case of.Shipped != "":
		return p.sounds.Prompt(of.Shipped)
	case of.Ringback != "":
		s = p.sounds.Ringback(of.Ringback)
	case of.Beep:
		s = p.sounds.Beep()
	}
	if s == nil {
		return nil, errNoSound
	}
	return s, nil
}
