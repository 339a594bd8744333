package sip

import (
	"errors"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

var errBranch = errors.New("request has no branch of ours")

// client is a request of ours (RFC 3261 17.1, RFC 6026 7.2). Everything of it
// happens in its order, without a goroutine of its own.
type client struct {
	t       *transactions
	hop     *hop // where the request went
	instead bool // by TCP, because it was too large for UDP
	key     txKey
	invite  bool
	on      func(*gosip.Response)
	ended   func()

	in     serial
	state  txState
	req    *gosip.Request // until the final response
	wire   []byte         // what is repeated: the request, or the ACK to a refusal
	pace   time.Duration  // to the next repetition, after the first
	repeat *time.Timer    // of the second and later ones
	heard  int            // responses after the first final one, and provisional ones
}

// talkative is how many responses a transaction listens to besides its first
// final one; a callee that rings for minutes sends a few dozen.
const talkative = 1000

func (c *client) reliable() bool { return c.hop.stream != nil }

// begin sends the request and starts the timers A and B, or E and F.
func (c *client) begin() (err error) {
	c.pace = 2 * t1
	if err = c.hop.writeBytes(c.wire); err != nil {
		c.state = txTerminated
		c.t.drop(c)
		return err
	}
	c.hop.hold(1)
	if !c.reliable() {
		c.t.afterT1.add(c, dueRepeat)
	}
	c.t.afterAll.add(c, dueGiveUp)
	return nil
}

// receive takes a response; it runs in c.in.
func (c *client) receive(res *gosip.Response) {
	first := c.state <= txProceeding && res.StatusCode >= 200
	if !first {
		if c.heard++; c.heard > talkative {
			c.hop.ep.count.drop("flood")
			return
		}
	}
	switch {
	case c.state == txTerminated:
	case c.state == txAccepted:
		if res.IsSuccess() { // repeated, or of another branch
			c.on(res)
		}
	case c.state == txCompleted:
		if c.invite && res.StatusCode >= 300 && c.wire != nil { // our ACK was lost
			c.hop.writeBytes(c.wire)
		}
	case res.IsProvisional():
		c.state = txProceeding
		c.pace = t2 // timer E from its next firing on; an INVITE is not repeated any more
		c.on(res)
	default:
		c.final(res)
	}
}

// final is the first final response.
func (c *client) final(res *gosip.Response) {
	switch {
	case c.invite && res.IsSuccess():
		c.state, c.wire = txAccepted, nil
		c.t.afterAll.add(c, dueLinger) // M
	case c.invite:
		c.state, c.wire = txCompleted, nil
		if b, err := c.hop.marshal(ackOfRefusal(c.req, res)); err == nil {
			c.wire = b
			c.hop.writeBytes(b)
		}
		if !c.reliable() {
			c.t.afterAll.add(c, dueLinger) // D
		}
	default:
		c.state, c.wire = txCompleted, nil
		if !c.reliable() {
			c.t.afterT4.add(c, dueLinger) // K
		}
	}
	c.req = nil
	c.stopRepeat()
	c.on(res)
	if c.state == txCompleted { // what comes now is absorbed here
		c.tellEnded()
		if c.reliable() {
			c.end()
		}
	}
}

// due is one of its timers. Which of them still mean something depends on the
// state: none is stopped.
func (c *client) due(what deadline) { c.in.here(func() { c.fired(what) }) }

func (c *client) fired(what deadline) {
	waiting := c.state == txTrying || c.state == txProceeding && !c.invite
	switch {
	case what == dueLinger && c.state != txTerminated, what == dueGiveUp && waiting: // B, F: 64*T1 and no answer
		c.end()
	case what == dueRepeat && waiting: // A, E
		c.hop.writeBytes(c.wire)
		pace := c.pace
		if c.pace *= 2; !c.invite {
			c.pace = min(c.pace, t2)
		}
		c.repeat = time.AfterFunc(pace, func() { c.due(dueRepeat) })
	}
}

func (c *client) stopRepeat() {
	if c.repeat != nil {
		c.repeat.Stop()
		c.repeat = nil
	}
}

// Terminate ends the transaction without another word.
func (c *client) Terminate() { c.in.here(c.end) }

// end ends it; the owner is told that nothing more will come, once.
func (c *client) end() {
	if c.state == txTerminated {
		return
	}
	c.state, c.wire, c.req = txTerminated, nil, nil
	c.stopRepeat()
	c.t.drop(c)
	c.hop.hold(-1)
	c.tellEnded()
}

// tellEnded lets go of the owner.
func (c *client) tellEnded() {
	ended := c.ended
	c.on, c.ended = nil, nil
	if ended != nil {
		ended()
	}
}

// bequeath gives the further 2xx of an answered INVITE to another owner; the
// one before is not told of the end.
func (c *client) bequeath(on func(*gosip.Response)) {
	c.in.here(func() {
		if c.state == txAccepted {
			c.on, c.ended = on, nil
		}
	})
}

func (t *transactions) drop(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients[c.key] == c {
		delete(t.clients, c.key)
	}
}

// ackOfRefusal is the ACK to a final response other than 2xx (RFC 3261 17.1.1.3).
func ackOfRefusal(invite *gosip.Request, res *gosip.Response) *gosip.Request {
	ack := gosip.NewRequest(gosip.ACK, invite.Recipient)
	for _, h := range []gosip.Header{invite.Via().Clone(), gosip.HeaderClone(invite.From()), gosip.HeaderClone(res.To()),
		gosip.HeaderClone(invite.CallID()), &gosip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: gosip.ACK}, maxForwards(70)} {
		ack.AppendHeader(h)
	}
	setBody(ack, nil)
	return ack
}

func maxForwards(n int) gosip.Header {
	h := gosip.MaxForwardsHeader(n)
	return &h
}
