package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	streamsEach  = 20   // accepted connections from one address
	streamsTotal = 2000 // accepted connections
	dialTimeout  = 4 * time.Second
	acceptPause  = 5 * time.Millisecond // after a failed accept; doubled up to a second
)

// socket is one UDP socket of ours.
type socket struct {
	pc    net.PacketConn
	local netip.AddrPort
}

// stream is one TCP connection, accepted or dialled.
type stream struct {
	conn   net.Conn
	remote netip.AddrPort
	local  netip.AddrPort
	users  atomic.Int32 // live legs that talk over it
	write  sync.Mutex
}

// hop is a place messages are sent to: one address through one socket or
// connection. It is sipgo's Connection for every transaction of ours, which
// makes it the one place through which bytes leave.
type hop struct {
	ep      *Endpoint
	network string // "udp", "tcp"
	addr    netip.AddrPort
	socket  *socket // udp
	stream  *stream // tcp
}

// WriteMsg sends m to the hop's address, whatever m says of its destination.
func (h *hop) WriteMsg(m gosip.Message) error {
	b, err := serialise(m)
	if err != nil {
		h.ep.count.drop("egress")
		h.ep.log.Error("sip message not sent", "err", err)
		return err
	}
	if res, ok := m.(*gosip.Response); ok {
		h.ep.count.add(h.ep.count.responses, class(res.StatusCode))
	}
	return h.writeBytes(b)
}

func (h *hop) writeBytes(b []byte) (err error) {
	if h.stream == nil {
		_, err = h.socket.pc.WriteTo(b, net.UDPAddrFromAddrPort(h.addr))
	} else {
		h.stream.write.Lock()
		defer h.stream.write.Unlock()
		h.stream.conn.SetWriteDeadline(time.Now().Add(streamWrite))
		if _, err = h.stream.conn.Write(b); err != nil {
			h.stream.conn.Close() // half a message may be out: nothing can follow it
		}
	}
	if err != nil {
		h.ep.count.drop("send")
	}
	return err
}

// LocalAddr, Ref, TryClose and Close complete gosip.Connection. A transaction's
// end closes nothing: sockets are closed by the endpoint, streams by their reader.
func (h *hop) LocalAddr() net.Addr       { return net.UDPAddrFromAddrPort(h.local()) }
func (h *hop) Ref(int) int               { return 1 }
func (h *hop) TryClose() (int, error)    { return 1, nil }
func (h *hop) Close() error              { return nil }
func (h *hop) to(a netip.AddrPort) *hop  { c := *h; c.addr = a; return &c }
func (h *hop) transport() (upper string) { return strings.ToUpper(h.network) }
func (h *hop) reachable() (stillOpen bool) {
	return h.stream == nil || h.ep.streamTo(h.stream.remote) == h.stream
}

func (h *hop) local() netip.AddrPort {
	if h.stream != nil {
		return h.stream.local
	}
	return h.socket.local
}

// sentBy is how we name ourselves towards this hop: the advertised host, the
// port that is bound.
func (h *hop) sentBy() (host string, port int) {
	port = int(h.local().Port())
	if h.network == "tcp" && h.ep.tcpPort != 0 {
		port = h.ep.tcpPort // not the port of a connection we dialled
	}
	if h.ep.cfg.Advertise != "" {
		return h.ep.cfg.Advertise, port
	}
	return h.local().Addr().String(), port
}

func (h *hop) via(branch string) *gosip.ViaHeader {
	host, port := h.sentBy()
	return &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: h.transport(), Host: host, Port: port,
		Params: gosip.HeaderParams{{K: "branch", V: branch}, {K: "rport"}},
	}
}

func (h *hop) contact() *gosip.ContactHeader {
	host, port := h.sentBy()
	uri := gosip.Uri{Scheme: "sip", Host: host, Port: port}
	if h.network == "tcp" {
		uri.UriParams = gosip.HeaderParams{{K: "transport", V: "tcp"}}
	}
	return &gosip.ContactHeader{Address: uri}
}

// hold keeps a connection open through silence while a leg uses it.
func (h *hop) hold(n int32) {
	if h.stream != nil {
		h.stream.users.Add(n)
	}
}

// serveUDP reads one socket until it is closed.
func (e *Endpoint) serveUDP(s *socket) error {
	g := &gate{PacketConn: s.pc, door: e.door, drop: e.count.drop, stranger: e.stranger}
	buf := make([]byte, maxDatagram+1)
	for failures := 0; ; {
		n, addr, err := g.ReadFrom(buf)
		if err != nil {
			if e.closed() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// A socket reports other people's troubles too (ICMP); only one
			// that does nothing else is broken.
			if failures++; failures > 100 {
				return fmt.Errorf("sip: reading %s: %w", s.local, err)
			}
			e.count.drop("receive")
			continue
		}
		failures = 0
		src, _ := addrPort(addr)
		e.receive(buf[:n], &hop{ep: e, network: "udp", addr: src, socket: s})
	}
}

// serveTCP accepts connections until the listener is closed.
func (e *Endpoint) serveTCP(l net.Listener) error {
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err != nil {
			if e.closed() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Mostly no descriptor is left: that passes as calls end, and they
			// need this endpoint.
			e.count.drop("accept")
			if pause == 0 {
				e.log.Warn("sip takes no connection for now", "err", err)
			}
			pause = min(max(2*pause, acceptPause), time.Second)
			select {
			case <-time.After(pause):
			case <-e.ctx.Done():
				return nil
			}
			continue
		}
		pause = 0
		src, ok := addrPort(conn.RemoteAddr())
		if _, known := e.door.trunk(src.Addr()); !ok || !known {
			e.count.drop("unknown-source")
			conn.Close()
			continue
		}
		s, ok := e.addStream(conn, src, true)
		if !ok {
			e.count.drop("connections")
			conn.Close()
			continue
		}
		if !e.spawn(func() { e.serveStream(s, true) }) { // ends with the connection
			e.dropStream(s, true)
		}
	}
}

// serveStream reads one connection until it ends or loses its boundaries.
func (e *Endpoint) serveStream(s *stream, accepted bool) {
	defer e.dropStream(s, accepted)
	h := &hop{ep: e, network: "tcp", addr: s.remote, stream: s}
	f := &frames{conn: s.conn, busy: func() bool { return s.users.Load() > 0 }}
	for {
		msg, scr, fault, err := f.next()
		if err != nil {
			return
		}
		if a, _, reason := e.door.admit(s.remote.Addr(), msg); a != admitted {
			e.count.drop(reason)
			return
		}
		if fault != "" {
			e.refuseBytes(msg, h, fault)
			return
		}
		e.handle(msg, scr, h)
	}
}

// receive takes one admitted datagram.
func (e *Endpoint) receive(b []byte, from *hop) {
	b = bytes.TrimLeft(b, "\r\n") // keep-alives, and RFC 3261 7.5
	if len(b) == 0 {
		return
	}
	s, fault := screen(b, false)
	if fault != "" {
		e.refuseBytes(b, from, fault)
		return
	}
	e.handle(b, s, from)
}

// handle parses a screened message and gives it to whoever it is for. A panic
// on the way costs this message only.
func (e *Endpoint) handle(b []byte, s screened, from *hop) {
	guard(func() {
		msg, err := parse(b, s)
		if err != nil {
			e.refuseBytes(b[:s.end], from, faultUnparsable)
			return
		}
		switch m := msg.(type) {
		case *gosip.Request:
			e.onRequest(m, from)
		case *gosip.Response:
			e.onResponse(m)
		}
	}, e.panicked)
}

func parse(b []byte, s screened) (gosip.Message, error) {
	b, s = tidy(b, s)
	return gosip.NewParser().ParseSIP(b[:s.end])
}

// addStream takes a connection into the table; false: there are too many.
func (e *Endpoint) addStream(conn net.Conn, remote netip.AddrPort, accepted bool) (*stream, bool) {
	local, _ := addrPort(conn.LocalAddr())
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosed || accepted && (e.accepted >= streamsTotal || e.acceptedFrom[remote.Addr()] >= streamsEach) {
		return nil, false
	}
	if accepted {
		e.accepted++
		e.acceptedFrom[remote.Addr()]++
	}
	s := &stream{conn: conn, remote: remote, local: local}
	e.streams[remote] = s
	return s, true
}

func (e *Endpoint) dropStream(s *stream, accepted bool) {
	s.conn.Close()
	e.mu.Lock()
	if e.streams[s.remote] == s {
		delete(e.streams, s.remote)
	}
	if accepted {
		e.accepted--
		if e.acceptedFrom[s.remote.Addr()]--; e.acceptedFrom[s.remote.Addr()] == 0 {
			delete(e.acceptedFrom, s.remote.Addr())
		}
	}
	e.mu.Unlock()
	e.tx.lost(s)
}

func (e *Endpoint) streamTo(addr netip.AddrPort) *stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.streams[addr]
}

var errNoSocket = errors.New("no socket of that kind is open")

// hopTo finds the way to an address: a socket of its family, or a connection,
// dialled when there is none (which may take dialTimeout).
func (e *Endpoint) hopTo(ctx context.Context, network string, addr netip.AddrPort) (*hop, error) {
	if network == "udp" {
		s := e.socketFor(addr.Addr())
		if s == nil {
			return nil, errNoSocket
		}
		return &hop{ep: e, network: network, addr: addr, socket: s}, nil
	}
	s := e.streamTo(addr)
	if s == nil {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := e.deps.Connect(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("connection: %w", err)
		}
		var ok bool
		if s, ok = e.addStream(conn, addr, false); !ok {
			conn.Close()
			return nil, net.ErrClosed
		}
		dialled := s
		if !e.spawn(func() { e.serveStream(dialled, false) }) { // ends with the connection
			e.dropStream(s, false)
			return nil, net.ErrClosed
		}
	}
	return &hop{ep: e, network: network, addr: addr, stream: s}, nil
}

// socketFor picks the socket whose own address is of the kind the peer can answer to.
func (e *Endpoint) socketFor(addr netip.Addr) *socket {
	var best *socket
	for _, s := range e.sockets {
		local := s.local.Addr()
		switch {
		case local.IsUnspecified() && (local.Is6() || addr.Is4()), local.Is4() == addr.Is4() && local.IsLoopback() == addr.IsLoopback():
			return s
		case best == nil && local.Is4() == addr.Is4():
			best = s
		}
	}
	return best
}
