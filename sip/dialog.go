package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// dialog is one dialog's state (RFC 3261 12). It belongs to its leg's order.
type dialog struct {
	callID     string
	localTag   string
	remoteTag  string
	local      gosip.Uri // in From of our requests
	remote     gosip.Uri // in To of our requests
	localSeq   uint32
	remoteSeq  uint32
	remoteSeen bool        // remoteSeq is set
	target     gosip.Uri   // the peer's Contact, replaced by each target refresh
	routes     []gosip.Uri // in the order our requests visit them
	peer       *hop        // where the INVITE came from, or went
	trunk      string      // of the peer; empty: an address we dialled
	caller     bool        // we sent the INVITE: the Call-ID is ours
}

func dialogKey(callID, localTag, remoteTag string) string {
	return callID + "\n" + localTag + "\n" + remoteTag
}

func callingKey(callID, localTag string) string { return callID + "\n" + localTag }

func (d *dialog) key() string { return dialogKey(d.callID, d.localTag, d.remoteTag) }

// uasDialog is the dialog that an INVITE asks us for (RFC 3261 12.1.1).
func uasDialog(in *incoming) dialog {
	d := dialog{
		callID: in.CallID().Value(), local: *in.To().Address.Clone(), remote: *in.From().Address.Clone(),
		remoteSeq: in.CSeq().SeqNo, remoteSeen: true, peer: in.from.to(in.src), trunk: in.trunk,
		routes: recordRoutes(in.Request),
	}
	d.localTag, _ = in.To().Params.Get("tag")
	d.remoteTag, _ = in.From().Params.Get("tag")
	d.target, _ = contactOf(in.Request)
	return d
}

// uacDialog is the dialog that a 2xx to invite has made (RFC 3261 12.1.2).
func uacDialog(invite *gosip.Request, res *gosip.Response, peer *hop, trunk string) dialog {
	d := dialog{
		callID: invite.CallID().Value(), local: invite.From().Address, remote: invite.To().Address,
		localSeq: invite.CSeq().SeqNo, peer: peer, trunk: trunk, target: *invite.Recipient.Clone(), caller: true,
		routes: recordRoutes(res),
	}
	d.localTag, _ = invite.From().Params.Get("tag")
	d.remoteTag, _ = res.To().Params.Get("tag")
	if uri, ok := contactOf(res); ok {
		d.target = uri
	}
	slices.Reverse(d.routes)
	return d
}

func recordRoutes(m interface {
	GetHeaders(string) []gosip.Header
}) (routes []gosip.Uri) {
	for _, h := range m.GetHeaders("record-route") {
		if rr, ok := h.(*gosip.RecordRouteHeader); ok {
			routes = append(routes, *rr.Address.Clone())
		}
	}
	return routes
}

// request builds a request inside the dialog (RFC 3261 12.2.1.1). ACK takes the
// sequence number of its INVITE, seq; the others the next one.
func (d *dialog) request(ctx context.Context, e *Endpoint, method gosip.RequestMethod, seq uint32) (*gosip.Request, *hop) {
	if method != gosip.ACK {
		d.localSeq++
		seq = d.localSeq
	}
	uri, routes := d.target, d.routes
	if len(routes) > 0 && !loose(routes[0]) {
		// a strict router: it stands in the Request-URI, the target at the end;
		// the target itself stays what it is
		routes = append(slices.Clone(routes[1:]), d.target)
		uri = d.routes[0]
	}
	h := d.nextHop(ctx, e)
	req := newRequest(method, uri, h, e.branch(), 70)
	for _, r := range routes {
		req.AppendHeader(&gosip.RouteHeader{Address: r})
	}
	from := &gosip.FromHeader{Address: d.local, Params: gosip.HeaderParams{{K: "tag", V: d.localTag}}}
	to := &gosip.ToHeader{Address: d.remote}
	if d.remoteTag != "" {
		to.Params = gosip.HeaderParams{{K: "tag", V: d.remoteTag}}
	}
	id := gosip.CallIDHeader(d.callID)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&id)
	req.AppendHeader(&gosip.CSeqHeader{SeqNo: seq, MethodName: method})
	return req, h
}

func loose(uri gosip.Uri) bool { return uri.UriParams.Has("lr") }

// nextHop is where the dialog's next request goes: the first route or the
// target, by its transport, when that is an address of the same peer or trunk;
// otherwise where the INVITE came from or went. So a Contact or Record-Route can
// name anything (127.0.0.1, a neighbour, a name) and nothing leaves for there,
// and a peer behind a NAT is reached. An open connection is kept.
func (d *dialog) nextHop(ctx context.Context, e *Endpoint) *hop {
	uri := d.target
	if len(d.routes) > 0 {
		uri = d.routes[0]
	}
	if d.peer.stream != nil && d.peer.reachable() {
		return d.peer
	}
	ip, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	ip = ip.Unmap()
	told := err == nil && (ip == d.peer.addr.Addr() || e.sameTrunk(ip, d.trunk))
	if d.peer.stream != nil {
		return d.reconnect(ctx, e, uri, ip, told)
	}
	if !told {
		return d.peer
	}
	return d.byDatagram(ctx, e, uri, ip)
}

func (e *Endpoint) sameTrunk(ip netip.Addr, trunk string) bool {
	id, ok := e.trunkAt(ip)
	return ok && trunk != "" && id == trunk
}
