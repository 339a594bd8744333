package call

import (
	"bytes"
	"net/netip"
	"sync/atomic"

	"ringdown/media"
)

// room is the anteroom of an attempt: a relay of its own, on which who answers is
// spoken to while others ring or listen too.
type room struct {
	Relay
	at atomic.Pointer[reached] // written where the INVITE is built
}

// reached is where somebody was reached, and whether nobody can read how.
type reached struct {
	addr    netip.Addr
	private bool
}

// relayOf is the relay of an anteroom, or the call's own.
func (c *Call) relayOf(leg LegID) Relay {
	if r := c.rooms[leg]; r != nil {
		return r
	}
	return c.relay
}

// calleeSource is what the relay asks of the media of an attempt.
func (c *Call) calleeSource(leg LegID, private bool) media.Source {
	l := c.machine.leg(leg)
	return c.attemptSource(l, private)
}

func (c *Call) attemptSource(l *leg, private bool) media.Source {
	src := source(c.machine.target(l.target).Media, private)
	if l.named {
		src.Attempt = string(l.id)
	}
	return src
}

// openRoom opens an anteroom and makes the offer for who is to come to it: what the
// caller has offered, or, where he has not, what we speak.
func (c *Call) openRoom(leg LegID, d *Dial) error {
	relay, err := c.ports.Anteroom(c.ctx, c.id, func(n media.Notice) { c.post(leg, Noticed{At: At{n.At}, Notice: n}) })
	if err != nil {
		return err
	}
	r := &room{Relay: relay}
	if c.rooms == nil {
		c.rooms = map[LegID]*room{}
	}
	c.rooms[leg] = r
	if said := c.relay.Said(media.Caller); said != nil {
		d.Body, err = r.Offer(media.Caller, said, c.callers())
	} else {
		d.Body, err = r.Open()
	}
	terms := d.Target.Media
	d.Over = func(a netip.Addr, private bool) ([]byte, error) {
		r.at.Store(&reached{a, private})
		return r.Over(media.Callee, a, source(terms, private))
	}
	return err
}

// carryOutGuest does one action for who has answered and does not talk yet; ok: it is one.
func (c *Call) carryOutGuest(a action) (answer Signal, ok bool) {
	switch a := a.(type) {
	case doReceive:
		return c.receive(a), true
	case doFetch:
		c.fetch(a.leg)
	case doSeat:
		return c.seat(a), true
	case doCloseRoom:
		c.closeRoom(a.leg)
	default:
		return nil, false
	}
	return nil, true
}

// receive agrees on media with who has answered. On the call's own relay that makes
// the answer for the caller too, which he gets once he is put through.
func (c *Call) receive(a doReceive) Signal {
	r := c.rooms[a.leg]
	if r == nil {
		agreed := c.agree(doAgree{leg: a.leg, body: a.body, offer: a.offer})
		return Received{agreed.At, a.leg, agreed.Body, agreed.Told, agreed.Err}
	}
	src := source(c.machine.target(c.machine.leg(a.leg).target).Media, r.reached().private)
	var err error
	if a.offer {
		var answer []byte
		if _, answer, err = r.Join(media.Callee, a.body, src); err == nil {
			c.legs[a.leg].Update(0, answer)
		}
	} else {
		_, err = r.Answer(media.Callee, a.body, src)
	}
	if err != nil {
		c.log.Warn("the callee's answer is refused", "leg", string(a.leg), "error", err)
	}
	return Received{At: At{c.now()}, Leg: a.leg, Err: err}
}

func (r *room) reached() reached {
	if at := r.at.Load(); at != nil {
		return *at
	}
	return reached{}
}

// fetch offers who is in an anteroom the media of the call.
func (c *Call) fetch(leg LegID) {
	r := c.rooms[leg]
	if r == nil {
		return
	}
	at := r.reached()
	body, err := c.relay.Invite(media.Callee, at.addr, c.calleeSource(leg, at.private), r.Told(media.Callee))
	if err != nil {
		c.log.Warn("nothing to offer to who takes the call", "leg", string(leg), "error", err)
		c.post(leg, Declined{At{c.now()}, causeOf(err, 500, "media failed")})
		return
	}
	c.legs[leg].Offer(body)
}

// seat gives the callee's side to who has answered that, and makes the caller's answer.
func (c *Call) seat(a doSeat) Signal {
	private := false
	if r := c.rooms[a.leg]; r != nil {
		private = r.reached().private
	}
	before := c.relay.Told(media.Caller)
	body, err := c.relay.Answer(media.Callee, a.body, c.calleeSource(a.leg, private))
	if err != nil {
		c.log.Warn("the callee's answer is refused", "leg", string(a.leg), "error", err)
	}
	return Agreed{At{c.now()}, body, bytes.Equal(body, before), err}
}

// closeRoom gives the ports of an anteroom back.
func (c *Call) closeRoom(leg LegID) {
	if r := c.rooms[leg]; r != nil {
		delete(c.rooms, leg)
		r.Close()
	}
}
