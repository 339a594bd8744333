package relay

import (
	"time"

	"ringdown/media"
)

// Apart keeps the two sides from hearing each other, or lets them again. While it
// is on nothing of either side goes to the other: no packet ([media.DropApart]), no
// key in whatever way, no word of RTCP, which ends here anyway. Each side is judged,
// measured and sent our RTCP as ever, can be played to, and its keys are noticed
// ([media.Pressed]); codes are not looked for in them. Keys that are on their way to
// either side are dropped, so what [Relay.Press] is to send is ordered behind it.
//
// The tap gets nothing of either side meanwhile: what the callee says to a whisper,
// before he has taken the call, is nobody's to keep, and a whisper itself reaches
// the tap no more than any sound of ours. Who wants the caller's words without the
// callee's asks for them by [Relay.Dictate].
//
// It holds for whoever is on either side, so it may be said before there is
// anybody. When it returns nothing passes that was not on its way to the network.
func (r *Relay) Apart(on bool) {
	r.nego.Lock()
	defer r.nego.Unlock()
	r.part(on)
	if o := r.pool.offload; o != nil && on {
		o.settle()
	}
}

func (r *Relay) part(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apart == on || r.room {
		return
	}
	r.apart = on
	for i := range r.lanes {
		if on {
			r.cutOff(media.Side(i + 1))
			if p := r.players[i]; p != nil {
				p.press = nil
			}
		}
	}
	r.replan()
}

// cutOff drops what is on its way from a side. The caller holds r.mu.
func (r *Relay) cutOff(from media.Side) {
	l := &r.lanes[index(from)]
	if l.digits != nil {
		l.digits.codes.Forget()
	}
	if c, ok := l.convert.(*converting); ok && c.codec != nil {
		c.end(r.clock(time.Now())) // nothing of what it still holds goes out
	}
}

// Mute keeps the other side and the tap from hearing one ([media.DropMuted]), or
// lets them again. The rest is as of [Relay.Apart]: its keys are noticed and go no
// further, and it hears the other side. Whoever takes its place is muted too.
func (r *Relay) Mute(side media.Side, on bool) {
	r.nego.Lock()
	defer r.nego.Unlock()
	r.mu.Lock()
	if r.muted[index(side)] != on {
		r.muted[index(side)] = on
		if on {
			r.cutOff(side)
			if p := r.players[index(side.Other())]; p != nil {
				p.press = nil
			}
		}
		r.replan()
	}
	r.mu.Unlock()
	if o := r.pool.offload; o != nil && on {
		o.settle()
	}
}

// isAlone reports whether nobody but us hears what a side says. The caller holds r.mu.
func (r *Relay) isAlone(side media.Side) bool {
	return r.apart || r.muted[index(side)] || !r.sides[index(side.Other())].ready
}

// hearAlone takes what is for us of a packet that goes to nobody: its keys, and what
// is dictated. The caller holds r.mu.
func (r *Relay) hearAlone(p *packet) {
	l := &r.lanes[index(p.from)]
	if !r.isAlone(p.from) || !r.sides[index(p.from)].direction.Sends() {
		return
	}
	p.alone = true
	if l.digits != nil && l.digits.pass(p) != forward {
		return
	}
	if !p.copied {
		r.copy(p)
	}
}

// copies is the tap that gets what a side says when it is forwarded; nil: none.
func (r *Relay) copies(from media.Side) *tapBox {
	box := r.tap.Load()
	if box == nil || box.only != 0 && box.only != from {
		return nil
	}
	return box
}

// give hands the tap what a side has said, to the other one or to us alone.
func (r *Relay) give(p media.Packet, alone bool) {
	if box := r.copies(p.Side); box != nil && (!alone || box.only != 0) {
		box.Packet(p)
	}
}
