package sip

import (
	"strconv"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// inbound is a caller's leg: the UAS of an INVITE.
type inbound struct {
	leg
	in   *incoming
	ring ringing
}

// newInbound makes the leg of an INVITE outside any dialog and starts it. The
// To tag, ours, is on the request already, so that every response carries it.
func newInbound(e *Endpoint, in *incoming) {
	named, rep, status := e.replacing(in)
	if status != 0 {
		e.count.drop("replaces")
		in.reply(status, nil)
		return
	}
	b := &inbound{in: in}
	b.init(e)
	b.heard()
	b.session = sessionOf(e.deps.Policy(in.trunk))
	b.dlg = uasDialog(in)
	b.proof = e.proofOf(in.trunk)
	b.key = b.dlg.key()
	b.session.knows(in)
	policy, _ := e.deps.Policy(in.trunk)
	b.ring = newRinging(in, policy.Reliable)
	b.whenEarly, b.whenPrack, b.whenOver = b.earlyRequest, b.pracked, b.stopRinging
	b.abort = b.crash
	cancelled := func(c call.Cause) { b.do(func() { b.cancelled(c) }) }
	in.tx.cancel.Store(&cancelled)
	b.dlg.peerHold(1)
	if _, ours := e.deps.Trunk(in.src.Addr()); !ours { // known by a password or a binding: let in as long as the call lasts
		e.door.expect(in.src.Addr())
		b.whenOver = func() {
			b.stopRinging()
			e.tx.afterLate.add(parted{e.door, []*hop{in.from}}, dueLinger)
		}
	}
	e.register(&b.leg, b.key)
	b.do(func() {
		if named != nil {
			b.startInstead(named, rep)
			return
		}
		b.start()
	})
}

// start hands the call over. 100 goes first: the caller's timers stop.
func (b *inbound) start() {
	b.in.reply(100, nil)
	send, refused := b.ep.deps.Admit(b.ep.invite(b.in, time.Now()), b)
	if refused != nil || send == nil {
		c := localCause(503)
		if refused != nil {
			c = *refused
		}
		b.refuse(c)
		b.finish()
		return
	}
	b.signal = send
}

// refuse sends the error response that words c. Only the reason that must not
// be answered at all is not: the transaction ends without one.
func (b *inbound) refuse(c call.Cause) {
	if b.state != early {
		return
	}
	if c.Reason == noTrunk {
		b.in.tx.Terminate()
		return
	}
	status, retry := finalStatus(c)
	headers := []gosip.Header{reasonHeader(c, false), warningHeader(c, b.in.from)}
	if retry > 0 {
		headers = append(headers, gosip.NewHeader("Retry-After", strconv.Itoa(retry)))
	}
	b.in.reply(status, nil, append(headers, contactHeaders(c, status)...)...)
}

// Hangup refuses the call or says goodbye. A BYE waits for the ACK to our 2xx
// (RFC 3261 15), or for it to be overdue.
func (b *inbound) Hangup(c call.Cause) {
	b.do(func() {
		switch {
		case b.state == early:
			b.refuse(c)
			b.finish()
		case b.answer != nil && b.answer.first:
			b.hung, b.cause = true, c
		default:
			b.bye(c)
		}
	})
}

// cancelled is a CANCEL, already answered. After our final response it means nothing.
func (b *inbound) cancelled(c call.Cause) {
	if b.state != early {
		return
	}
	b.in.reply(487, nil)
	b.tell(call.Cancelled{At: call.Now(), Cause: c})
	b.finish()
}

// earlyRequest is a request of the caller before our final response.
func (b *inbound) earlyRequest(in *incoming) {
	switch in.Method {
	case gosip.BYE: // a caller may end an early dialog so (RFC 3261 15)
		in.reply(200, nil)
		b.cancelled(causeOfCancel(in.Request))
	case gosip.PRACK:
		b.pracked(in)
	case gosip.UPDATE:
		b.earlyUpdate(in)
	case gosip.INVITE: // its first offer is not answered yet
		in.reply(500, nil, retryAfter(10))
	case gosip.REFER: // nobody to put him through to yet
		in.reply(491, nil)
	default:
		in.reply(200, nil, allowHeader())
	}
}

// earlyUpdate is an UPDATE before the answer: an offer only when his first one
// has been answered reliably (RFC 3311 5.2).
func (b *inbound) earlyUpdate(in *incoming) {
	switch {
	case len(in.Body()) == 0:
		b.refreshTarget(in, nil)
		in.reply(200, nil, in.from.contact(), allowHeader(), supportedHeader())
	case b.asking:
		in.reply(491, nil)
	case !b.ring.settled || b.offer != nil:
		in.reply(500, nil, retryAfter(10))
	default:
		b.present(in)
	}
}

// crash ends the leg after a panic.
func (b *inbound) crash() {
	if b.state == early {
		b.refuse(localCause(500))
		return
	}
	b.bye(localCause(500))
}
