package call

import (
	"bytes"

	"ringdown/media"
)

// This file carries out what the machine wants negotiated inside a call: the
// relay's word first, then the leg's.

// negotiate does one action of a negotiation, or of a transfer.
func (c *Call) negotiate(a action) Signal {
	switch a := a.(type) {
	case doReoffer:
		return c.reoffer(a)
	case doSettle:
		return c.settle(a)
	case doPresent:
		return c.present(a)
	case doTake:
		return c.takeAnswer(a)
	case doConclude:
		return c.conclude(a)
	case doUndo:
		c.relay.Undo(a.side)
		return c.settled(ResultUndone)
	case doRefuseOffer:
		if l := c.legs[a.leg]; l != nil {
			l.Refuse(a.id, Cause{Status: a.status, Text: "offer refused"})
		}
	default:
		if c.carryOutKeys(a) {
			return nil
		}
		if answer, ok := c.carryOutGuest(a); ok {
			return answer
		}
		if answer, ok := c.carryOutDesk(a); ok {
			return answer
		}
		return c.carryOutTransfer(a)
	}
	return nil
}

var notAcceptable = Cause{Status: 488, Q850: 65, Text: "offer not acceptable"}

// agree makes what the caller gets of what the callee answered with.
func (c *Call) agree(a doAgree) Agreed {
	src := c.calleeSource(a.leg, false)
	before := c.relay.Told(media.Caller)
	var body []byte
	var err error
	switch {
	case !a.offer:
		body, err = c.relay.Answer(media.Callee, a.body, src)
	case c.machine.delayed(): // nobody has made an offer but the callee: it goes to the caller
		body, err = c.relay.Offer(media.Callee, a.body, src)
	default:
		var answer []byte
		if body, answer, err = c.relay.Join(media.Callee, a.body, src); err == nil {
			c.legs[a.leg].Update(0, answer)
		}
	}
	if err != nil {
		c.log.Warn("the callee's answer is refused", "error", err)
	}
	return Agreed{At{c.now()}, body, bytes.Equal(body, before), err}
}

// reoffer answers a new offer from what is agreed, or asks the other leg.
func (c *Call) reoffer(a doReoffer) Signal {
	body, err := c.relay.Reoffer(a.side, a.body)
	if err == nil {
		c.legs[a.leg].Update(a.id, body)
		return c.settled(ResultDone)
	}
	if other := c.legs[a.other]; other != nil {
		ask, askErr := c.relay.Ask(a.side, a.body)
		if askErr == nil {
			other.Offer(ask)
			return c.settled(ResultAsked)
		}
		err = askErr
	}
	c.refused(a.leg, err)
	c.legs[a.leg].Refuse(a.id, notAcceptable)
	return c.settled(ResultRefused)
}

// settle answers an offer that was passed on.
func (c *Call) settle(a doSettle) Signal {
	body, err := c.relay.Settle(a.side, a.body)
	if err != nil {
		c.refused(a.leg, err)
		c.legs[a.to].Refuse(a.id, notAcceptable)
		return c.settled(ResultRefused)
	}
	c.legs[a.to].Update(a.id, body)
	return c.settled(ResultDone)
}

// present tells a leg the session as it stands, in answer to its re-INVITE or
// by one of ours.
func (c *Call) present(a doPresent) Signal {
	body, err := c.relay.Present(a.side)
	switch {
	case err != nil:
		c.refused(a.leg, err)
		if a.id != 0 {
			c.legs[a.leg].Refuse(a.id, notAcceptable)
		}
		return c.settled(ResultRefused)
	case a.id != 0:
		c.legs[a.leg].Update(a.id, body)
	default:
		c.legs[a.leg].Offer(body)
	}
	return nil
}

// takeAnswer takes an answer to what was presented.
func (c *Call) takeAnswer(a doTake) Signal {
	again, err := c.relay.Take(a.side, a.body, c.callers())
	if err != nil {
		c.refused(a.leg, err)
		return c.settled(ResultRefused)
	}
	if other := c.legs[a.other]; other != nil && again != nil {
		other.Offer(again)
		return c.settled(ResultAsked)
	}
	return c.settled(ResultDone)
}

// conclude gives a callee who made the offer the caller's answer.
func (c *Call) conclude(a doConclude) Signal {
	body, err := c.relay.Answer(media.Caller, a.body, c.callers())
	if err != nil {
		c.refused(A, err)
		return c.settled(ResultRefused)
	}
	c.legs[a.leg].Update(0, body)
	return c.settled(ResultDone)
}

func (c *Call) refused(leg LegID, err error) {
	c.log.Info("description refused", "leg", string(leg), "error", err)
}

func (c *Call) settled(r Result) Signal {
	return Settled{At{c.now()}, r, c.holds()}
}

func (c *Call) holds() Holds {
	return Holds{c.relay.Holds(media.Caller), c.relay.Holds(media.Callee)}
}
