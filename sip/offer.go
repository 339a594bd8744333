package sip

import (
	"crypto/rand"
	"math/big"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxTries bounds how often one offer of ours is sent again after a 491 or 500.
const maxTries = 6

// reoffer is an offer of ours to a peer who has answered: a re-INVITE
// (RFC 3261 14.1), sent again after a glare. It is out between send and final.
type reoffer struct {
	body      []byte
	refresh   bool // of the session only: nothing new is offered
	tries     int
	req       *gosip.Request
	hop       *hop
	client    *client
	prove     *exchange
	provided  bool
	final     bool
	cancelled bool
	timer     *time.Timer   // of the next try, or the limit of this one
	ack       *acknowledged // to the 2xx, sent again when it is repeated
}

// Offer makes the peer an offer. One exchange goes on at a time: it waits for
// the peer's own offer to be answered and for ACKs that are under way, and of
// several that wait the last one is made.
func (l *leg) Offer(body []byte) {
	l.do(func() {
		switch {
		case len(body) == 0 || l.hung || l.state == ending || l.state == over:
		case l.state == early:
			l.tell(call.Declined{At: call.Now(), Cause: localCause(491)})
		default:
			l.later = append([]byte(nil), body...)
			l.offerNext()
		}
	})
}

// offerNext sends the offer that waits, when nothing is in its way (RFC 3261
// 14.1: no other INVITE transaction in either direction; RFC 3264 4: no other offer).
func (l *leg) offerNext() {
	if l.state != confirmed || l.offer != nil || l.answer != nil || l.owed != nil || l.asking || l.hung {
		return
	}
	switch r := l.ours; {
	case r == nil && l.later == nil:
	case r == nil:
		l.ours, l.later = &reoffer{body: l.later}, nil
		l.send(l.ours)
	case r.timer == nil && r.req == nil: // its time came while something was in its way
		if l.later != nil {
			r.body, r.refresh, l.later = l.later, false, nil
		}
		l.send(r)
	}
}

// send makes one try.
func (l *leg) send(r *reoffer) {
	r.tries++
	r.provided, r.final, r.cancelled = false, false, false
	r.req, r.hop = l.dlg.request(l.ep.ctx, l.ep, gosip.INVITE, 0)
	r.req.AppendHeader(r.hop.contact())
	r.req.AppendHeader(allowHeader())
	r.req.AppendHeader(supportedHeader())
	for _, header := range l.session.again() {
		r.req.AppendHeader(header)
	}
	setBody(r.req, r.body)
	if r.prove == nil {
		r.prove = l.proof.begin()
	}
	r.prove.sign(r.req)
	try := r.tries
	current := func(f func()) func() {
		return func() {
			l.do(func() {
				if r.tries == try {
					f()
				}
			})
		}
	}
	var err error
	r.client, err = l.ep.request(r.req, r.hop, func(res *gosip.Response) {
		current(func() { l.reofferAnswered(r, res) })()
	}, current(func() { l.reofferEnded(r) }))
	if err != nil { // no way there now; one that lasts is found by the session timer
		l.unsent(r)
	}
}

// unsent gives up an offer that could not leave: the session is as it was.
func (l *leg) unsent(r *reoffer) {
	l.ours = nil
	if r.refresh {
		l.refreshIn(refreshRetry)
	} else {
		l.tell(call.Declined{At: call.Now(), Cause: localCause(503)})
	}
	l.offerNext()
}

// reofferAnswered takes one response. A 2xx is acknowledged whatever has become
// of the leg meanwhile.
func (l *leg) reofferAnswered(r *reoffer, res *gosip.Response) {
	l.heard()
	switch {
	case res.IsProvisional():
		if !r.provided && !r.final {
			r.provided = true
			r.timer = l.after(allT1, func() { l.cancelReoffer(r) }) // nobody has to be asked for audio
			if l.ours != r {
				l.cancelReoffer(r)
			}
		}
	case res.IsSuccess():
		l.reofferAccepted(r, res)
	case !r.final:
		r.final = true
		stop(r.timer)
		r.timer = nil
		if l.ours == r {
			l.reofferRefused(r, res)
		}
	}
}

func (l *leg) reofferAccepted(r *reoffer, res *gosip.Response) {
	if r.ack != nil && r.final {
		r.ack.send()
		return
	}
	r.final = true
	stop(r.timer)
	if uri, ok := contactOf(res); ok {
		l.dlg.target = uri
	}
	r.ack = l.ep.acknowledge(&l.dlg, r.req, nil)
	if l.ours != r {
		return
	}
	l.ours = nil
	l.session.accepted(res)
	l.startSession()
	body := description(res)
	if changed := l.described(r.body, body); !r.refresh || changed && l.later == nil { // what waits is answered for itself
		l.tell(call.Accepted{At: call.Now(), Body: body})
	}
	l.offerNext()
}

// reofferRefused decides between another try, no, and a peer that is lost
// (RFC 3261 14.1, 12.2.1.2).
func (l *leg) reofferRefused(r *reoffer, res *gosip.Response) {
	if r.prove.take(r.req, res) {
		l.send(r)
		return
	}
	r.prove = nil
	wait, again := l.retryIn(res)
	switch {
	case res.StatusCode == 481 || res.StatusCode == 408:
		l.ours = nil
		l.lost(causeOf(res))
	case again && r.tries < maxTries:
		r.req = nil
		r.timer = l.after(wait, func() {
			if l.ours == r {
				r.timer = nil
				l.offerNext()
			}
		})
	case l.session.raise(res) && r.tries < maxTries:
		r.req = nil
		l.offerNext()
	default:
		l.ours = nil
		if !r.refresh {
			l.tell(call.Declined{At: call.Now(), Cause: causeOf(res)})
		}
		l.startSession() // who refuses is alive
		l.offerNext()
	}
}

// maxRetryAfter is the longest Retry-After that an offer waits for: what
// RFC 3261 14.2 lets a peer ask.
const maxRetryAfter = 10 * time.Second

// retryIn says whether and when a refused offer is worth another try: after 491
// in 2.1 to 4 s when the Call-ID is ours and in 0 to 2 s when it is the peer's,
// in steps of 10 ms, so that two who met do not meet again (RFC 3261 14.1).
func (l *leg) retryIn(res *gosip.Response) (time.Duration, bool) {
	switch res.StatusCode {
	case 491:
		if l.dlg.caller {
			return 2100*time.Millisecond + randomSteps(190), true
		}
		return randomSteps(200), true
	case 500:
		wait, ok := delta(res, "Retry-After")
		return wait, ok && wait <= maxRetryAfter
	}
	return 0, false
}

// randomSteps returns 0 to n steps of 10 ms.
func randomSteps(n int64) time.Duration {
	r, err := rand.Int(rand.Reader, big.NewInt(n+1))
	if err != nil {
		return time.Duration(n) * 10 * time.Millisecond
	}
	return time.Duration(r.Int64()) * 10 * time.Millisecond
}

// reofferEnded is the end of a try's transaction.
func (l *leg) reofferEnded(r *reoffer) {
	if r.final {
		return
	}
	r.final = true
	stop(r.timer)
	if l.ours == r && !r.provided && !r.cancelled && l.state == confirmed && l.ep.fallBack(r.client) {
		l.send(r)
		return
	}
	if l.ours == r { // no answer at all
		l.ours = nil
		c := localCause(408)
		if r.refresh {
			c = silentPeer()
		}
		l.lost(c)
	}
}

// cancelReoffer gives an offer up that is only being thought about.
func (l *leg) cancelReoffer(r *reoffer) {
	if r.cancelled || r.final {
		return
	}
	r.cancelled = true
	stop(r.timer)
	l.ep.request(cancelOf(r.req), r.client.hop, func(*gosip.Response) {}, func() {}) // unsent: the limit below ends it
	r.timer = l.after(allT1, r.client.Terminate)
}

// dropReoffer forgets what we offered because the leg is ending: a CANCEL goes
// when one is allowed, and a 2xx that comes all the same is acknowledged.
func (l *leg) dropReoffer() {
	r := l.ours
	l.ours, l.later = nil, nil
	switch {
	case r == nil:
	case r.req == nil:
		stop(r.timer)
	case r.provided:
		l.cancelReoffer(r)
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// cancelOf builds the CANCEL of an INVITE: the same branch, the same way.
func cancelOf(invite *gosip.Request) *gosip.Request {
	req := gosip.NewRequest(gosip.CANCEL, invite.Recipient)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.AppendHeader(invite.Via().Clone())
	req.AppendHeader(maxForwards(70))
	for _, h := range invite.GetHeaders("Route") { // RFC 3261 9.1
		req.AppendHeader(gosip.HeaderClone(h))
	}
	for _, h := range []gosip.Header{gosip.HeaderClone(invite.From()), gosip.HeaderClone(invite.To()),
		gosip.HeaderClone(invite.CallID()), &gosip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: gosip.CANCEL}} {
		req.AppendHeader(h)
	}
	setBody(req, nil)
	return req
}

// reoffering reports whether an offer of ours is out and not answered.
func (l *leg) reoffering() bool {
	return l.asking || l.ours != nil && l.ours.req != nil && !l.ours.final
}
