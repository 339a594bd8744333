package relay

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sdp"
)

// Relay is one call's media path: four sockets, two parties, and what they
// agreed on. All methods may be called at any time from any goroutine, except
// from inside the notice function and the tap, which run on the packet path.
//
// A negotiation that returns an error has changed nothing.
type Relay struct {
	pool   *Pool
	id     string // of the call, for the log
	notice func(media.Notice)
	start  time.Time
	loop   int // in which its sockets are read
	tap    atomic.Pointer[tapBox]
	flows  [2]flow

	outlets [2]struct{ rtp, rtcp outlet } // towards each party

	nego   sync.Mutex // one negotiation at a time
	legs   [2]leg
	told   [2][]media.Format // what the tap knows
	own    *sdp.Description  // our own offer to the callee; nil: the caller made one
	asked  *asked            // a new offer that was passed on and is not answered
	before [2]*before        // what the last new offer of each side has replaced
	closed bool
	last   media.Stats // what was counted, once it is closed

	mu       sync.Mutex // the packet path
	interval int64      // distance of packets at the rate cap
	sides    [2]side
	lanes    [2]lane         // by who sends
	dtls     [2]*association // with each party; nil: none
	below    [2]*offloaded   // by who sends: as it passes without us; nil: it does not
	at       [2][2]gate      // our RTP ports towards each side, by family
	homes    [2]home         // that each side is told of
	tos      [2]uint8        // of packets to each side, for the fast path
	players  [2]*player      // by who hears; nil: nothing was ever played to him
	plays    int             // sounds so far
	over     bool            // closed: the clock has nothing to do here
	panicked bool            // by the clock, and it was logged
	worked   bool            // as the engine was told
	apart    bool            // neither side hears the other
	room     bool            // it has no caller: what he said is told, and he is never there
	muted    [2]bool         // by who is not heard
	slot     int             // guarded by beat.mu
	ears     [2]observed     // by who is heard
	watched  [2]int64        // since when who is not heard is told of, by who is heard; 0: not yet
	expired  bool            // a party was silent for too long, and it was said; until Spare
}

// tapBox lets an interface be swapped as one word.
type tapBox struct {
	media.Tap
	only media.Side // it hears nobody else, and him also while he is alone; 0: whatever is forwarded
}

// leg is the negotiation with one party.
type leg struct {
	pair    *pair            // the ports it is told of now
	others  []*pair          // of other spots, that it was told of before or is to turn to
	desc    *sdp.Description // what the party said last; nil: nothing yet
	dropped bool             // it has taken its audio out since
	rule    media.Source
	speech  media.Speech // terms for its codecs, also of a party that was only offered something
	digits  media.DigitTerms
	secret  *secrecy // nil: nobody has said yet
	session uint64   // id in our o= towards the party
	version uint64
	sent    []byte // our last description to the party

	attempts map[string]*attempt // who may come, or take over, by their names
	who      string              // the name of who is there; empty: he has none
}

var (
	errClosed  = errors.New("relay is closed")
	errNoOffer = errors.New("answer without an offer of the other side")
	errNoCall  = errors.New("new offer before both sides agreed on a first one")
)

func newRelay(p *Pool, id string, notice func(media.Notice), pairs [2]*pair) *Relay {
	if notice == nil {
		notice = func(media.Notice) {}
	}
	r := &Relay{pool: p, id: id, notice: notice, start: time.Now(), interval: interval()}
	for i, pair := range pairs {
		r.legs[i] = leg{pair: pair, session: rand.Uint64() >> 1, version: 1}
	}
	for _, side := range []media.Side{media.Callee, media.Caller} {
		if pairs[0] == pairs[1] { // an anteroom has one pair: that of the callee
			r.room, r.apart = true, true
		}
		if !r.room || side == media.Callee {
			r.open(side, pairs[index(side)])
		}
	}
	for i := range r.ears {
		r.ears[i] = r.newObserved(0)
		r.lanes[i].meter = &r.ears[i]
	}
	p.beat.join(r)
	return r
}

// Offer takes the offer of a side, with the rule for its RTP, and returns the
// one to make to the other side, which names us. The same text serves several
// attempts. Nothing is sent anywhere before there is an [Relay.Answer].
// Errors are [sdp.ErrMalformed] or [sdp.ErrUnacceptable].
func (r *Relay) Offer(from media.Side, body []byte, src media.Source) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return nil, errClosed
	}
	d, err := r.hear(from, body, src, false)
	if err != nil {
		return nil, fmt.Errorf("offer of the %s: %w", from, err)
	}
	r.legs[index(from)].digits = src.Terms.Digits
	ours, err := r.describe(from.Other(), nil, r.offering(from.Other(), r.terms(from.Other()), d, d.Offer))
	if err == nil && !r.room {
		err = r.receive(from, d, src)
	}
	if err != nil {
		return nil, fmt.Errorf("offer of the %s: %w", from, err)
	}
	r.commit(from, d, src, ours)
	return ours.text, nil
}

// Answer takes the answer of a side to our offer, with the rule for its RTP, and
// returns the answer to give to the other side. It may come several times for
// one offer (18x, 200, the next attempt): the last one holds, and of attempts with
// names (src.Attempt) nothing of those before it is heard or sent to any more. From
// now on media flows. When the offer was our own ([Relay.Open]) it returns the offer to make
// to the other side, and [Relay.Take] concludes. Errors as of [Relay.Offer].
func (r *Relay) Answer(from media.Side, body []byte, src media.Source) (answer []byte, err error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return nil, errClosed
	}
	l := &r.legs[index(from)]
	var d *sdp.Description
	who := l.named(src)
	if who == nil {
		d, err = r.hear(from, body, src, true)
	} else {
		d, err = r.parse(body, src, who.secret.judge(true))
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	offer, speech, digits := r.legs[index(from.Other())].desc, l.speech, l.digits
	l.speech, l.digits = src.Terms.Speech, src.Terms.Digits
	defer func() {
		if err != nil { // it changes nothing
			l.speech, l.digits = speech, digits
		}
	}()
	if offer != nil {
		d = r.answered(d, offer, src.Terms.Speech)
	}
	write := func(us sdp.Ours) ([]byte, error) { return sdp.Answer(offer, d, us) }
	switch {
	case offer == nil && r.own != nil:
		if _, err := sdp.Take(d, r.own); err != nil && !r.convertible(err, d, r.own) {
			return nil, fmt.Errorf("answer of the %s: %w", from, err)
		}
		write = r.offering(from.Other(), r.terms(from.Other()), d, d.Offer)
	case offer == nil:
		return nil, errNoOffer
	}
	ours, err := r.describe(from.Other(), offer, write)
	switch {
	case err != nil:
	case who == nil:
		err = r.meet(from, d, true)
	default:
		err = r.meetAttempt(from, d, who)
	}
	if err != nil {
		return nil, fmt.Errorf("answer of the %s: %w", from, err)
	}
	if who != nil {
		r.seat(from, src.Attempt, who, r.clock(time.Now()))
		r.sent(description{from, who.text, who.version})
	}
	r.commit(from, d, src, ours)
	if r.room {
		return nil, nil // there is nobody to tell
	}
	return ours.text, nil
}

// Reoffer takes a new offer of a side in a session both agreed on and returns
// our answer: the codecs agreed on, our ports as before. The other side is not
// asked; what the offer says about direction holds at once, and audio that it
// takes out of the session (port 0) may come back in a later one. To a side that has
// nobody to talk to yet ([Relay.Await]) it is what we speak ourselves. What it did
// can be taken back by [Relay.Undo]. Errors as of [Relay.Offer].
func (r *Relay) Reoffer(from media.Side, body []byte) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	switch {
	case r.closed:
		return nil, errClosed
	case me.desc == nil || peer.desc == nil && me.sent == nil:
		return nil, errNoCall
	}
	if d, err := sdp.ParseFor(body, sdp.PlainOnly); err == nil && d.Dropped() {
		return r.drop(from, d)
	}
	d, err := r.hear(from, body, me.rule, false)
	if err != nil {
		return nil, fmt.Errorf("new offer of the %s: %w", from, err)
	}
	r.remember(from)
	ours, err := r.answerTo(from, d, func(us sdp.Ours) ([]byte, error) {
		if peer.desc == nil {
			return sdp.AnswerAlone(d, us, codec.Known)
		}
		return sdp.Reanswer(d, me.desc, peer.desc, us)
	})
	if err != nil {
		return nil, fmt.Errorf("new offer of the %s: %w", from, err)
	}
	r.commit(from, d, me.rule, ours)
	return ours.text, nil
}

// Tap gives t a copy of each RTP packet forwarded from now on, after telling it
// the formats known; nil ends it. There is one tap at a time: when Tap returns, the
// one before has all of its copies and is not called again.
func (r *Relay) Tap(t media.Tap) { r.listenBy(t, 0) }

// Dictate gives t, in place of the tap there is, a copy of each packet that is
// accepted from a side, whether there is anybody to forward it to or not, and
// nothing of the other side: somebody leaves a message. nil ends it. The rest is as
// of [Relay.Tap].
func (r *Relay) Dictate(from media.Side, t media.Tap) { r.listenBy(t, from) }

func (r *Relay) listenBy(t media.Tap, only media.Side) {
	r.nego.Lock()
	defer r.nego.Unlock()
	defer r.retapped()
	r.flushHeld()
	if t == nil || r.closed {
		r.tap.Store(nil)
		return
	}
	for i, formats := range r.told {
		if formats != nil {
			t.Formats(media.Side(i+1), formats)
		}
	}
	r.tap.Store(&tapBox{t, only})
}

// Close puts the ports into quarantine, waits for the packet in hand and
// returns what was counted: after it neither tap nor notice is called. Idempotent.
func (r *Relay) Close() media.Stats {
	r.nego.Lock()
	defer r.nego.Unlock()
	if r.closed {
		return r.last
	}
	r.closed = true
	r.mu.Lock()
	r.over = true
	r.goodbye(r.clock(time.Now()))
	r.forsake(media.Caller)
	r.forsake(media.Callee)
	r.wipe()
	r.mu.Unlock()
	r.retapped()
	for i := range r.legs {
		if !r.room || i == index(media.Callee) {
			r.pool.quarantine(r.legs[i].pair)
		}
		for _, other := range r.legs[i].others {
			r.pool.quarantine(other)
		}
	}
	r.flushHeld()
	r.tap.Store(nil)
	r.last = r.stats()
	r.last.Caller.Heard, r.last.Callee.Heard = r.heardLast()
	r.pool.beat.leave(r)
	r.pool.forget(r, r.last)
	return r.last
}

func (r *Relay) stats() media.Stats {
	return media.Stats{
		Caller: r.flows[index(media.Caller)].read(r.start),
		Callee: r.flows[index(media.Callee)].read(r.start),
	}
}

// parse reads a description and refuses the places we must not send to.
func (r *Relay) parse(body []byte, src media.Source, judge sdp.Judge) (*sdp.Description, error) {
	d, err := sdp.ParseFor(body, judge)
	if err != nil {
		return nil, err
	}
	if err := d.Acceptable(); err != nil {
		return nil, err
	}
	if d, err = allow(d, src.Terms.Speech); err != nil {
		return nil, err
	}
	rtp, _ := d.Remote()
	if !rtp.IsValid() { // on hold: there is no place
		return d, nil
	}
	if err := r.pool.reaches(rtp.Addr(), src); err != nil {
		return nil, fmt.Errorf("%w: %w", err, sdp.ErrUnacceptable)
	}
	if src.Rule != media.Latch && len(src.Allow) > 0 && !allowed(src.Allow, rtp.Addr()) {
		return nil, fmt.Errorf("media address is outside the media_sources of the trunk: %w", sdp.ErrUnacceptable)
	}
	return d, nil
}

func allowed(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// description is one of ours that is ready to be committed.
type description struct {
	to      media.Side
	text    []byte
	version uint64
}

// describe writes a description for a side; its version goes up by one when the
// text is another than the last (RFC 3264 8). It answers a description of the
// party's, or is an offer.
func (r *Relay) describe(to media.Side, answers *sdp.Description, write func(sdp.Ours) ([]byte, error)) (description, error) {
	return r.describeAt(to, r.legs[index(to)].pair, answers, write)
}

// describeAt is describe with other ports than the side has now.
func (r *Relay) describeAt(to media.Side, q *pair, answers *sdp.Description, write func(sdp.Ours) ([]byte, error)) (description, error) {
	l := &r.legs[index(to)]
	us := r.us(l.session, l.version, q)
	us.Also = r.also(to, q, l.secret)
	us, err := l.secret.write(us, answers)
	if err != nil {
		return description{}, err
	}
	us.Speech = r.speech(to)
	text, err := write(us)
	if err == nil && l.sent != nil && !bytes.Equal(text, l.sent) {
		us.Version++
		text, err = write(us)
	}
	return description{to, text, us.Version}, err
}

// us is what stands in a description of ours that names a pair of ports.
func (r *Relay) us(session, version uint64, q *pair) sdp.Ours {
	return sdp.Ours{ID: session, Version: version, Media: r.pool.advertised(q)}
}

// commit makes a party's description and ours to it or to the other party the
// ones in force. The tap learns of new formats before the first packet in them.
func (r *Relay) commit(from media.Side, d *sdp.Description, src media.Source, ours description) {
	me := &r.legs[index(from)]
	me.desc, me.rule, me.speech, me.digits, me.dropped = d, src, src.Terms.Speech, src.Terms.Digits, false
	r.sent(ours)
	r.apply(from)
}

// sent notes a description that a party gets.
func (r *Relay) sent(ours description) {
	to := &r.legs[index(ours.to)]
	to.sent, to.version = ours.text, ours.version
}

// apply gives what a party said last to the tap and to the packet path.
func (r *Relay) apply(from media.Side) {
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	d, src := me.desc, me.rule
	if r.room && from == media.Caller {
		r.tell(from, d, peer.desc)
		return
	}
	r.markLeg(me)
	r.tell(from, d, peer.desc)
	if peer.desc != nil {
		r.tell(from.Other(), peer.desc, d)
	}
	r.warm()

	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sides[index(from)]
	rtp, rtcp := d.Remote()
	exact := endpointOf(rtp)
	if s.muted = exact.isZero(); s.muted {
		exact = s.source.exact // where it may come from stays as it was
	}
	now := r.clock(time.Now())
	s.source.negotiate(exact, src.Rule == media.Latch, src.Allow, typeSet(d, peer.desc), now)
	if me.who != "" && len(me.attempts) > 1 {
		s.source.calm = now + int64(calmTime)
	}
	s.ready, s.direction, s.fax = true, d.Direction(), d.Fax()
	r.homes[index(from)], r.tos[index(from)] = me.pair.home, me.pair.class.TOS()
	if me.dropped {
		s.muted, s.direction = true, sdp.Inactive
	}
	s.rtcp = r.rtcpPlace(rtp, rtcp, src)
	r.expect(from, src.Terms)
	if peer.desc != nil {
		r.interval = interval(d.PacketTime(), peer.desc.PacketTime())
		r.sides[index(from.Other())].source.types = typeSet(peer.desc, d)
	}
	r.retune()
	r.encrypt(from)
	r.heed(from)
	r.heed(from.Other())
	for i := range r.lanes {
		r.lanes[i].timing = timingOf(r.told[i])
	}
	r.reconvert()
	r.replan()
}

// rtcpPlace is where a side's RTCP goes: another host than that of its RTP only
// when the trunk's own rule names it, else a=rtcp would aim us at anyone.
func (r *Relay) rtcpPlace(rtp, rtcp netip.AddrPort, src media.Source) endpoint {
	if rtcp.Addr() == rtp.Addr() || allowed(src.Allow, rtcp.Addr()) && r.pool.reaches(rtcp.Addr(), src) == nil {
		return endpointOf(rtcp)
	}
	return endpointOf(rtp).next()
}

// tell gives the tap the formats side sends, when they changed: the payload
// types its peer asked for, then its own for those that do not use the peer's
// numbers.
func (r *Relay) tell(side media.Side, own, peer *sdp.Description) {
	formats := []media.Format{} // not nil: the tap is told also that nothing is known
	if peer != nil {
		formats = append(formats, peer.Formats()...)
	}
	for _, f := range own.Formats() {
		if !slices.ContainsFunc(formats, func(g media.Format) bool { return g.PT == f.PT }) {
			formats = append(formats, f)
		}
	}
	if r.told[index(side)] != nil && slices.Equal(formats, r.told[index(side)]) {
		return
	}
	r.told[index(side)] = formats
	if t := r.tap.Load(); t != nil {
		r.raise(side) // what passed in the formats before is with the tap then
		t.Formats(side, formats)
	}
}

// typeSet is the set of payload types that either description names.
func typeSet(descriptions ...*sdp.Description) (set [2]uint64) {
	for _, d := range descriptions {
		if d == nil {
			continue
		}
		for _, pt := range d.Types() {
			set[pt>>6] |= 1 << (pt & 63)
		}
	}
	return set
}
