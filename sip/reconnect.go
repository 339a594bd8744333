package sip

import (
	"context"
	"net/netip"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// portOf is the port of a URI, or the one its transport has without (RFC 3261 19.1.2).
func portOf(uri gosip.Uri, network string) uint16 {
	switch {
	case uri.Port > 0 && uri.Port < 1<<16:
		return uint16(uri.Port)
	case network == "tls":
		return 5061
	}
	return 5060
}

// reconnect finds the way to a peer whose connection is gone. What it has told
// us (its Contact or its first Route, when that is an address of its own) goes
// first. A peer behind a NAT cannot be dialled: it is found by the connection
// that it has opened meanwhile. One that never asked for TCP may be back at UDP.
// When nothing does, the request fails on what was.
func (d *dialog) reconnect(ctx context.Context, e *Endpoint, uri gosip.Uri, addr netip.AddrPort, told bool) *hop {
	w := e.wayTo(d.peer.network, addr, uri.Host, d.trunk)
	if w.network == "tls" {
		// whoever proves to be the trunk, or the one who was there before
		p, _ := e.deps.Policy(d.trunk)
		w.names = append(append(w.names, p.TLS.Names...), d.peer.peerNames()...)
	}
	if told {
		if h, err := e.reach(ctx, w); err == nil {
			return h
		}
	}
	if h := e.connectionFrom(d.peer); h != nil {
		return h
	}
	if !told {
		if h, err := e.reach(ctx, w); err == nil {
			return h
		}
	}
	if t, _ := uri.UriParams.Get("transport"); d.peer.network == "tcp" && (t == "" || strings.EqualFold(t, "udp")) {
		if h, err := e.reach(ctx, way{network: "udp", addr: addr}); err == nil {
			return h
		}
	}
	return d.peer
}

// connectionFrom returns the newest connection that a peer has opened from the
// address, and as the trunk, it had before; nil when there is none.
func (e *Endpoint) connectionFrom(was *hop) *hop {
	e.mu.Lock()
	var newest *stream
	for addr, all := range e.streams {
		for _, s := range all {
			same := s.accepted && s.network == was.network && s.trunk == was.stream.trunk && addr.Addr() == was.addr.Addr()
			if same && (newest == nil || s.opened.After(newest.opened)) {
				newest = s
			}
		}
	}
	e.mu.Unlock()
	if newest == nil {
		return nil
	}
	return &hop{ep: e, network: newest.network, addr: newest.remote, stream: newest}
}
