package relay

import (
	"errors"
	"fmt"
	"net/netip"
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

// place is where the pool is in one IP version. Without a bind address it is
// not there at all.
type place struct {
	bind, advertise netip.Addr
	free            []uint16 // even ports, no order; guarded by Pool.mu
}

// places reads the addresses of a configuration that Validate has passed.
func (c Config) places() (all [2]place, first family) {
	set := func(bind, advertise string) family {
		b, _ := parseAddress(bind)
		a := b
		if advertise != "" {
			a, _ = parseAddress(advertise)
		}
		f := familyOf(a)
		ports, _ := parsePorts(c.Ports)
		all[f] = place{bind: b, advertise: a, free: ports}
		return f
	}
	first = set(c.Address, c.Advertise)
	if c.Address6 != "" {
		set(c.Address6, c.Advertise6)
	}
	return all, first
}

// outlet is the socket towards one party for one kind of packet, in each IP
// version it may be reached over. The packet path reads it without a lock.
type outlet [2]atomic.Pointer[socket]

func (o *outlet) towards(to netip.AddrPort) *socket { return o[familyOf(to.Addr())].Load() }

// open makes a pair of a party's own ports live.
func (r *Relay) open(side media.Side, q *pair) {
	peer := &r.outlets[index(side.Other())]
	q.rtp.bind(r.id, &rtpInput{input{r, side, &peer.rtp}})
	q.rtcp.bind(r.id, &rtcpInput{input{r, side, &peer.rtcp}})
	r.mu.Lock()
	r.at[index(side)][q.family] = netip.AddrPortFrom(r.pool.places[q.family].bind, q.port)
	r.mu.Unlock()
	mine := &r.outlets[index(side)]
	mine.rtp[q.family].Store(q.rtp)
	mine.rtcp[q.family].Store(q.rtcp)
}

// ports returns a side's pair of an IP version, taken and opened when the call has
// none there yet. The caller holds r.nego.
func (r *Relay) ports(side media.Side, f family) (*pair, error) {
	l := &r.legs[index(side)]
	if l.pair.family == f {
		return l.pair, nil
	}
	if l.other == nil {
		q, err := r.pool.take(f, r.loop)
		if err != nil {
			return nil, err
		}
		l.other = q
		r.open(side, q)
	}
	return l.other, nil
}

// turn makes a party's ports those of an IP version, which are taken when the
// call has none there yet. Ports that the party was never told of are given
// back; others stay, because packets to them may be on their way. The caller
// holds r.nego.
func (r *Relay) turn(side media.Side, f family) error {
	l := &r.legs[index(side)]
	if l.pair.family == f {
		return nil
	}
	if _, err := r.ports(side, f); err != nil {
		return err
	}
	l.pair, l.other = l.other, l.pair
	if l.sent == nil {
		unused := l.other
		l.other = nil
		mine := &r.outlets[index(side)]
		mine.rtp[unused.family].Store(nil)
		mine.rtcp[unused.family].Store(nil)
		r.mu.Lock()
		r.at[index(side)][unused.family] = netip.AddrPort{}
		r.replan()
		r.mu.Unlock()
		r.pool.quarantine(unused)
	}
	return nil
}

// Over returns our last offer to a side as it reads for a party that is reached
// at addr under the terms of src: with our address of the same IP version, when we have one, and from
// then on such are the offers to it until its own description says otherwise.
// Before there is an offer it returns nil and only notes the version.
func (r *Relay) Over(to media.Side, addr netip.Addr, src media.Source) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if f := familyOf(addr); addr.IsValid() && r.pool.places[f].bind.IsValid() {
		if err := r.turn(to, f); err != nil {
			return nil, fmt.Errorf("offer to the %s: %w", to, err)
		}
	}
	r.legs[index(to)].secret = newSecrecy(src.Terms.SRTP)
	from := r.legs[index(to.Other())].desc
	if from == nil {
		from = r.own
	}
	if from == nil {
		return nil, nil
	}
	r.legs[index(to)].speech = src.Terms.Speech
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
	f, err := r.wants(from, d, answer)
	if err != nil {
		return err
	}
	return r.turn(from, f)
}

// wants is the IP version that a party's description asks us for.
func (r *Relay) wants(from media.Side, d *sdp.Description, answer bool) (family, error) {
	now, f := r.legs[index(from)].pair.family, four
	if d.IPv6() {
		f = six
	}
	switch rtp, _ := d.Remote(); {
	case !rtp.IsValid(): // it holds by 0.0.0.0, which says nothing about the version
		return now, nil
	case !r.pool.places[f].bind.IsValid():
		return now, ErrFamily
	case answer && now != f:
		return now, errOtherFamily
	}
	return f, nil
}

// answerTo writes our answer to a new offer, at ports of the version it asks for,
// which are the party's from then on.
func (r *Relay) answerTo(from media.Side, d *sdp.Description, write func(sdp.Ours) ([]byte, error)) (description, error) {
	f, err := r.wants(from, d, false)
	if err != nil {
		return description{}, err
	}
	q, err := r.ports(from, f)
	if err != nil {
		return description{}, err
	}
	ours, err := r.describeAt(from, q, d, write)
	if err == nil {
		err = r.turn(from, f)
	}
	return ours, err
}

// reaches refuses addresses that an SDP must not make us send to: an IP version
// in which we are not, and, unless we are there ourselves or the trunk's rule
// names them, this host and this link.
func (p *Pool) reaches(a netip.Addr, rule []netip.Prefix) error {
	ours := p.places[familyOf(a)].advertise
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
