package call

// dialOut starts an attempt when the trunk it leaves by and its destination have
// a place for it and the fraud guard lets it out: every leg that we dial goes
// through here. One that is full or refused is one way that cannot be taken: the
// hunt goes on.
func (c *Call) dialOut(leg LegID, d Dial, send func(Signal)) (Leg, error) {
	if refused := c.mayCall(leg, d.Target); refused != nil {
		return nil, *refused
	}
	if full := c.board.claimOut(c, leg, originOfTarget(d.Target), c.now()); full != nil {
		c.board.guard.undo(holder{c.id, leg})
		return nil, *full
	}
	c.placed(leg)
	if t := c.machine.decision.Table; t != nil {
		d.Policy = t.Trunk
	}
	l, err := c.ports.Dial(c.ctx, d, send)
	if err != nil {
		c.board.guard.undo(holder{c.id, leg})
	}
	return l, err
}

// placed notes that a leg may hold a place of its own.
func (c *Call) placed(leg LegID) {
	if c.out == nil {
		c.out = map[LegID]struct{}{}
	}
	c.out[leg] = struct{}{}
}

// welcome takes over a leg that speaks already, with what it has said meanwhile.
func (c *Call) welcome(a doWelcome) {
	c.legs[a.leg], c.lines[a.leg] = a.dial, a.line
	c.placed(a.leg)
	c.board.putIn(c, a.leg, c.machine.leg(a.leg).origin)
	a.line.connect(c, a.leg)
}

// freePlaces gives back what legs hold that are over, though the call goes on.
func (c *Call) freePlaces() {
	for id := range c.out {
		if l := c.machine.leg(id); l == nil || l.over {
			c.board.freeOut(c, id)
			delete(c.out, id)
		}
	}
}
