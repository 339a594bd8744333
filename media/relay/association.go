package relay

import (
	"bytes"
	"slices"

	"ringdown/media"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// association is DTLS with the party of one side: a handshake, or the readiness
// for one. While it has made no keys nothing passes. Guarded by Relay.mu.
type association struct {
	relay  *Relay
	side   media.Side
	of     *secrecy
	peer   []secure.Fingerprint
	said   []string // the same, as they were written
	client bool
	hand   *secure.Handshake // nil: none is going on, or has succeeded
	from   endpoint          // whom it is with
	tries  int
	rate   bucket
}

// maxTries is how many handshakes of one association may fail: whoever disturbs
// them has to be where the party is signalled to be.
const maxTries = 8

// encryptByDTLS prepares the lanes of a side for keys that are made in the media
// path; those of the same party stay as they are. The caller holds r.nego and r.mu.
func (r *Relay) encryptByDTLS(of media.Side, said sdp.Security, choice sdp.Choice) {
	l, s := &r.legs[index(of)], &r.sides[index(of)]
	c := l.secret
	active, _ := c.speaksFirst(said, false) // the judge has asked before
	c.heard, c.said, c.choice, c.active = true, said, choice, active
	s.mux, s.unreported = said.Mux, !said.Mux
	if choice.ICE {
		end, restarted := c.meets(said)
		s.source.checked(restarted)
		s.ice, s.muted = end, l.dropped
	}
	if a := r.dtls[index(of)]; a != nil && a.of == c && a.client == active && slices.Equal(a.said, said.Fingerprints) {
		return
	}
	r.forsake(of)
	s.mux, s.unreported = said.Mux, !said.Mux
	r.lanes[index(of)].open, r.lanes[index(of.Other())].seal = shut{}, shut{}
	peer, _ := secure.ParseFingerprints(said.Fingerprints)
	a := &association{relay: r, side: of, of: c, peer: peer, said: said.Fingerprints, client: active}
	r.dtls[index(of)] = a
	if to := s.source.target(); active && !to.isZero() && !s.muted {
		a.begin(to)
	}
	if h := s.earlyHello(); h != nil && !active {
		if a.begin(h.src); a.hand != nil {
			a.hand.Take(h.pkt)
		}
	}
	s.hellos = nil
}

// hello is what began a handshake before the answer came that says by whom.
type hello struct {
	src endpoint
	pkt []byte
}

// hellosMost is how many places may have begun before the answer: who comes after
// them is heard when he says it again, a second later.
const hellosMost = 8

// greeted keeps a party's first word until its description is here: phones speak
// as soon as they answer, and would say it again only a second later. Who the party
// is nobody knows yet, so each place has one kept, the last, and none takes that of
// another. It counts for nothing before its source is known.
func (r *Relay) greeted(p *packet) media.Drop {
	s := &r.sides[index(p.from)]
	if len(p.buf) > 1500 {
		return media.DropMalformed
	}
	for i := range s.hellos {
		if h := &s.hellos[i]; h.src == p.src {
			h.pkt = append(h.pkt[:0], p.buf...)
			return taken
		}
	}
	if len(s.hellos) == hellosMost {
		return media.DropRate
	}
	s.hellos = append(s.hellos, hello{p.src, bytes.Clone(p.buf)})
	return taken
}

// earlyHello is the one of those kept that the party said: from where it says it
// is, before any other place that its rule allows.
func (s *side) earlyHello() (found *hello) {
	for i := range s.hellos {
		h := &s.hellos[i]
		if !s.source.mayShake(h.src) {
			continue
		}
		if h.src == s.source.exact {
			return h
		}
		if found == nil {
			found = h
		}
	}
	return found
}

// forsake ends what a side has of DTLS. The caller holds r.mu.
func (r *Relay) forsake(side media.Side) {
	s := &r.sides[index(side)]
	s.mux, s.unreported = false, false
	if a := r.dtls[index(side)]; a != nil {
		a.end()
		r.dtls[index(side)] = nil
	}
}

func (a *association) end() {
	if a.hand != nil {
		a.hand.Close()
		a.hand = nil
	}
}

// begin shakes hands with a place. The caller holds Relay.mu.
func (a *association) begin(with endpoint) {
	id, err := a.of.identity()
	if err != nil || a.tries == maxTries {
		return
	}
	a.tries++
	a.from = with
	try := a.tries
	a.hand = id.Start(secure.DTLS{
		Client: a.client, Peer: a.peer,
		Send: a.send,
		Done: func(keys secure.Pair, err error) { a.done(try, keys, err) },
	})
}

// send carries a datagram of the handshake; it comes from one of its goroutines.
func (a *association) send(pkt []byte) error {
	r := a.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.dtls[index(a.side)] != a {
		return nil
	}
	to := a.from.addrPort()
	if out := r.outlets[index(a.side)].rtp.towards(to); out != nil {
		return out.send(pkt, to)
	}
	return nil
}

// done takes the keys, or why there are none: then the next try of the party is
// waited for, and the call goes on.
func (a *association) done(try int, keys secure.Pair, err error) {
	r := a.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	defer keys.Wipe()
	if r.over || r.dtls[index(a.side)] != a || a.tries != try {
		return
	}
	var sealer *secure.Sealer
	var opener *secure.Opener
	if err == nil {
		sealer, err = secure.NewSealer(keys.Ours)
	}
	if err == nil {
		opener, err = secure.NewOpener(keys.Theirs)
	}
	if err != nil {
		a.hand = nil
		r.pool.engine.log.Warn("media of a party cannot be encrypted", "call", r.id, "side", a.side.String(), "error", err)
		return
	}
	s := &r.sides[index(a.side)]
	r.lanes[index(a.side)].open = &opening{of: a.of, side: s, opener: opener}
	r.lanes[index(a.side.Other())].seal = &sealing{a.of, sealer}
	s.source.proved(a.from)
	r.replan()
}

// shake takes a DTLS datagram. The caller holds r.mu.
func (r *Relay) shake(p *packet) media.Drop {
	a, s := r.dtls[index(p.from)], &r.sides[index(p.from)]
	switch {
	case !s.ready || !s.source.mayShake(p.src):
		return media.DropSource
	case !a.rate.take(p.at, r.interval):
		return media.DropRate
	case a.hand == nil && (a.client || !isClientHello(p.buf)):
		return taken // of a handshake that is over
	case a.hand == nil:
		a.begin(p.src)
	case p.src != a.from && s.ice == nil:
		return media.DropSource
	}
	if a.hand == nil {
		return media.DropAuth // it failed too often
	}
	a.from = p.src
	a.hand.Take(p.buf)
	return taken
}

// isClientHello reports whether a DTLS datagram begins a handshake (RFC 6347 4.2).
func isClientHello(b []byte) bool { return len(b) > 13 && b[0] == 22 && b[13] == 1 }

// mayShake reports whether a handshake may come from an address: one that was
// signalled, or that has passed a check. A rule that lets anyone be learnt
// lets nobody shake hands but from where he said he is.
func (s *source) mayShake(from endpoint) bool {
	if s.ice {
		return s.valid.has(from)
	}
	return !from.isZero() && (from == s.exact || from == s.locked || s.permits(from) && (!s.latch || len(s.allow) > 0))
}

// proved takes the place of a party that has shown its certificate there.
func (s *source) proved(at endpoint) {
	if s.locked.isZero() || at == s.exact || s.latch {
		s.locked, s.n = at, 0
	}
}
