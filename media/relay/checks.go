package relay

import (
	"ringdown/media"
	"ringdown/media/secure"
)

// endpoints is the last few places that have passed a check.
type endpoints struct {
	all  [8]endpoint
	next uint8
}

func (e *endpoints) has(p endpoint) bool {
	if e == nil {
		return false
	}
	for i := range e.all {
		if e.all[i] == p {
			return !p.isZero()
		}
	}
	return false
}

// add puts a place in the oldest one's stead, but never in that of keep.
func (e *endpoints) add(p, keep endpoint) {
	if e.has(p) {
		return
	}
	if e.all[e.next] == keep && !keep.isZero() {
		e.next = (e.next + 1) % uint8(len(e.all))
	}
	e.all[e.next] = p
	e.next = (e.next + 1) % uint8(len(e.all))
}

// checked makes connectivity checks the rule of a source: a place is what has
// passed one (RFC 8445 7.3). After a restart the place that is used stays so until
// another is nominated.
func (s *source) checked(restarted bool) {
	s.ice = true
	if restarted || s.valid == nil {
		s.valid = &endpoints{}
		if !s.locked.isZero() {
			s.valid.add(s.locked, endpoint{})
		}
	}
}

// passed notes a place that a check came from. The first is used at once, and
// then whichever is nominated last.
func (s *source) passed(at endpoint, nominated bool) {
	s.valid.add(at, s.locked)
	if nominated || s.locked.isZero() {
		s.locked = at
	}
}

// aside takes what comes to an RTP port and is neither RTP nor RTCP (RFC 7983).
// ok is false for what is nothing of that kind. The caller holds r.mu.
func (r *Relay) aside(p *packet) (verdict media.Drop, ok bool) {
	switch {
	case len(p.buf) == 0 || p.buf[0] >= 128:
		return 0, false
	case secure.IsSTUN(p.buf):
		return r.check(p), true
	case secure.IsDTLS(p.buf) && r.dtls[index(p.from)] != nil:
		return r.shake(p), true
	case isClientHello(p.buf) && !r.sides[index(p.from)].ready:
		return r.greeted(p), true
	}
	return 0, false
}

// check answers a connectivity check. Parties that do without ICE send STUN too,
// to keep their NAT open; that is counted and wants no answer. Who does not know
// the names costs no HMAC and takes nothing from anybody's rate; who knows them
// and comes from elsewhere takes nothing from the places that have passed.
func (r *Relay) check(p *packet) media.Drop {
	s := &r.sides[index(p.from)]
	switch {
	case !s.ready || p.src.isZero():
		return media.DropSource
	case s.ice == nil && p.src != s.source.locked && !s.source.permits(p.src):
		return media.DropSource
	case s.ice == nil || !s.ice.Names(p.buf):
		return media.DropSTUN
	}
	rate := &s.checkRate
	if s.source.valid.has(p.src) {
		rate = &s.passedRate
	}
	if !rate.take(p.at, r.interval) {
		return media.DropRate
	}
	from := p.src.addrPort()
	answer, valid, nominated, err := s.ice.Take(p.buf, from)
	if err != nil {
		return media.DropSTUN
	}
	if out := r.outlets[index(p.from)].rtp.towards(from); out == nil || out.send(answer, from) != nil {
		return media.DropSend
	}
	if !valid {
		return taken
	}
	before := s.source.locked
	s.source.passed(p.src, nominated)
	if a := r.dtls[index(p.from)]; a != nil && a.client && a.hand == nil {
		a.begin(p.src)
	}
	if s.source.locked != before {
		r.replan()
	}
	return taken
}
