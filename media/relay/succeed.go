package relay

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"ringdown/media"
	"ringdown/media/sdp"
)

// Invite returns an offer to somebody who may take the place of a side's party:
// what the other side speaks, at our ports of that side. addr is where he is
// reached, which chooses the IP version; the zero Addr leaves it as it is, and src
// the terms of his trunk. told
// is what he was told last in another call; nil: he is new. The party itself is
// not touched before [Relay.Replace]. Errors as of [Relay.Offer].
func (r *Relay) Invite(to media.Side, addr netip.Addr, src media.Source, told []byte) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	peer := &r.legs[index(to.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case peer.desc == nil:
		return nil, errNoCall
	}
	in := attempt{session: rand.Uint64() >> 1, version: 1, secret: r.newSecrecy(src.Terms.SRTP)}
	var before *sdp.Description
	if told != nil {
		var err error
		if before, err = sdp.ParseFor(told, sdp.AnyKind); err != nil {
			return nil, fmt.Errorf("what the %s was told elsewhere: %w", to, err)
		}
		if id, version, ok := before.Origin(); ok {
			in.session, in.version = id, version+1
		}
		in.secret.toldElsewhere(before)
	}
	now := r.legs[index(to)].pair.spot
	if at := r.pool.spotFor(addr, src.Terms.Address, now); addr.IsValid() || at != now {
		var err error
		if in.pair, err = r.ports(to, at); err != nil {
			return nil, fmt.Errorf("offer to the %s: %w", to, err)
		}
	}
	var err error
	in.text, err = r.write(to, in, r.offeringBy(to, src.Terms, peer.desc,
		func(us sdp.Ours) ([]byte, error) { return sdp.Invite(peer.desc, before, us) }))
	if err != nil {
		return nil, fmt.Errorf("offer to the %s: %w", to, err)
	}
	r.legs[index(to)].keep(src.Attempt, &in)
	return bytes.Clone(in.text), nil
}

func (r *Relay) ours(to media.Side, in attempt) sdp.Ours {
	pair := cmp.Or(in.pair, r.legs[index(to)].pair)
	us := r.us(in.session, in.version, pair)
	us.Also = r.also(to, pair, in.secret)
	us.Speech = r.speech(to)
	return us
}

// Replace gives a side to whoever answers the last [Relay.Invite] so. From the
// moment it returns no packet of the party before is accepted. again is the
// offer to make to the other side, whose answer [Relay.Take] takes; empty when
// what it was told still holds.
func (r *Relay) Replace(from media.Side, body []byte, src media.Source) (again []byte, err error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	in := r.legs[index(from)].attempts[src.Attempt]
	peer := &r.legs[index(from.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case in == nil || peer.desc == nil:
		return nil, errNoOffer
	}
	d, err := r.parse(body, src, in.secret.judge(true))
	if err != nil {
		return nil, fmt.Errorf("answer of the new %s: %w", from, err)
	}
	d = r.answered(d, peer.desc, src.Terms.Speech)
	if _, err = d.Suits(peer.desc); err != nil && !r.convertible(err, d, peer.desc) {
		return nil, fmt.Errorf("answer of the new %s: %w", from, err)
	}
	ask, err := r.retell(from, d)
	if err == nil {
		err = r.meetAttempt(from, d, in)
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the new %s: %w", from, err)
	}
	r.move(from, d, src, in, ask)
	if src.Attempt == "" {
		delete(r.legs[index(from)].attempts, "")
	}
	return ask.text, nil
}

// ReplaceBy gives a side to somebody who makes an offer himself, and returns
// the answer for him. The rest is as of [Relay.Replace].
func (r *Relay) ReplaceBy(from media.Side, body []byte, src media.Source) (answer, again []byte, err error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	peer := &r.legs[index(from.Other())]
	switch {
	case r.closed:
		return nil, nil, errClosed
	case peer.desc == nil:
		return nil, nil, errNoCall
	}
	in := attempt{session: rand.Uint64() >> 1, version: 1, secret: r.newSecrecy(src.Terms.SRTP)}
	d, err := r.parse(body, src, in.secret.judge(false))
	if err != nil {
		return nil, nil, fmt.Errorf("offer of the new %s: %w", from, err)
	}
	write := func() error {
		us, err := in.secret.write(r.ours(from, in), d)
		if err == nil {
			in.text, err = sdp.Reanswer(d, d, peer.desc, us)
		}
		return err
	}
	if err = write(); err == nil {
		if _, err = d.Suits(peer.desc); r.convertible(err, d, peer.desc) {
			err = nil
		}
	}
	var ask description
	if err == nil {
		ask, err = r.retell(from, d)
	}
	if err == nil {
		err = r.receive(from, d, src)
	}
	if err == nil {
		err = write() // once more: his ports may be others now
	}
	if err != nil {
		return nil, nil, fmt.Errorf("offer of the new %s: %w", from, err)
	}
	r.move(from, d, src, &in, ask)
	return in.text, ask.text, nil
}

// retell writes what the other side has to be offered when this side is now d;
// without text when what it was told still holds.
func (r *Relay) retell(from media.Side, d *sdp.Description) (description, error) {
	peer := &r.legs[index(from.Other())]
	if told, err := sdp.ParseFor(peer.sent, sdp.AnyKind); err == nil {
		if suits, err := d.Suits(told); suits && err == nil {
			return description{}, nil
		}
	}
	return r.describe(from.Other(), nil, r.offering(from.Other(), r.terms(from.Other()), d,
		func(us sdp.Ours) ([]byte, error) { return sdp.Invite(d, peer.desc, us) }))
}

// move puts somebody in a party's place. What was learnt of the party before is
// forgotten first, so that nothing of it passes any more.
func (r *Relay) move(from media.Side, d *sdp.Description, src media.Source, in *attempt, ask description) {
	r.seat(from, src.Attempt, in, r.clock(time.Now()))
	r.asked, r.before = nil, [2]*before{} // of the party before; nothing of it comes back
	r.commit(from, d, src, description{from, in.text, in.version})
	if len(ask.text) > 0 {
		r.sent(ask)
	}
}

// Said returns what a side has said last, as we read it; nil: nothing. An anteroom
// is told so of the caller ([Relay.Offer]).
func (r *Relay) Said(from media.Side) []byte {
	r.nego.Lock()
	defer r.nego.Unlock()
	if d := r.legs[index(from)].desc; d != nil {
		return d.Bytes()
	}
	return nil
}

// Told returns our last description to a side: what it takes along when it goes
// to another call; nil when it was told nothing.
func (r *Relay) Told(to media.Side) []byte {
	r.nego.Lock()
	defer r.nego.Unlock()
	return bytes.Clone(r.legs[index(to)].sent)
}
