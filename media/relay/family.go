package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"ringdown/media"
	"ringdown/media/sdp"
)

// ErrFamily says that a party wants its media over an IP version in which we
// have no address: refuse with 488 and warning 301 (RFC 3261 20.43). It is an
// [sdp.ErrUnacceptable] too.
var ErrFamily = fmt.Errorf("media address is of an IP version that we have no address in: %w", sdp.ErrUnacceptable)

var errOtherFamily = fmt.Errorf("answer is over another IP version than the offer it answers: %w", sdp.ErrUnacceptable)

// family numbers the IP versions in tables.
type family uint8

const (
	four family = iota
	six
)

func familyOf(a netip.Addr) family {
	if a.Is4() || a.Is4In6() {
		return four
	}
	return six
}

// outlet is the socket towards one party for one kind of packet, in each IP
// version it may be reached over. The packet path reads it without a lock.
type outlet [2]atomic.Pointer[socket]

func (o *outlet) towards(to netip.AddrPort) *socket { return o[familyOf(to.Addr())].Load() }

// open makes a pair of a party's own ports live, both ways.
func (r *Relay) open(side media.Side, q *pair) {
	r.attend(side, q)
	r.mu.Lock()
	r.at[index(side)][q.family] = gateOf(r.pool.place(q.spot), q.port)
	r.mu.Unlock()
	mine := &r.outlets[index(side)]
	mine.rtp[q.family].Store(q.rtp)
	mine.rtcp[q.family].Store(q.rtcp)
}

// attend makes a pair of a party's own ports live for what it sends.
func (r *Relay) attend(side media.Side, q *pair) {
	peer := &r.outlets[index(side.Other())]
	q.rtp.bind(r.id, &rtpInput{input{r, side, &peer.rtp}})
	q.rtcp.bind(r.id, &rtcpInput{input{r, side, &peer.rtcp}})
}

// ports returns a side's pair at a spot, taken and opened when the call has none
// there yet. The caller holds r.nego.
func (r *Relay) ports(side media.Side, at spot) (*pair, error) {
	l := &r.legs[index(side)]
	if l.pair.spot == at {
		return l.pair, nil
	}
	for _, q := range l.others {
		if q.spot == at {
			return q, nil
		}
	}
	q, err := r.pool.take(at, r.loop)
	if err != nil {
		return nil, err
	}
	l.others = append(l.others, q)
	if q.family == l.pair.family { // the party is sent packets from its own ports until it turns
		r.attend(side, q)
	} else {
		r.open(side, q)
	}
	return q, nil
}

// turn makes a party's ports those at a spot, which are taken when the call has
// none there yet. Ports that the party was never told of are given back; others
// stay, because packets to them may be on their way. The caller holds r.nego.
func (r *Relay) turn(side media.Side, at spot) error {
	l := &r.legs[index(side)]
	if l.pair.spot == at {
		return nil
	}
	next, err := r.ports(side, at)
	if err != nil {
		return err
	}
	before := l.pair
	l.others[slices.Index(l.others, next)] = before
	l.pair = next
	if next.family == before.family {
		r.open(side, next)
	}
	if l.sent != nil {
		return nil
	}
	l.others = slices.DeleteFunc(l.others, func(q *pair) bool { return q == before })
	r.mu.Lock()
	if before.family != next.family {
		mine := &r.outlets[index(side)]
		mine.rtp[before.family].Store(nil)
		mine.rtcp[before.family].Store(nil)
		r.at[index(side)][before.family] = gate{}
	}
	r.replan()
	r.mu.Unlock()
	r.pool.quarantine(before)
	return nil
}

// Over returns our last offer to a side as it reads for a party that is reached
// at addr under the terms of src: with our address of the same IP version, when we have one, and from
// then on such are the offers to it until its own description says otherwise.
// Before there is an offer it returns nil and only notes the version.
//
// Several who are called at once each have a name (src.Attempt). Then the offer is
// theirs alone, with a session, keys and ports that are not those of the others, and
// touches nobody who is there; the answer that comes with the same name is the one to
// it. Whoever answers ([Relay.Answer], [Relay.Replace]) has the side until another
// one does.
func (r *Relay) Over(to media.Side, addr netip.Addr, src media.Source) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return nil, errClosed
	}
	from := r.legs[index(to.Other())].desc
	if from == nil {
		from = r.own
	}
	if src.Attempt != "" {
		if from == nil {
			return nil, nil
		}
		offer, err := r.overFor(to, addr, src, from)
		if err != nil {
			return nil, fmt.Errorf("offer to the %s: %w", to, err)
		}
		return offer, nil
	}
	if err := r.turn(to, r.pool.spotFor(addr, src.Terms.Address, r.legs[index(to)].pair.spot)); err != nil {
		return nil, fmt.Errorf("offer to the %s: %w", to, err)
	}
	r.confide(to, r.newSecrecy(src.Terms.SRTP))
	if from == nil {
		return nil, nil
	}
	r.legs[index(to)].speech, r.legs[index(to)].digits = src.Terms.Speech, src.Terms.Digits
	ours, err := r.describe(to, nil, r.offering(to, src.Terms.Speech, from, from.Offer))
	if err != nil {
		return nil, fmt.Errorf("offer to the %s: %w", to, err)
	}
	l := &r.legs[index(to)]
	l.sent, l.version = ours.text, ours.version
	return ours.text, nil
}

// meet gives a party that described itself ports in the IP version it wants.
// answer says that it answered an offer of ours, which named one already. It is
// the last thing of a negotiation that may fail.
func (r *Relay) meet(from media.Side, d *sdp.Description, answer bool) error {
	at, err := r.wants(from, r.legs[index(from)].pair.home, d, answer)
	if err != nil {
		return err
	}
	return r.turn(from, at)
}

// receive is meet for a party whose trunk may have a home of its own.
func (r *Relay) receive(from media.Side, d *sdp.Description, src media.Source) error {
	at, err := r.wants(from, r.pool.homeOf(src.Terms.Address), d, false)
	if err != nil {
		return err
	}
	return r.turn(from, at)
}

// wants is the spot that a party's description asks us for in a home.
func (r *Relay) wants(from media.Side, in home, d *sdp.Description, answer bool) (spot, error) {
	now := r.legs[index(from)].pair.spot
	at := spot{in, four}
	if d.IPv6() {
		at.family = six
	}
	switch rtp, _ := d.Remote(); {
	case !rtp.IsValid(): // it holds by 0.0.0.0, which says nothing about the version
		return r.pool.spotFor(netip.Addr{}, r.pool.homes[in].name, now), nil
	case !r.pool.place(at).bind.IsValid():
		return now, ErrFamily
	case answer && now.family != at.family:
		return now, errOtherFamily
	}
	return at, nil
}

// answerTo writes our answer to a new offer, at ports of the version it asks for,
// which are the party's from then on.
func (r *Relay) answerTo(from media.Side, d *sdp.Description, write func(sdp.Ours) ([]byte, error)) (description, error) {
	at, err := r.wants(from, r.legs[index(from)].pair.home, d, false)
	if err != nil {
		return description{}, err
	}
	q, err := r.ports(from, at)
	if err != nil {
		return description{}, err
	}
	ours, err := r.describeAt(from, q, d, write)
	if err == nil {
		err = r.turn(from, at)
	}
	return ours, err
}

// reaches refuses addresses that an SDP must not make us send to: an IP version
// in which we are not, and, unless we are there ourselves or the trunk's rule
// names them, this host and this link.
func (p *Pool) reaches(a netip.Addr, src media.Source) error {
	ours, rule := p.place(spot{p.homeOf(src.Terms.Address), familyOf(a)}).advertise, src.Allow
	switch {
	case !ours.IsValid():
		return ErrFamily
	case allowed(rule, a):
	case a.IsLoopback() && !ours.IsLoopback():
		return errors.New("media address is a loopback address")
	case a.IsLinkLocalUnicast() && !ours.IsLinkLocalUnicast():
		return errors.New("media address is a link-local address")
	}
	return nil
}
