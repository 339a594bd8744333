package sip

import (
	"maps"

	gosip "github.com/emiago/sipgo/sip"
)

// acknowledged is an ACK to a 2xx, sent again for each repetition of it.
type acknowledged struct {
	wire []byte
	hop  *hop
}

func (a *acknowledged) send() { a.hop.writeBytes(a.wire) }

// acknowledge sends the ACK to a 2xx of invite, with our description if there
// is one. Lost or failed: the callee repeats its 2xx. nil: it cannot go out.
func (e *Endpoint) acknowledge(d *dialog, invite *gosip.Request, body []byte) *acknowledged {
	ack, h := d.request(e.ctx, e, gosip.ACK, invite.CSeq().SeqNo)
	likewise(ack, invite)
	setBody(ack, body)
	wire, err := h.marshal(ack)
	if err != nil {
		return nil
	}
	a := &acknowledged{wire, h}
	a.send()
	return a
}

// late is what is left of an answered attempt when its leg is over. For 64*T1
// the callee may repeat its 2xx, because our ACK was lost, or another branch may
// send one of its own, which is acknowledged and ended at once. It holds
// nothing of the call: so many calls are over at any moment.
type late struct {
	serial
	ep     *Endpoint
	invite *gosip.Request // without its body
	hop    *hop
	trunk  string
	proof  *proof
	acks   map[string]*acknowledged
}

// retire gives what still comes for an answered attempt to a late.
func (o *outbound) retire(a *attempt) {
	l := &late{ep: o.ep, invite: a.req, hop: a.hop, trunk: o.dlg.trunk, proof: o.proof, acks: maps.Clone(a.acks)}
	l.caught = o.ep.panicked
	l.invite.SetBody(nil)
	a.client.bequeath(func(res *gosip.Response) { l.do(func() { l.response(res) }) })
}

func (l *late) response(res *gosip.Response) {
	tag, _ := res.To().Params.Get("tag")
	if again, known := l.acks[tag]; known {
		if again != nil {
			again.send()
		}
		return
	}
	d := uacDialog(l.invite, res, l.hop, l.trunk)
	l.acks[tag] = l.ep.acknowledge(&d, l.invite, nil)
	f := &leg{state: confirmed, proof: l.proof}
	f.init(l.ep)
	f.setDialog(d)
	f.do(func() { f.bye(localCause(200)) })
}

// parted are the hops of a leg that is over. Their addresses stay welcome for as
// long as a late 2xx or a repeated BYE may come.
type parted struct {
	door *door
	hops []*hop
}

const welcome = allT1 + t2

func (p parted) due(deadline) {
	for _, h := range p.hops {
		p.door.forget(h.addr.Addr())
	}
}
