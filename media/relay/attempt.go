package relay

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"

	"ringdown/media"
	"ringdown/media/sdp"
)

// attempt is what somebody was offered who may come to a side or take it over:
// a session of his own, with keys of its own and ports in his IP version.
type attempt struct {
	session, version uint64
	pair             *pair // the ports it names; nil: those of the party
	text             []byte
	secret           *secrecy
	places           [4]endpoint // where he was heard from, while another has the side
}

// formerMost is how many places are kept that nothing is accepted from.
const formerMost = 32

func (l *leg) keep(name string, a *attempt) {
	if l.attempts == nil {
		l.attempts = map[string]*attempt{}
	}
	if was := l.attempts[name]; was != nil && was.secret != l.secret {
		was.secret.wipe()
	}
	l.attempts[name] = a
}

// named is what the attempt was offered that src names; nil: it names none, or none
// that was offered anything.
func (l *leg) named(src media.Source) *attempt {
	if src.Attempt == "" {
		return nil
	}
	return l.attempts[src.Attempt]
}

// overFor is Over for an attempt with a name. The caller holds r.nego.
func (r *Relay) overFor(to media.Side, addr netip.Addr, src media.Source, of *sdp.Description) ([]byte, error) {
	l := &r.legs[index(to)]
	a := attempt{session: rand.Uint64() >> 1, version: 1, secret: r.newSecrecy(src.Terms.SRTP)}
	was := l.attempts[src.Attempt]
	if was != nil {
		a.session, a.version = was.session, was.version
	}
	var err error
	if a.pair, err = r.ports(to, r.pool.spotFor(addr, src.Terms.Address, l.pair.spot)); err != nil {
		return nil, err
	}
	write := r.offeringBy(to, src.Terms, of, of.Offer)
	if a.text, err = r.write(to, a, write); err == nil && was != nil && !bytes.Equal(a.text, was.text) {
		a.version++
		a.text, err = r.write(to, a, write)
	}
	if err != nil {
		return nil, err
	}
	l.keep(src.Attempt, &a)
	return bytes.Clone(a.text), nil
}

// write writes an offer of an attempt.
func (r *Relay) write(to media.Side, a attempt, write func(sdp.Ours) ([]byte, error)) ([]byte, error) {
	us, err := a.secret.write(r.ours(to, a), nil)
	if err != nil {
		return nil, err
	}
	return write(us)
}

// meetAttempt is meet for somebody who answers what he was offered, which may have
// named other ports than the party's.
func (r *Relay) meetAttempt(from media.Side, d *sdp.Description, a *attempt) error {
	before := r.legs[index(from)].pair.spot
	if a.pair != nil {
		r.turn(from, a.pair.spot) // cannot fail: both pairs are ours already
	}
	err := r.meet(from, d, true)
	if err != nil {
		r.turn(from, before)
	}
	return err
}

// seat gives a side to who answers an attempt, unless he has it already. What was
// learnt of who had it is forgotten, and from then on nothing of him passes: he may
// go on sending for a while, and from the new one's own host. The caller holds r.nego.
func (r *Relay) seat(side media.Side, name string, a *attempt, now int64) {
	l := &r.legs[index(side)]
	if l.who == name && l.secret == a.secret {
		return
	}
	r.mu.Lock()
	r.vacate(side)
	s := &r.sides[index(side)]
	*s = comes(s, name != "", a)
	r.forgetKeys(side)
	r.replan()
	r.forgetHeard(side, now)
	r.mu.Unlock()
	l.who, l.session = name, a.session
	r.confide(side, a.secret)
}

// comes is what is known of a side when another comes to it: where nobody is
// believed any more. Of attempts all are who were there, but for this one.
func comes(was *side, rivals bool, a *attempt) (s side) {
	places := was.source.places(was)
	if rivals {
		s.former, s.hellos = was.former, was.hellos
	}
	for _, p := range places {
		if !p.isZero() && !slices.Contains(s.former, p) {
			s.former = append(s.former, p)
		}
	}
	s.former = slices.DeleteFunc(s.former, func(p endpoint) bool { return slices.Contains(a.places[:], p) })
	s.former = s.former[max(0, len(s.former)-formerMost):]
	return s
}

// vacate notes with an attempt where its party was heard from. The caller holds
// r.nego and r.mu.
func (r *Relay) vacate(side media.Side) {
	l, s := &r.legs[index(side)], &r.sides[index(side)]
	if a := l.attempts[l.who]; a != nil && l.who != "" {
		a.places = s.source.places(s)
	}
}

// places are those of a party's RTP and RTCP, as it said and as was learnt.
func (s *source) places(of *side) [4]endpoint {
	return [4]endpoint{s.exact, s.locked, of.rtcp, of.rtcpSeen}
}
