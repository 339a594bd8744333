package call

import (
	"net/netip"

	"ringdown/routing"
)

// carryOutTransfer does one action of a transfer.
func (c *Call) carryOutTransfer(a action) Signal {
	switch a := a.(type) {
	case doDirect:
		d := routing.Transferred{Reject: routing.TransferNotAllowed}
		if c.ports.Transfer != nil {
			d = c.ports.Transfer(c.machine.decision.Table, a.referral)
		}
		return Directed{At{c.now()}, d}
	case doRefer:
		if l := c.legs[a.leg]; l != nil {
			l.Refer(a.id, a.status)
		}
	case doInvite:
		c.invite(a)
	case doWelcome:
		c.welcome(a)
	case doPropose:
		c.propose(a)
	case doMove:
		return c.move(a)
	case doReply:
		c.legs[a.leg].Answer(a.body)
	case doOfferAgain:
		if l := c.legs[a.leg]; l != nil {
			l.Offer(a.body)
		}
	case doClaim:
		a.named(Claimed{At: At{c.now()}, Claim: c.claim()})
	case doGive:
		c.give(a)
	case doRefuseClaim:
		a.claim.Refuse()
	case doClaimParty:
		c.board.claimParty(a.call, Claimed{At: At{c.now()}, Claim: c.claim(), Party: a.party})
	case doReplyOrder:
		a.reply(a.err)
	case doTransferTo:
		d := routing.Transferred{Reject: routing.TransferNotAllowed}
		if c.ports.TransferTo != nil {
			d = c.ports.TransferTo(c.machine.decision.Table, a.to)
		}
		return Directed{At{c.now()}, d}
	case doApart:
		c.relay.Apart(a.on)
	case doMute:
		c.relay.Mute(a.side, a.on)
	case doSegment:
		old := c.recording
		c.tap(a.pausedBy)
		c.aside.Go(func() { old.Close(a.at.Time) })
	}
	return nil
}

// claim is this call's wish for a leg.
func (c *Call) claim() Claim { return Claim{c.id, func(g Given) bool { return c.post("", g) }} }

// invite dials somebody who is to speak on a side.
func (c *Call) invite(a doInvite) {
	d := Dial{
		Call: c.id, Leg: a.leg, LegULID: c.machine.leg(a.leg).ulid, Target: c.machine.target(a.target),
		MaxForwards: c.machine.invite.MaxForwards, Replaces: a.replaces,
	}
	c.identify(&d)
	body, err := c.relay.Invite(a.side, netip.Addr{}, plainly(source(d.Target.Media, false)), nil)
	if err != nil {
		c.log.Warn("nothing to offer to who is to take a side over", "leg", string(a.leg), "error", err)
		c.post(a.leg, Failed{At{c.now()}, causeOf(err, 500, "media failed")})
		c.post(a.leg, Gone{At{c.now()}})
		return
	}
	relay := c.relay
	d.Body, d.Over = body, func(addr netip.Addr, private bool) ([]byte, error) {
		return relay.Invite(a.side, addr, source(d.Target.Media, private), nil)
	}
	c.start(a.leg, d)
}

// propose offers our media to a leg of another call.
func (c *Call) propose(a doPropose) {
	body, err := c.relay.Invite(a.side, netip.Addr{}, c.sourceOf(a.leg), a.told)
	if err != nil {
		c.log.Warn("nothing to offer to who is to take a side over", "leg", string(a.leg), "error", err)
		c.post(a.leg, Declined{At{c.now()}, causeOf(err, 500, "media failed")})
		return
	}
	c.legs[a.leg].Offer(body)
}

func (c *Call) move(a doMove) Signal {
	src := c.sourceOf(a.leg)
	m := Moved{At: At{c.now()}, Left: c.relay.Heard(a.side)}
	if a.offer {
		m.Answer, m.Again, m.Err = c.relay.ReplaceBy(a.side, a.body, src)
	} else {
		m.Again, m.Err = c.relay.Replace(a.side, a.body, src)
	}
	m.Holds = c.holds()
	if m.Err != nil {
		c.log.Warn("who was to take a side over describes media that cannot be", "leg", string(a.leg), "error", m.Err)
	}
	return m
}

// give lets a leg go: its line is cut first, so that nothing it says is told
// here any more and nothing is lost.
func (c *Call) give(a doGive) {
	leg, line, l := c.machine.leg(a.leg), c.lines[a.leg], c.legs[a.leg]
	line.cut()
	delete(c.lines, a.leg)
	delete(c.legs, a.leg)
	g := Given{At: At{c.now()}, Call: c.id, ULID: leg.ulid, Leg: l, Line: line, Told: c.relay.Told(a.side), Origin: leg.origin}
	g.Consent, g.Called = c.machine.wordOf(leg)
	if !a.claim.reply(g) { // whoever wanted it is over
		l.Hangup(Cause{Status: 480, Q850: 31, Text: "nobody waits any more"})
	}
}

func (c *Call) closeRecording(a doCloseRecording) {
	rec := c.recording
	if a.fresh {
		rec, c.opened = c.opened, nil
	} else {
		c.recording = nil
		if c.machine.state != ended || a.live { // else the relay is closed
			c.hearTalk()
		}
	}
	if a.discard {
		c.aside.Go(func() { rec.Discard() })
		return
	}
	c.aside.Go(func() { rec.Close(a.ended) })
}

// tap makes the recording that was opened the one that hears the call.
func (c *Call) tap(pausedBy string) {
	c.recording, c.opened = c.opened, nil
	if pausedBy != "" {
		c.recording.Pause(pausedBy, doPause{by: pausedBy}.source())
	}
	c.hearTalk()
}

// refuseLate deals with what came when the call was leaving already: a
// recording is closed, that of a message thrown away, a leg is hung up, a claim refused.
func (c *Call) refuseLate(letters []letter) {
	over := Cause{Status: 480, Q850: 31, Text: "nobody waits any more"}
	for _, l := range letters {
		switch s := l.s.(type) {
		case opened:
			if s.Err == nil {
				s.rec.Close(c.now())
			}
		case dictated:
			if s.Err == nil { // nobody has spoken into it
				s.rec.Discard()
			}
		case Replaced:
			s.Leg.Hangup(over)
		case Claimed:
			s.Claim.Refuse()
		case Ordered:
			s.Reply(ErrNotLive)
		case Given:
			if s.Leg != nil {
				s.Leg.Hangup(over)
			}
		}
	}
}
