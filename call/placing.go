package call

// dialOut starts an attempt when the trunk it leaves by has a place for it. A
// trunk that is full is one way that cannot be taken: the hunt goes on.
func (c *Call) dialOut(leg LegID, d Dial, send func(Signal)) (Leg, error) {
	if full := c.board.claimOut(c, leg, d.Target.Trunk, c.now()); full != nil {
		return nil, *full
	}
	if c.out == nil {
		c.out = map[LegID]struct{}{}
	}
	c.out[leg] = struct{}{}
	return c.ports.Dial(c.ctx, d, send)
}

// freePlaces gives back what attempts hold that are over, though the call goes on.
func (c *Call) freePlaces() {
	for id := range c.out {
		if l := c.machine.leg(id); l == nil || l.over {
			c.board.freeOut(c, id)
			delete(c.out, id)
		}
	}
}
