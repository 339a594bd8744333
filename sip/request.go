package sip

import (
	"net/netip"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// onRequest takes a parsed request to its transaction, its dialog, or a new leg.
func (e *Endpoint) onRequest(req *gosip.Request, from *hop) {
	e.count.request(req.Method)
	in := &incoming{Request: req, from: from, src: from.addr}
	in.trunk, _ = from.trunk()
	if !complete(req) {
		e.count.drop("incomplete")
		if !req.IsAck() && in.trunk != "" && req.Via() != nil {
			in.routeBack()
			in.reply(400, nil)
		}
		return
	}
	in.toTag, _ = req.To().Params.Get("tag")
	in.routeBack()
	switch {
	case req.IsAck():
		e.onAck(in)
		return
	case req.IsCancel():
		e.onCancel(in)
		return
	}
	if s := e.tx.find(in, in.Method); s != nil {
		s.Receive(req)
		return
	}
	l := e.dialogOf(in)
	switch {
	case l != nil || e.callingOf(in) != nil: // whoever the dialog is with
	case in.toTag == "":
		if !e.identify(in) {
			return
		}
	case in.trunk == "":
		e.count.drop("unknown-source") // an address we dialled may speak of that call only
		return
	}
	merged := in.toTag == "" && e.tx.isMerged(in)
	if in.toTag == "" {
		req.To().Params.Add("tag", newTag())
	}
	if in.tx = e.tx.serve(in); in.tx == nil {
		e.count.drop("transactions")
		in.reply(503, nil, gosip.NewHeader("Retry-After", strconv.Itoa(overloaded)))
		return
	}
	if status, headers := e.refuse(in, merged); status != 0 {
		in.reply(status, nil, headers...)
		return
	}
	e.serve(in, l)
}

// serve gives a request that may be answered to whom it is for.
func (e *Endpoint) serve(in *incoming, l *leg) {
	switch {
	case l != nil:
		if !l.tryDo(func() { l.request(in) }) {
			e.count.drop("flood")
			in.reply(500, nil)
		}
	case in.toTag != "":
		if o := e.callingOf(in); o != nil && o.expects(in.src.Addr()) && o.tryDo(func() { o.overtaken(in) }) {
			return
		}
		e.count.drop("no-dialog")
		in.reply(481, nil)
	case in.IsInvite():
		newInbound(e, in)
	case in.Method == gosip.REFER: // of no call: we ring nobody because somebody says so
		e.count.drop("refer")
		in.reply(403, nil)
	case in.Method == gosip.REGISTER:
		e.onRegister(in)
	case in.Method == gosip.OPTIONS:
		if e.deps.Ready != nil && !e.deps.Ready() {
			in.reply(503, nil, allowHeader(), gosip.NewHeader("Retry-After", strconv.Itoa(overloaded)))
			return
		}
		in.reply(200, nil, allowHeader(), acceptHeader(), supportedHeader())
	default: // BYE, UPDATE, INFO outside any dialog
		in.reply(481, nil)
	}
}

// dialogOf returns the leg of a request inside a dialog, if it comes from where
// that dialog's messages come from: tags alone can be overheard.
func (e *Endpoint) dialogOf(in *incoming) *leg {
	if in.toTag == "" {
		return nil
	}
	l := e.legOf(in)
	if l == nil {
		return nil
	}
	if !l.from(in) {
		e.count.drop("dialog-source")
		return nil
	}
	return l
}

// onAck stops whatever repeats a final response. An ACK is never answered.
func (e *Endpoint) onAck(in *incoming) {
	if s := e.tx.find(in, gosip.INVITE); s != nil && !s.accepted.Load() {
		s.Receive(in.Request)
		return
	}
	l := e.dialogOf(in)
	if l == nil && in.toTag == e.tagOf(in) {
		return // to a challenge, which nothing is held for
	}
	if l == nil {
		e.count.drop("stray-ack")
		return
	}
	seq, body := in.CSeq().SeqNo, description(in)
	if !l.tryDo(func() { l.acked(seq, body) }) {
		e.count.drop("flood")
	}
}

// onCancel answers a CANCEL (RFC 3261 9.2), with the tag that the INVITE's
// responses carry, and tells the leg. It has no transaction: a repeated CANCEL
// is answered again.
func (e *Endpoint) onCancel(in *incoming) {
	s := e.tx.find(in, gosip.INVITE)
	if s == nil {
		if in.trunk != "" {
			in.To().Params.Add("tag", newTag())
			in.reply(481, nil)
		}
		return
	}
	in.To().Params.Add("tag", s.tag)
	in.reply(200, nil)
	if cancelled := s.cancel.Load(); cancelled != nil {
		(*cancelled)(causeOfCancel(in.Request))
	}
}

// complete reports whether the headers are there that nothing can be done
// without (RFC 3261 8.1.1). A From tag may be missing (RFC 2543).
func complete(req *gosip.Request) bool {
	cseq := req.CSeq()
	return req.Via() != nil && req.From() != nil && req.To() != nil && req.CallID() != nil &&
		cseq != nil && strings.EqualFold(string(cseq.MethodName), string(req.Method)) // sipgo raises the method's letters
}

// routeBack notes in the top Via where the request came from and sets the way
// of its responses (RFC 3261 18.2.1, 18.2.2; RFC 3581 4). A maddr is ignored: a
// response goes to the source's address and nowhere else.
func (in *incoming) routeBack() {
	via := in.Via()
	if via.Params == nil {
		via.Params = gosip.NewParams()
	}
	host, err := netip.ParseAddr(strings.Trim(via.Host, "[]"))
	if err != nil || host.Unmap() != in.src.Addr() {
		via.Params.Add("received", in.src.Addr().String())
	}
	back := in.src
	if rport, ok := via.Params.Get("rport"); ok && rport == "" {
		via.Params.Add("rport", strconv.Itoa(int(in.src.Port())))
		via.Params.Add("received", in.src.Addr().String())
	} else if in.from.network == "udp" {
		back = netip.AddrPortFrom(in.src.Addr(), viaPort(via, "udp"))
	}
	in.SetTransport(in.from.transport())
	in.SetSource(back.String())
	in.from = in.from.to(back)
	in.from.listens = viaPort(via, in.from.network)
}

// viaPort is where a Via says that responses are taken.
func viaPort(via *gosip.ViaHeader, network string) uint16 {
	return portOf(gosip.Uri{Port: via.Port}, network)
}
