package relay

import (
	"errors"
	"fmt"

	"ringdown/media"
	"ringdown/media/sdp"
)

// asked is a new offer that the other side has been asked about.
type asked struct {
	from media.Side
	desc *sdp.Description
}

// before is what a party had said before its last new offer. When that was
// passed on, other is what the other party had said, and answer what it said to it.
type before struct {
	desc    *sdp.Description
	dropped bool
	at      spot
	other   *before
	answer  *sdp.Description
}

var (
	errOpened   = errors.New("the caller has made an offer")
	errNotAsked = errors.New("no new offer was passed on to this side")
	errDropped  = fmt.Errorf("the other side has no audio now: %w", sdp.ErrUnacceptable)
)

// Open makes an offer of our own to the callee, for a caller who made none.
// [Relay.Answer] then gives the offer for the caller, and [Relay.Take] takes his answer.
func (r *Relay) Open() ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	switch {
	case r.closed:
		return nil, errClosed
	case r.legs[index(media.Caller)].desc != nil:
		return nil, errOpened
	}
	own := sdp.Own()
	ours, err := r.describe(media.Callee, nil, r.offering(media.Callee, r.terms(media.Callee), own, own.Offer))
	if err != nil {
		return nil, err
	}
	r.own = own
	r.sent(ours)
	return ours.text, nil
}

// Join takes the offer of a side that came in place of an answer, because that
// side was invited without one, and returns the answers to both parties: what
// both offered. Errors as of [Relay.Offer].
func (r *Relay) Join(from media.Side, body []byte, src media.Source) (toOther, toFrom []byte, err error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	peer := r.legs[index(from.Other())].desc
	switch {
	case r.closed:
		return nil, nil, errClosed
	case peer == nil:
		return nil, nil, errNoOffer
	}
	d, err := r.hear(from, body, src, false)
	if err != nil {
		return nil, nil, fmt.Errorf("offer of the %s: %w", from, err)
	}
	other, err := r.describe(from.Other(), peer, func(us sdp.Ours) ([]byte, error) { return sdp.Reanswer(peer, peer, d, us) })
	if err != nil {
		return nil, nil, fmt.Errorf("offer of the %s: %w", from, err)
	}
	mine, err := r.answerTo(from, d, func(us sdp.Ours) ([]byte, error) { return sdp.Reanswer(d, d, peer, us) })
	if err != nil {
		return nil, nil, fmt.Errorf("offer of the %s: %w", from, err)
	}
	r.sent(mine)
	r.commit(from, d, src, other)
	return other.text, mine.text, nil
}

// Present returns an offer to a side that describes the session as it stands:
// what the other side said last, every m= line in its place. Without another side it
// is what every telephone speaks: the first offer to a caller who made none and whom
// we answer by ourselves, or the answer to his asking for one while he waits. Nothing
// changes before [Relay.Take].
func (r *Relay) Present(to media.Side) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	me, peer := &r.legs[index(to)], &r.legs[index(to.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case me.desc == nil && peer.desc != nil:
		return nil, errNoCall
	}
	of := peer.desc
	if of == nil {
		of = sdp.Own()
	}
	var write func(sdp.Ours) ([]byte, error)
	switch {
	case me.dropped: // it stays so until the side itself brings its audio back
		write = me.desc.Drop
	case me.desc != nil:
		write = r.offering(to, r.terms(to), of, func(us sdp.Ours) ([]byte, error) { return sdp.Renew(of, me.desc, us) })
	default:
		write = r.offering(to, r.terms(to), of, of.Offer)
	}
	ours, err := r.describe(to, nil, write)
	if err != nil {
		return nil, err
	}
	r.sent(ours)
	return ours.text, nil
}

// Take takes the answer of a side to an offer of ours that described the other
// side as it stands. again is the offer to make to the other side when the
// answer leaves its first codec out, else empty. A side that has no rule yet
// gets src. Errors as of [Relay.Offer].
func (r *Relay) Take(from media.Side, body []byte, src media.Source) (again []byte, err error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case peer.desc == nil && me.sent == nil:
		return nil, errNoCall
	case me.desc != nil:
		src = me.rule
	}
	of := peer.desc
	if of == nil {
		of = sdp.Own()
	}
	d, err := r.hear(from, body, src, true)
	if err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	d = r.answered(d, of, src.Terms.Speech)
	narrower, err := sdp.Take(d, of)
	if err != nil && !r.convertible(err, d, of) {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	var ask description
	if narrower = narrower && peer.desc != nil; narrower {
		ask, err = r.describe(from.Other(), nil, r.offering(from.Other(), r.terms(from.Other()), d,
			func(us sdp.Ours) ([]byte, error) { return sdp.Renew(d, peer.desc, us) }))
		if err != nil {
			return nil, err
		}
	}
	if err := r.meet(from, d, true); err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	me.desc, me.rule, me.speech, me.digits, me.dropped = d, src, src.Terms.Speech, src.Terms.Digits, false
	if narrower {
		r.sent(ask)
	}
	r.before[index(from)] = nil
	r.apply(from)
	return ask.text, nil
}

// Ask takes a new offer of a side that [Relay.Reoffer] could not answer and
// returns the one to make to the other side. Nothing changes before
// [Relay.Settle]. Errors as of [Relay.Offer].
func (r *Relay) Ask(from media.Side, body []byte) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case me.desc == nil || peer.desc == nil:
		return nil, errNoCall
	case peer.dropped:
		return nil, errDropped
	}
	d, err := r.hear(from, body, me.rule, false)
	if err != nil {
		return nil, fmt.Errorf("new offer of the %s: %w", from, err)
	}
	ours, err := r.describe(from.Other(), nil, r.offering(from.Other(), r.terms(from.Other()), d,
		func(us sdp.Ours) ([]byte, error) { return sdp.Renew(d, peer.desc, us) }))
	if err != nil {
		return nil, fmt.Errorf("new offer of the %s: %w", from, err)
	}
	r.sent(ours)
	r.asked = &asked{from, d}
	return ours.text, nil
}

// Settle takes the answer of a side to an offer that was passed on by
// [Relay.Ask] and returns the answer for the side that made it. An empty answer
// is a refusal: what the offer wants is then converted to what the answering side
// spoke before, if that can be. When it fails
// both are as before, but the answering side has to be told so ([Relay.Present]).
func (r *Relay) Settle(from media.Side, body []byte) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	asked := r.asked
	r.asked = nil
	switch {
	case r.closed:
		return nil, errClosed
	case asked == nil || asked.from != from.Other():
		return nil, errNotAsked
	}
	me, peer := &r.legs[index(from)], &r.legs[index(asked.from)]
	d, err := me.desc, error(nil)
	if len(body) > 0 {
		if d, err = r.hear(from, body, me.rule, true); err == nil {
			d = r.answered(d, asked.desc, me.speech)
			err = r.meet(from, d, true)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	r.remember(asked.from)
	ours, err := r.answerTo(asked.from, asked.desc, func(us sdp.Ours) ([]byte, error) { return sdp.Accept(asked.desc, d, us) })
	if err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	r.before[index(asked.from)].other, r.before[index(asked.from)].answer = &before{desc: me.desc, dropped: me.dropped}, d
	peer.desc, peer.dropped = asked.desc, false
	me.desc, me.dropped = d, false
	r.sent(ours)
	r.apply(asked.from)
	r.apply(from)
	return ours.text, nil
}

// remember keeps what a side has said, for Undo.
func (r *Relay) remember(from media.Side) {
	l := &r.legs[index(from)]
	r.before[index(from)] = &before{desc: l.desc, dropped: l.dropped, at: l.pair.spot}
}

// Undo takes the last new offer of a side back: it was withdrawn before our
// answer went out. Version numbers that were given stay used. When the offer
// had been passed on, the other side has to be told ([Relay.Present]).
func (r *Relay) Undo(from media.Side) {
	r.nego.Lock()
	defer r.nego.Unlock()
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	b := r.before[index(from)]
	r.before[index(from)] = nil
	if b == nil || r.closed {
		return
	}
	me.desc, me.dropped = b.desc, b.dropped
	r.turn(from, b.at) // cannot fail: both pairs are ours already
	r.apply(from)
	if b.other != nil && peer.desc == b.answer {
		peer.desc, peer.dropped = b.other.desc, b.other.dropped
		r.apply(from.Other())
	}
}

// drop answers a new offer that takes the audio out of the session.
func (r *Relay) drop(from media.Side, d *sdp.Description) ([]byte, error) {
	ours, err := r.describe(from, d, d.Drop)
	if err != nil {
		return nil, fmt.Errorf("new offer of the %s: %w", from, err)
	}
	r.remember(from)
	r.legs[index(from)].dropped = true
	r.sent(ours)
	r.apply(from)
	return ours.text, nil
}

// Holds reports whether a side wants nothing sent to it now: on hold in the new
// or the old way, or its audio taken out.
func (r *Relay) Holds(side media.Side) bool {
	r.nego.Lock()
	defer r.nego.Unlock()
	l := &r.legs[index(side)]
	return l.desc != nil && (l.dropped || !l.desc.Direction().Receives())
}
