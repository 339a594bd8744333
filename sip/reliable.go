package sip

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// ringing is what a caller has been told before the answer (RFC 3261 13.3.1.1,
// RFC 3262 3). It belongs to its leg's order.
type ringing struct {
	can      bool           // the caller knows 100rel
	must     bool           // all of them are to be reliable
	demanded bool           // he takes no others
	rseq     uint32         // of the last reliable response; 0: none yet
	out      *provisional   // reliable and not acknowledged yet
	queue    []*provisional // behind it, in order
	last     *provisional   // told last: said again each minute
	remind   *time.Timer
	settled  bool   // his offer has its answer: he has acknowledged one
	wanted   []byte // another description than that one, to be offered
	answer   []byte // of a 2xx that waits for a PRACK
	waits    bool
}

// provisional is one response of ours before the final one.
type provisional struct {
	status   int
	body     []byte
	rseq     uint32
	interval time.Duration
	timer    *time.Timer
	limit    *time.Timer
}

const (
	// maxQueue bounds what may wait for PRACKs; beyond it only the newest counts.
	maxQueue = 8
	// remindEvery keeps the Timer C of proxies from running out, which is three
	// minutes at the least (RFC 3261 13.3.1.1, 16.6 step 11).
	remindEvery = time.Minute
)

func newRinging(in *incoming, policy string) ringing {
	demanded := lists(in, "require", reliableTag)
	return ringing{
		demanded: demanded, must: demanded || policy == routing.ReliableRequired,
		can: demanded || policy != routing.ReliableOff && lists(in, "supported", reliableTag),
	}
}

// Progress sends a provisional response; a description makes it early media. A
// caller who made no offer gets none here: it would be our offer.
func (b *inbound) Progress(status int, body []byte) {
	b.do(func() {
		if b.state != early || status < 101 || status > 199 || b.ring.waits {
			return
		}
		if len(b.in.Body()) == 0 {
			body = nil
		}
		b.progress(&provisional{status: status, body: body})
	})
}

// progress sends p, or lets it wait until those before it are acknowledged.
func (b *inbound) progress(p *provisional) {
	r := &b.ring
	r.last = p
	stop(r.remind)
	var remind *time.Timer
	remind = b.after(remindEvery, func() {
		if r.remind == remind && b.state == early && r.out == nil {
			b.progress(&provisional{status: p.status, body: p.body})
		}
	})
	r.remind = remind
	if r.out == nil {
		b.sendProgress(p)
		return
	}
	if len(r.queue) == maxQueue {
		r.queue = r.queue[:maxQueue-1]
		b.ep.count.drop("provisional-queue")
	}
	r.queue = append(r.queue, p)
}

func (b *inbound) sendProgress(p *provisional) {
	r := &b.ring
	if r.settled && len(p.body) > 0 && !bytes.Equal(p.body, b.said) {
		b.offerEarly(p.body) // his offer has its answer: another description is an offer of ours
		p.body = nil
	}
	switch offered := len(b.in.Body()) > 0; {
	case r.can && (r.must || len(p.body) > 0) && offered:
		b.sendReliably(p)
	case r.demanded: // the first reliable one would have to hold our offer (RFC 3262 5)
		b.ep.count.drop("provisional-without-offer")
	default:
		b.in.reply(p.status, p.body, b.in.from.contact(), allowHeader(), supportedHeader())
	}
}

func (b *inbound) sendReliably(p *provisional) {
	r := &b.ring
	if r.rseq == 0 {
		r.rseq = 1 + rand.Uint32N(1<<30)
	} else {
		r.rseq++
	}
	p.rseq, p.interval = r.rseq, t1
	r.out = p
	b.sayReliably(p)
	p.limit = b.after(allT1, func() { b.unacknowledged(p) })
}

func (b *inbound) sayReliably(p *provisional) {
	b.in.reply(p.status, p.body, b.in.from.contact(), allowHeader(), supportedHeader(),
		gosip.NewHeader("Require", reliableTag), gosip.NewHeader("RSeq", strconv.FormatUint(uint64(p.rseq), 10)))
	p.timer = b.after(p.interval, func() {
		if b.ring.out == p && b.state == early {
			p.interval *= 2
			b.sayReliably(p)
		}
	})
}

// unacknowledged is 64*T1 without a PRACK: the call cannot go on (RFC 3262 3).
func (b *inbound) unacknowledged(p *provisional) {
	if b.ring.out != p || b.state != early {
		return
	}
	c := localCause(504)
	c.Text = "provisional response not acknowledged"
	b.in.reply(504, nil, reasonHeader(c, false))
	b.tell(call.Lost{At: call.Now(), Alive: b.Alive(), Cause: c})
	b.finish()
}

// pracked is a PRACK.
func (b *inbound) pracked(in *incoming) {
	r := &b.ring
	p := r.out
	if p == nil || rackOf(in.Request, b.in.Request) != p.rseq {
		in.reply(481, nil)
		return
	}
	stop(p.timer)
	stop(p.limit)
	r.out = nil
	if len(p.body) > 0 {
		r.settled = true
		b.described(p.body, b.in.Body())
	}
	switch {
	case len(in.Body()) == 0:
		in.reply(200, nil)
	case b.state == early && r.settled && b.offer == nil && !b.asking:
		b.present(in) // an offer of his: answered like that of an UPDATE (RFC 3262 5)
	default:
		in.reply(488, nil)
	}
	b.tellNext()
}

// tellNext goes on with what waited for a PRACK: the answer before anything
// else, which makes the rest old news.
func (b *inbound) tellNext() {
	r := &b.ring
	switch {
	case b.state != early || r.out != nil:
	case r.waits:
		b.answerNow(r.answer)
	case len(r.queue) > 0:
		p := r.queue[0]
		r.queue = r.queue[1:]
		b.sendProgress(p)
		b.tellNext()
	}
}

// Answer sends the 2xx and sees to its ACK. It waits for the PRACK of a
// description that is under way (RFC 3262 3).
func (b *inbound) Answer(body []byte) {
	b.do(func() {
		r := &b.ring
		switch {
		case b.state != early || r.waits:
		case r.out != nil && len(r.out.body) > 0:
			r.waits, r.answer = true, body
		default:
			b.answerNow(body)
		}
	})
}

func (b *inbound) answerNow(body []byte) {
	r := &b.ring
	b.stopRinging()
	b.state = confirmed
	if r.waits {
		b.sent = time.Now()
	}
	if r.settled && !bytes.Equal(body, b.said) {
		b.ours = &reoffer{body: body, refresh: true} // sent behind the ACK: in the 2xx he would not read it (RFC 3261 13.2.1)
		body = nil
	}
	b.accept(b.in, body)
	b.repeatAnswer(b.in, body, true)
}

// offerEarly offers the caller another description than the one he has
// acknowledged, by UPDATE (RFC 3311); who does not take UPDATE is offered it
// behind his ACK.
func (b *inbound) offerEarly(body []byte) {
	r := &b.ring
	r.wanted = body
	if b.state != early || !b.session.update || b.asking || b.offer != nil {
		return
	}
	r.wanted, b.asking = nil, true
	req, h := b.dlg.request(b.ep.ctx, b.ep, gosip.UPDATE, 0)
	for _, header := range []gosip.Header{h.contact(), allowHeader(), supportedHeader()} {
		req.AppendHeader(header)
	}
	setBody(req, body)
	final := false // of this UPDATE; the next may be on its way when its transaction ends
	err := b.ask(req, h, func(res *gosip.Response) {
		b.heard()
		if !res.IsProvisional() && !final {
			final, b.asking = true, false
			b.earlyAnswered(body, res)
			b.offerNext()
		}
	}, func() {
		if !final {
			b.asking = false
			b.offerNext()
		}
	})
	if err != nil {
		b.asking = false
	}
}

func (b *inbound) earlyAnswered(body []byte, res *gosip.Response) {
	r := &b.ring
	wait, again := b.retryIn(res)
	switch {
	case res.IsSuccess():
		if uri, ok := contactOf(res); ok {
			b.dlg.target = uri
		}
		theirs := description(res)
		if b.described(body, theirs) {
			b.tell(call.Accepted{At: call.Now(), Body: theirs})
		}
		if b.ours != nil && b.ours.req == nil && bytes.Equal(b.ours.body, body) {
			b.ours = nil // the answer asked for the same meanwhile
		}
	case again && r.wanted == nil && b.state == early:
		b.after(wait, func() {
			if r.wanted == nil {
				b.offerEarly(body)
			}
		})
	}
	if r.wanted != nil {
		b.offerEarly(r.wanted)
	}
}

// stopRinging ends what repeats provisional responses.
func (b *inbound) stopRinging() {
	r := &b.ring
	stop(r.remind)
	if r.out != nil {
		stop(r.out.timer)
		stop(r.out.limit)
	}
	r.queue = nil
}
