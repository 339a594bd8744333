package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// outbound is an attempt of ours towards one target: the UAC of an INVITE,
// which may be sent to several addresses in turn.
type outbound struct {
	leg
	dial    call.Dial
	policy  func(trunk string) (routing.Trunk, bool) // of the table that decided the call
	uri     gosip.Uri                                // of the place that is tried
	seq     uint32
	places  []gosip.Uri                          // still to be looked up
	look    func(gosip.Uri) ([]candidate, error) // finds the addresses of a place
	waiting []candidate                          // addresses still to try
	current *attempt                             // nil: none is out
	won     *attempt                             // the one that was answered
	last    call.Cause                           // why the address before did not do
	unsaid  *call.Cause                          // why nothing may be offered to the address in hand; nil: it may
	forks   []*leg
	saidBye map[string]bool // To tags whose BYE overtook their 2xx
	hops    []*hop          // dialled, held open and let in by the door; under the endpoint's lock
}

// attempt is one INVITE transaction.
type attempt struct {
	at        candidate
	req       *gosip.Request
	hop       *hop
	client    *client
	prove     *exchange
	provided  bool // a provisional response came
	taken     bool // that has been told
	final     bool
	cancelled bool
	abandoned bool                     // nobody waits for it: a 2xx is said goodbye to at once
	acks      map[string]*acknowledged // by To tag of each 2xx
	places    map[string]*earlyDialog  // by To tag of each place that rings
	heard     string                   // To tag of the one whose description was told last
	timer     *time.Timer
}

var errForwards = fmt.Errorf("sip: no hop left: Max-Forwards is used up: %w", localCause(483))

// Dial starts an attempt and returns at once; all that becomes of it, Failed
// for an unknown host included, comes as signals. An error means that nothing
// was started: the target cannot be dialled by anybody. ctx bounds the look-up
// of a host name, nothing else; send must not wait.
func (e *Endpoint) Dial(ctx context.Context, d call.Dial, send func(call.Signal)) (call.Leg, error) {
	places, err := e.placesOf(d.Target)
	if err != nil {
		return nil, err
	}
	if d.MaxForwards <= 0 {
		return nil, errForwards
	}
	if e.closed() {
		return nil, errors.New("sip: endpoint is closed")
	}
	trunk := d.Target.Trunk
	o := &outbound{dial: d, places: e.health.sortPlaces(trunk, places), last: localCause(480), saidBye: map[string]bool{}}
	o.uri = o.places[0]
	o.look = func(uri gosip.Uri) ([]candidate, error) {
		if d.Target.User != "" {
			return e.registrar.find(trunk, d.Target.User)
		}
		return e.locate(ctx, uri, trunk)
	}
	o.init(e)
	o.signal = send
	o.abort = o.crash
	o.whenOver = o.release
	o.policy = d.Policy
	if o.policy == nil {
		o.policy = e.deps.Policy
	}
	o.session = sessionOf(o.policy(trunk))
	o.dlg = dialog{callID: newTag() + newTag(), localTag: newTag(), trunk: d.Target.Trunk}
	o.proof = e.proofFor(o.policy, trunk, o.uri.Host)
	e.register(&o.leg, "")
	e.mu.Lock()
	e.calling[callingKey(o.dlg.callID, o.dlg.localTag)] = o
	e.mu.Unlock()
	o.do(o.next)
	return o, nil
}

// attempt makes the INVITE and sends it; another one when the first was challenged.
func (o *outbound) attempt(at candidate, h *hop, x *exchange) bool {
	body, err := o.offerTo(h)
	if err != nil {
		return false
	}
	o.seq++
	a := &attempt{at: at, req: o.invite(h, body), hop: h, prove: x, acks: map[string]*acknowledged{}}
	x.sign(a.req)
	a.client, err = o.ep.request(a.req, h, func(res *gosip.Response) {
		o.do(func() { o.response(a, res) })
	}, func() {
		o.do(func() { o.ended(a) })
	})
	if err != nil {
		return false
	}
	o.current = a
	a.timer = o.after(cmp.Or(o.dial.Target.Connect, no100), func() { o.silent(a) })
	return true
}

// invite builds the INVITE from scratch: nothing of the caller's is in it but
// what the trunk may be shown of him, headers that both trunks list, and what
// the relay has written.
func (o *outbound) invite(h *hop, body []byte) *gosip.Request {
	req := newRequest(gosip.INVITE, o.uri, h, o.ep.branch(), o.dial.MaxForwards)
	host, _ := h.sentBy()
	policy, _ := o.policy(o.dial.Target.Trunk)
	who := shown{dial: &o.dial, policy: policy, host: host, target: o.uri}
	for _, r := range o.ep.serviceRoute(o.dial.Target.Trunk, h.addr.Addr()) {
		req.AppendHeader(&gosip.RouteHeader{Address: r})
	}
	id := gosip.CallIDHeader(o.dlg.callID)
	req.AppendHeader(who.from(o.dlg.localTag))
	req.AppendHeader(&gosip.ToHeader{Address: withoutParams(o.uri)})
	req.AppendHeader(&id)
	req.AppendHeader(&gosip.CSeqHeader{SeqNo: o.seq, MethodName: gosip.INVITE})
	req.AppendHeader(h.contact())
	for _, h := range append(who.headers(), crossed(o.dial.Headers, policy.Headers.Out)...) {
		req.AppendHeader(h)
	}
	for _, h := range who.attests(o.ep.notary, time.Now()) {
		req.AppendHeader(h)
	}
	req.AppendHeader(allowHeader())
	if policy.DelayedOffer {
		body = nil
	}
	for _, header := range append(append(options(policy.Reliable, len(body) > 0), replacesHeaders(o.dial.Replaces)...), o.session.offer()...) {
		req.AppendHeader(header)
	}
	setBody(req, body)
	return req
}

// offerTo is our offer, in the IP version that the address is reached over. It
// fails when there is none that may be made this way.
func (o *outbound) offerTo(h *hop) ([]byte, error) {
	if o.dial.Over == nil || len(o.dial.Body) == 0 {
		return o.dial.Body, nil
	}
	body, err := o.dial.Over(h.addr.Addr(), h.private())
	if c := (call.Cause{}); errors.As(err, &c) {
		o.ep.log.Warn("sip offer cannot be made to this address", "call", string(o.dial.Call), "leg", string(o.dial.Leg), "error", err)
		o.unsaid = &c
		return nil, err
	}
	if err != nil || len(body) == 0 { // no ports: the peer may speak both versions
		o.ep.log.Warn("sip offer made over another IP version than the call goes", "call", string(o.dial.Call), "leg", string(o.dial.Leg), "error", err)
		return o.dial.Body, nil
	}
	return body, nil
}

// silent is an address that did not answer at all: it is left behind.
func (o *outbound) silent(a *attempt) {
	if a.provided || a.final || a.abandoned {
		return
	}
	a.abandoned = true
	o.last = localCause(408)
	o.leave(a, "no answer", "silent")
	if a == o.current {
		o.current = nil
		o.next()
	}
}

// response takes one response of an attempt; they may come in any order.
func (o *outbound) response(a *attempt, res *gosip.Response) {
	o.heard()
	o.standing(a, res)
	switch {
	case res.IsProvisional():
		a.provided = true
		if a.abandoned || o.hung {
			o.cancel(a)
		}
		if a == o.current && !a.final {
			o.provisional(a, res)
		}
	case res.IsSuccess():
		a.final = true
		o.accepted(a, res)
	default:
		a.final = true
		a.timer.Stop()
		if a != o.current {
			return
		}
		o.current = nil
		if o.longer(a, res) || a.prove.take(a.req, res) && !o.hung && o.attempt(a.at, a.hop, a.prove) {
			return
		}
		if gatewayDown(res) && o.more() { // RFC 3263 4.3
			o.failover("503")
			o.last = causeOf(res)
			o.next()
			return
		}
		o.fail(causeOf(res))
	}
}

// description returns a message's body when it is one we understand.
func description(m interface {
	Body() []byte
	ContentType() *gosip.ContentTypeHeader
}) []byte {
	if len(m.Body()) == 0 || !isSDP(m) {
		return nil
	}
	return append([]byte(nil), m.Body()...)
}

// accepted is a 2xx: acknowledged in any case. The first of the attempt that
// counts is the answer; others are dialogs that have to be ended.
func (o *outbound) accepted(a *attempt, res *gosip.Response) {
	a.timer.Stop()
	tag, _ := res.To().Params.Get("tag")
	if again, known := a.acks[tag]; known {
		if again != nil {
			again.send()
		}
		return
	}
	d := uacDialog(a.req, res, a.hop, o.dial.Target.Trunk)
	counts := a == o.current && o.state == early
	if counts && len(a.req.Body()) == 0 {
		o.owe(a, tag)
	} else {
		a.acks[tag] = o.ep.acknowledge(&d, a.req, nil)
	}
	place := a.resume(&d, tag)
	if !counts {
		o.fork(a, d)
		return
	}
	o.current, o.won = nil, a
	o.state = confirmed
	o.setDialog(d)
	body := description(res)
	if len(body) == 0 { // it was in a response before, reliable or, by old gateways, not
		body = place.said
	}
	o.described(a.req.Body(), body)
	o.described(place.ours, nil)
	if o.offer != nil && o.offer.early != place {
		o.refuseOffer(487) // of a place that did not answer
	}
	o.session.accepted(res)
	o.startSession()
	o.tell(call.Answered{At: call.Now(), Body: body, Offer: o.owed != nil})
	if o.saidBye[tag] {
		o.tell(call.Bye{At: call.Now(), Cause: remoteCause(200)})
		o.finish()
	}
}

// setDialog gives the leg its dialog and makes it known to requests.
func (l *leg) setDialog(d dialog) {
	l.key, l.dlg = d.key(), d
	l.dlg.peerHold(1)
	l.ep.register(l, l.key)
}

// fork is a 2xx beside the answer, or one that nobody waits for any more.
func (o *outbound) fork(a *attempt, d dialog) {
	f := &leg{state: confirmed, proof: o.proof}
	f.init(o.ep)
	f.setDialog(d)
	if a.abandoned || o.state != confirmed {
		c := localCause(200)
		if o.state == confirmed { // the address tried after this one answered
			c.Q850 = 26
		}
		f.do(func() { f.bye(c) })
		return
	}
	o.forks = append(o.forks, f)
	o.tell(call.Forked{At: call.Now(), Leg: f})
}

// ended is the end of an attempt's transaction: after its final response
// nothing new, without one the address is no use.
func (o *outbound) ended(a *attempt) {
	if a.final || a.abandoned {
		return
	}
	a.abandoned = true
	a.timer.Stop()
	if a != o.current {
		return
	}
	o.current = nil
	switch {
	case a.cancelled: // no final response to the INVITE although it was cancelled
		o.finish()
	case a.provided:
		o.fail(localCause(408))
	default:
		o.last = localCause(503)
		o.leave(a, "connection lost", "unreachable")
		o.next()
	}
}

// fail tells that the attempt has come to nothing.
func (o *outbound) fail(c call.Cause) {
	if o.state != early {
		return
	}
	o.tell(call.Failed{At: call.Now(), Cause: c})
	o.finish()
}

// Hangup gives the attempt up. Before a provisional response nothing may be
// sent (RFC 3261 9.1): the CANCEL waits for it.
func (o *outbound) Hangup(c call.Cause) {
	o.do(func() {
		switch o.state {
		case early:
			if o.hung {
				return
			}
			o.hung, o.cause = true, c
			if o.current != nil && o.current.provided {
				o.cancel(o.current)
			}
		case confirmed:
			o.bye(c)
		}
	})
}

// cancel sends the CANCEL of an attempt, once: the same branch, the same way as
// the INVITE. 64*T1 later the INVITE counts as ended (RFC 3261 9.1).
func (o *outbound) cancel(a *attempt) {
	if a.cancelled || a.final {
		return
	}
	a.cancelled = true
	a.timer.Stop()
	req := cancelOf(a.req)
	if r := reasonHeader(o.cause, true); r != nil {
		req.AppendHeader(r)
	}
	o.ep.request(req, a.client.hop, func(*gosip.Response) {}, func() {}) // unsent: the limit below ends it
	a.timer = o.after(allT1, a.client.Terminate)
}

// overtaken is a request inside the dialog that came before the 2xx it belongs
// to: UDP keeps no order. The 2xx may have been waiting in front of it.
func (o *outbound) overtaken(in *incoming) {
	tag, _ := in.From().Params.Get("tag")
	l := o.ep.legOf(in)
	var place *earlyDialog
	if o.current != nil {
		place = o.current.places[tag]
	}
	switch {
	case l == &o.leg:
		l.request(in)
	case l != nil: // of a fork
		l.do(func() { l.request(in) })
	case place != nil && in.Method != gosip.BYE:
		o.earlyRequest(in, place)
	case in.Method == gosip.BYE:
		in.reply(200, nil)
		if len(o.saidBye) < maxEarly { // whoever makes up more of them hears a BYE of ours
			o.saidBye[tag] = true
		}
	case in.Method == gosip.INVITE || in.Method == gosip.UPDATE:
		in.reply(491, nil) // our INVITE is still open (RFC 3261 14.2)
	default:
		in.reply(481, nil)
	}
}

// expects reports whether this leg has dialled an address. It is asked outside
// the leg's order.
func (o *outbound) expects(addr netip.Addr) bool {
	o.ep.mu.Lock()
	defer o.ep.mu.Unlock()
	return slices.ContainsFunc(o.hops, func(h *hop) bool { return h.addr.Addr() == addr })
}

// release lets go of what the leg has taken.
func (o *outbound) release() {
	e := o.ep
	if o.current != nil && !o.current.provided {
		o.current.abandoned = true
	}
	for _, f := range o.forks {
		f.do(func() { f.bye(localCause(200)) })
	}
	e.mu.Lock()
	hops := o.hops
	o.hops = nil
	delete(e.calling, callingKey(o.dlg.callID, o.dlg.localTag))
	e.mu.Unlock()
	for _, h := range hops {
		h.hold(-1)
	}
	e.tx.afterLate.add(parted{e.door, hops}, dueLinger)
	if o.won != nil {
		o.retire(o.won)
	}
}

// crash ends the leg after a panic.
func (o *outbound) crash() {
	o.cause = localCause(500)
	if a := o.current; a != nil && o.state == early {
		a.abandoned = true
		if a.provided {
			o.cancel(a)
		}
	}
	o.bye(o.cause)
}
