package sip

import (
	"crypto/rand"
	"math/big"
	"runtime/debug"
	"strconv"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// state is how far a leg's dialog has come.
type state uint8

const (
	early     state = iota // no final response yet
	confirmed              // 2xx sent or received
	ending                 // our BYE is on its way
	over                   // Gone has been told; only late messages are still dealt with
)

// leg is a dialog as the call sees it: what UAS and UAC legs share. It is the
// whole of a leg for a further 2xx of a fork. Every field is used in the leg's
// own order only, except where the endpoint's tables are.
type leg struct {
	serial
	ep      *Endpoint
	dlg     dialog
	proof   *proof // what a challenge of the peer is answered with
	key     string // in the endpoint's dialogs, once there is one
	state   state
	signal  func(call.Signal) // nil: nobody listens
	answer  *repeat           // our 2xx that waits for its ACK
	offer   *incoming         // their re-INVITE or UPDATE that waits for Update
	offers  int               // how many came: the number of offer
	ours    *reoffer          // our offer that is out or waits for another try
	asking  bool              // an offer of ours from before the answer is out, by UPDATE
	later   []byte            // our offer that waits for its turn
	owed    func([]byte)      // sends the ACK that waits for our answer to the offer in a 2xx; nil: none does
	session session           // its timer
	said    []byte            // our description in force
	theirs  []byte            // the peer's
	sent    time.Time         // when a 2xx went that had to wait
	alive   moment            // when the peer was last heard of
	keys    *telling          // keys that go by INFO; nil: none did
	refers  *referrals        // REFERs of the peer; nil: none came
	hung    bool              // Hangup came when nothing could be sent yet
	cause   call.Cause        // of that Hangup

	whenEarly func(in *incoming) // a request before the final response
	whenPrack func(in *incoming) // a PRACK, also after it
	whenOver  func()             // resources beyond the dialog
	abort     func()             // after a panic: the shortest way out
}

func (l *leg) init(e *Endpoint) {
	l.ep = e
	l.caught = func(any) {
		e.count.panicked()
		e.log.Error("sip panic, leg ended", "leg", l.dlg.localTag, "stack", string(debug.Stack()))
		if l.refers != nil {
			l.refers.said = true // no BYE waits any more
		}
		guard(l.abort, func(any) {})
		l.finish()
	}
	l.abort = func() { l.bye(localCause(500)) }
}

// tell gives a signal to the call. After Gone nothing is told any more.
func (l *leg) tell(s call.Signal) {
	if l.signal != nil {
		l.signal(s)
	}
}

// finish ends the leg: Gone is its last signal, told once.
func (l *leg) finish() {
	if l.state == over {
		return
	}
	l.state = over
	l.refuseOffer(487)
	l.refuseReferrals()
	l.stopAnswer()
	l.stopSession()
	l.dropReoffer()
	l.pay(nil)
	l.ep.unregister(l, l.key)
	l.dlg.peerHold(-1)
	last := l.signal
	l.signal = nil
	if l.whenOver != nil {
		guard(l.whenOver, l.ep.panicked)
	}
	if last != nil {
		last(call.Gone{At: call.Now()})
	}
}

func (d *dialog) peerHold(n int32) {
	if d.peer != nil {
		d.peer.hold(n)
	}
}

// from reports whether a request comes from where this dialog's peer is. It is
// asked outside the leg's order; the fields it reads never change.
func (l *leg) from(in *incoming) bool { return l.dlg.isPeer(in) }

func (d *dialog) isPeer(in *incoming) bool {
	return in.src.Addr() == d.peer.addr.Addr() || d.trunk != "" && in.trunk == d.trunk
}

// request serves a request inside the dialog.
func (l *leg) request(in *incoming) {
	l.heard()
	d := &l.dlg
	switch seq := in.CSeq().SeqNo; {
	case l.state == over || l.state == ending && in.Method != gosip.BYE:
		in.reply(481, nil)
		return
	case d.remoteSeen && seq <= d.remoteSeq: // equal too: a repeated request would have met its transaction
		in.reply(500, nil)
		return
	default:
		d.remoteSeq, d.remoteSeen = seq, true
	}
	switch {
	case l.state == early && l.whenEarly != nil:
		l.whenEarly(in)
	case in.Method == gosip.BYE:
		l.byed(in)
	case in.Method == gosip.PRACK && l.whenPrack != nil:
		l.whenPrack(in)
	case in.Method == gosip.PRACK:
		in.reply(481, nil)
	case in.Method == gosip.INVITE || in.Method == gosip.UPDATE:
		l.offered(in)
	case in.Method == gosip.REFER:
		l.referred(in)
	case in.Method == gosip.INFO:
		l.info(in)
	default: // OPTIONS: heard, and of no effect
		in.reply(200, nil, allowHeader())
	}
}

// byed is the peer's BYE. It ends the leg also when ours is on its way.
func (l *leg) byed(in *incoming) {
	in.reply(200, nil)
	l.refuseOffer(487)
	l.dropReoffer()
	l.tell(call.Bye{At: call.Now(), Cause: causeOfBye(in.Request)})
	l.finish()
}

// offered is a re-INVITE or UPDATE (RFC 3261 14.2, RFC 3311 5.2).
func (l *leg) offered(in *incoming) {
	reinvite := in.IsInvite()
	switch {
	case l.session.tooShort(in):
		in.reply(422, nil, l.session.minHeader())
	case l.offer != nil:
		in.reply(500, nil, retryAfter(10))
	case reinvite && (l.answer != nil || l.reoffering() || l.owed != nil),
		len(in.Body()) > 0 && (l.answer != nil && l.answer.offers || l.reoffering() || l.owed != nil):
		in.reply(491, nil) // a 2xx of ours is not acknowledged yet, or an offer of ours not answered
	case reinvite || len(in.Body()) > 0:
		if reinvite {
			in.reply(100, nil)
			cancelled := func(call.Cause) { l.do(func() { l.cancelOffer(in) }) }
			in.tx.cancel.Store(&cancelled)
		}
		l.present(in)
	default:
		l.refreshTarget(in, nil)
		l.accept(in, nil)
	}
}

// present gives an offer to the call, which answers by Update or Refuse.
func (l *leg) present(in *incoming) {
	l.offers++
	l.offer = in
	l.tell(call.Offered{At: call.Now(), ID: l.offers, Body: append([]byte(nil), in.Body()...)})
}

// retryAfter returns a Retry-After of 0 to n seconds (RFC 3261 14.2).
func retryAfter(n int64) gosip.Header {
	r, err := rand.Int(rand.Reader, big.NewInt(n+1))
	if err != nil {
		r = big.NewInt(n)
	}
	return gosip.NewHeader("Retry-After", strconv.FormatInt(r.Int64(), 10))
}

// refreshTarget takes the new target of an accepted request, answered by ours.
func (l *leg) refreshTarget(in *incoming, ours []byte) {
	if in.Method == gosip.PRACK {
		return
	}
	l.dlg.retarget(in)
	if d := in.early; d != nil {
		d.retarget(in)
		d.ours, d.said = ours, in.Body()
	}
}

// refuseOffer answers the offer that waits, if one does.
func (l *leg) refuseOffer(status int) {
	if l.offer == nil {
		return
	}
	var after []gosip.Header
	if status == 500 {
		after = append(after, retryAfter(10))
	}
	l.offer.reply(status, nil, after...)
	l.offer = nil
}

func (l *leg) cancelOffer(in *incoming) {
	if l.offer == in {
		l.refuseOffer(487)
		l.tell(call.Withdrawn{At: call.Now(), ID: l.offers})
		l.offerNext()
	}
}

// Progress and Answer are for a caller's leg only.
func (l *leg) Progress(int, []byte) {}
func (l *leg) Answer([]byte)        {}

// Update answers the offer with that number, if it still waits; 0 is the offer
// in the 2xx of an INVITE that held none.
func (l *leg) Update(id int, body []byte) {
	l.do(func() {
		if id == 0 {
			l.pay(body)
			l.offerNext()
			return
		}
		in := l.offer
		if in == nil || id != l.offers || len(body) == 0 {
			return
		}
		l.offer = nil
		l.refreshTarget(in, body)
		l.accept(in, body)
		if in.IsInvite() {
			l.repeatAnswer(in, body, false)
		}
		l.offerNext()
	})
}

// Refuse refuses the offer with that number, if it still waits.
func (l *leg) Refuse(id int, c call.Cause) {
	l.do(func() {
		if l.offer == nil || id != l.offers {
			return
		}
		status, _ := finalStatus(c)
		l.refuseOffer(status)
		l.offerNext()
	})
}

// accept sends a 2xx that establishes or changes the session, for the first
// time or again.
func (l *leg) accept(in *incoming, body []byte) {
	if in.IsInvite() {
		in.tx.accepted.Store(true)
	}
	if in.agreed == nil {
		in.agreed = []gosip.Header{allowHeader(), supportedHeader()}
		if in.Method != gosip.PRACK { // which refreshes neither target nor session (RFC 3262 5, RFC 4028 3)
			in.agreed = append(append(l.session.accept(in), in.from.contact()), in.agreed...)
			l.startSession()
		}
		l.described(body, in.Body())
	}
	in.reply(200, body, in.agreed...)
}

// Hangup ends a fork's leg.
func (l *leg) Hangup(c call.Cause) { l.do(func() { l.bye(c) }) }

// bye ends a confirmed dialog. The leg is gone when the BYE is answered or has
// timed out.
func (l *leg) bye(c call.Cause) {
	if l.state != confirmed || l.waitsForNotify(c) {
		return
	}
	l.state = ending
	l.stopAnswer()
	l.stopSession()
	l.refuseOffer(487)
	l.dropReoffer()
	l.pay(nil)
	req, h := l.dlg.request(l.ep.ctx, l.ep, gosip.BYE, 0)
	if r := reasonHeader(c, true); r != nil {
		req.AppendHeader(r)
	}
	setBody(req, nil)
	err := l.ask(req, h, func(res *gosip.Response) {
		if !res.IsProvisional() {
			l.finish()
		}
	}, l.finish)
	if err != nil {
		l.finish()
	}
}

// repeat is a 2xx to an INVITE, repeated until its ACK comes (RFC 3261 13.3.1.4).
type repeat struct {
	in       *incoming
	body     []byte
	seq      uint32
	first    bool // of the INVITE that made the dialog
	offers   bool // it holds an offer: the answer comes in the ACK
	interval time.Duration
	timer    *time.Timer
	limit    *time.Timer
}

func (l *leg) repeatAnswer(in *incoming, body []byte, first bool) {
	r := &repeat{in: in, body: body, seq: in.CSeq().SeqNo, first: first, offers: len(in.Body()) == 0, interval: t1}
	l.answer = r
	r.timer = l.after(r.interval, func() { l.againAnswer(r) })
	r.limit = l.after(allT1, func() { l.noAck(r) })
}

func (l *leg) againAnswer(r *repeat) {
	if l.answer != r {
		return
	}
	l.accept(r.in, r.body)
	r.interval = min(2*r.interval, t2)
	r.timer = l.after(r.interval, func() { l.againAnswer(r) })
}

func (l *leg) stopAnswer() {
	if l.answer != nil {
		l.answer.timer.Stop()
		l.answer.limit.Stop()
		l.answer = nil
	}
}

// acked is the ACK to our 2xx, with the answer when that held our offer.
func (l *leg) acked(seq uint32, body []byte) {
	r := l.answer
	if r == nil || r.seq != seq || l.state != confirmed {
		return
	}
	l.heard()
	l.stopAnswer()
	l.described(nil, body)
	switch {
	case r.first:
		l.tell(call.Acked{At: call.Now(), Body: body, Sent: l.sent})
	case r.offers && len(body) == 0:
		l.tell(call.Declined{At: call.Now(), Cause: remoteCause(488)})
	case r.offers:
		l.tell(call.Accepted{At: call.Now(), Body: body})
	}
	if l.hung {
		l.bye(l.cause)
	}
	l.offerNext()
}

// noAck is 64*T1 without one: the peer is told goodbye whatever the call does.
func (l *leg) noAck(r *repeat) {
	if l.answer != r {
		return
	}
	l.stopAnswer()
	l.tell(call.NoAck{At: call.Now(), Alive: l.Alive()})
	c := l.cause
	if !l.hung {
		c = localCause(408)
	}
	l.bye(c)
}
