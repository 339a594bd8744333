package sip

import (
	"strconv"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxEarly bounds the places one INVITE of ours may ring at: a proxy forks to a
// handful, and each costs a dialog.
const maxEarly = 32

// earlyDialog is one place where an INVITE of ours rings: a dialog of its own
// with its own description (RFC 3261 12.1.2, 13.2.2.4; RFC 3262 4).
type earlyDialog struct {
	dialog
	rseq     uint32 // of the last reliable response taken; 0: none yet
	said     []byte // its description, if it gave one
	ours     []byte // our answer to a later offer of its
	answered bool   // reliably: our offer has its answer there
}

// provisional takes a 1xx of the attempt that counts.
func (o *outbound) provisional(a *attempt, res *gosip.Response) {
	if !a.taken {
		a.taken = true
		o.tell(call.Trying{At: call.Now()})
	}
	if res.StatusCode == 100 {
		return
	}
	d := o.earlyOf(a, res)
	if rseq, reliable := reliably(res); reliable && d != nil {
		if d.rseq != 0 && rseq != d.rseq+1 {
			o.ep.count.drop("rseq") // repeated, or out of order (RFC 3262 4)
			return
		}
		d.rseq = rseq
		d.answered = d.answered || a.early(res) != nil
		o.prack(d, a.req.CSeq().SeqNo)
	}
	switch {
	case res.StatusCode == 199:
		o.endEarly(a, res)
	case res.StatusCode >= 180 && res.StatusCode < 190:
		body := a.early(res)
		if d != nil && len(body) > 0 {
			d.said = body
			a.heard = tagOf(res)
		}
		o.tell(call.Ringing{At: call.Now(), Status: res.StatusCode, Body: body})
	}
}

func tagOf(res *gosip.Response) string {
	tag, _ := res.To().Params.Get("tag")
	return tag
}

// earlyOf returns the dialog of a provisional response, nil when it makes none.
func (o *outbound) earlyOf(a *attempt, res *gosip.Response) *earlyDialog {
	tag := tagOf(res)
	d := a.places[tag]
	if d != nil || tag == "" {
		return d
	}
	if len(a.places) >= maxEarly {
		o.ep.count.drop("early-dialogs")
		return nil
	}
	if a.places == nil {
		a.places = map[string]*earlyDialog{}
	}
	d = &earlyDialog{dialog: uacDialog(a.req, res, a.hop, o.dial.Target.Trunk)}
	a.places[tag] = d
	return d
}

// endEarly is a 199: that place rings no more (RFC 6228). When it was its sound
// that the caller heard, another place's takes over, or silence.
func (o *outbound) endEarly(a *attempt, res *gosip.Response) {
	tag := tagOf(res)
	delete(a.places, tag)
	if o.offer != nil && o.offer.early != nil && o.offer.early.remoteTag == tag {
		o.refuseOffer(487)
	}
	if tag != a.heard {
		return
	}
	a.heard = ""
	for other, d := range a.places {
		if len(d.said) > 0 && (a.heard == "" || other < a.heard) {
			a.heard = other
		}
	}
	if a.heard == "" {
		o.tell(call.Silenced{At: call.Now()})
		return
	}
	o.tell(call.Ringing{At: call.Now(), Status: 183, Body: a.places[a.heard].said})
}

// reliably reads a response's RSeq; ok only for one that asks for a PRACK.
func reliably(res *gosip.Response) (rseq uint32, ok bool) {
	h := res.GetHeader("rseq")
	if h == nil || !lists(res, "require", reliableTag) {
		return 0, false
	}
	return readRSeq(h.Value())
}

// prack acknowledges the reliable response that d took last. Its transaction
// repeats it; what becomes of it is the callee's business, who repeats in turn.
func (o *outbound) prack(d *earlyDialog, invite uint32) {
	req, h := d.request(o.ep.ctx, o.ep, gosip.PRACK, 0)
	req.AppendHeader(gosip.NewHeader("RAck", strconv.FormatUint(uint64(d.rseq), 10)+" "+strconv.FormatUint(uint64(invite), 10)+" INVITE"))
	setBody(req, nil)
	if err := o.askIn(&d.dialog, req, h, func(*gosip.Response) { o.heard() }, func() {}); err != nil {
		o.ep.count.drop("prack-unsent")
	}
}

// earlyRequest serves a request of a callee before his answer.
func (o *outbound) earlyRequest(in *incoming, d *earlyDialog) {
	o.heard()
	switch seq := in.CSeq().SeqNo; {
	case d.remoteSeen && seq <= d.remoteSeq:
		in.reply(500, nil)
		return
	default:
		d.remoteSeq, d.remoteSeen = seq, true
	}
	switch {
	case in.Method == gosip.UPDATE && len(in.Body()) == 0:
		d.retarget(in)
		in.reply(200, nil, in.from.contact(), allowHeader(), supportedHeader())
	case in.Method == gosip.UPDATE && o.offer != nil:
		in.reply(500, nil, retryAfter(10))
	case in.Method == gosip.UPDATE && d.answered:
		in.early = d
		o.present(in)
	case in.Method == gosip.UPDATE, in.IsInvite():
		in.reply(491, nil) // our offer has no answer yet (RFC 3311 5.2)
	case in.Method == gosip.PRACK:
		in.reply(481, nil)
	case in.Method == gosip.REFER: // a 200 would promise what nobody does before the answer
		in.reply(491, nil)
	default:
		in.reply(200, nil, allowHeader())
	}
}

// retarget takes a target refresh.
func (d *dialog) retarget(in *incoming) {
	if uri, ok := contactOf(in.Request); ok {
		d.target = uri
	}
}

// resume carries what an early dialog has seen into the dialog of its 2xx.
func (a *attempt) resume(d *dialog, tag string) *earlyDialog {
	e := a.places[tag]
	if e == nil {
		return &earlyDialog{}
	}
	d.localSeq, d.remoteSeq, d.remoteSeen = e.localSeq, e.remoteSeq, e.remoteSeen
	return e
}
