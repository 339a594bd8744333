package relay

import "ringdown/media"

// maySend reports whether a party wants packets now, and where: what a lane's
// judge asks of a packet's receiver. The caller holds r.mu.
func (r *Relay) maySend(to media.Side) (endpoint, bool) {
	s := &r.sides[index(to)]
	if !s.ready || s.muted || !s.direction.Receives() {
		return endpoint{}, false
	}
	at := s.source.target()
	return at, !at.isZero()
}

// emit sends a packet of ours to a party, through the last stage of the lane that
// leads there. p.from is the other side; buf, header and at are filled in. It is
// false when nothing went out. The caller holds r.mu.
func (r *Relay) emit(p *packet) bool {
	to := p.from.Other()
	var ok bool
	if p.to, ok = r.maySend(to); !ok {
		return false
	}
	if seal := r.lanes[index(p.from)].seal; seal != nil && seal.pass(p) != forward {
		return false
	}
	place := p.to.addrPort()
	out := r.outlets[index(to)].rtp.towards(place)
	if out == nil || out.send(p.buf, place) != nil {
		return false
	}
	r.sends(to, &p.header, p.at)
	return true
}
