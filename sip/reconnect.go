package sip

import (
	"context"
	"net"
	"net/netip"
	"slices"
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
func (d *dialog) reconnect(ctx context.Context, e *Endpoint, uri gosip.Uri, ip netip.Addr, told bool) *hop {
	if !told {
		ip = d.peer.addr.Addr()
	}
	w := d.wayBack(e, d.peer.network, uri, ip)
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
		if h, err := e.reach(ctx, way{network: "udp", addr: w.addr}); err == nil {
			return h
		}
	}
	return d.peer
}

// wayBack is the way to an address that a peer has told us for its dialog. By
// TLS whoever is there must prove to be what the URI says, or the trunk, or the
// one who was there before.
func (d *dialog) wayBack(e *Endpoint, network string, uri gosip.Uri, ip netip.Addr) way {
	w := e.wayTo(network, netip.AddrPortFrom(ip, portOf(uri, network)), uri.Host, d.trunk)
	if network == "tls" {
		p, _ := e.deps.Policy(d.trunk)
		w.names = append(append(w.names, p.TLS.Names...), d.peer.peerNames()...)
	}
	return w
}

// byDatagram is the hop to the address that a peer of UDP has told us. It may
// want to be reached by TCP or TLS from now on; UDP is where it was heard, and
// stays when it takes no connection.
func (d *dialog) byDatagram(ctx context.Context, e *Endpoint, uri gosip.Uri, ip netip.Addr) *hop {
	if t := transportOf(uri); t != "udp" {
		if w := d.wayBack(e, t, uri, ip); !e.udpOnly.is(w.addr) {
			ctx, cancel := context.WithTimeout(ctx, tcpInstead)
			defer cancel()
			if h, err := e.reach(ctx, w); err == nil {
				return h
			}
			e.udpOnly.note(w.addr)
		}
	}
	addr := netip.AddrPortFrom(ip, portOf(uri, "udp"))
	if ip.Is4() != d.peer.addr.Addr().Is4() { // the trunk's other family has a socket of its own
		if h, err := e.reach(ctx, way{network: "udp", addr: addr}); err == nil {
			return h
		}
		return d.peer
	}
	return d.peer.to(addr)
}

// sendBack sends a response whose connection is gone (RFC 3261 18.2.2): over the
// newest one that its peer has opened, or over one to where its Via says that it
// takes them, which nobody waits for.
func (h *hop) sendBack(b []byte) error {
	if other := h.ep.connectionFrom(h); other != nil {
		return other.stream.send(b)
	}
	if h.listens == 0 || !h.ep.spawn(func() { // ends with the dial
		w := way{network: h.network, addr: netip.AddrPortFrom(h.addr.Addr(), h.listens)}
		if h.network == "tls" {
			trunk, _ := h.trunk()
			p, _ := h.ep.deps.Policy(trunk)
			w.ca, w.names = p.TLS.CA, append(slices.Clone(p.TLS.Names), h.peerNames()...)
			if len(w.names) == 0 {
				h.ep.count.drop("send")
				return
			}
		}
		if to, err := h.ep.reach(h.ep.ctx, w); err != nil || to.stream.send(b) != nil {
			h.ep.count.drop("send")
		}
	}) {
		return net.ErrClosed
	}
	return nil
}

// connectionFrom returns the newest connection that a peer has opened from the
// address, and as the trunk, it had before; nil when there is none.
func (e *Endpoint) connectionFrom(was *hop) *hop {
	e.mu.Lock()
	var newest *stream
	for addr, all := range e.streams {
		for _, s := range all {
			same := s.accepted && !s.gone.Load() && s != was.stream && s.network == was.network && s.trunk == was.stream.trunk && addr.Addr() == was.addr.Addr()
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

// transportOf is the transport a URI names, else UDP.
func transportOf(uri gosip.Uri) string {
	switch t, _ := uri.UriParams.Get("transport"); strings.ToLower(t) {
	case "tls":
		return "tls"
	case "tcp":
		return "tcp"
	}
	return "udp"
}
