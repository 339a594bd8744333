package sip

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	acceptPause = 5 * time.Millisecond  // after a failed accept; doubled up to a second
	slowness    = 50 * time.Millisecond // between two tries of a message over the limit
)

// socket is one UDP socket of ours.
type socket struct {
	pc    net.PacketConn
	local netip.AddrPort
}

// listener accepts connections of one kind.
type listener struct {
	net.Listener
	network string // "tcp", "tls", "ws", "wss"
	local   netip.AddrPort
}

// secured marks a listener as one for TLS. The handshake is the endpoint's: it
// knows whom to ask for a certificate and how long to wait.
type secured struct{ net.Listener }

func newListener(l net.Listener) *listener {
	network := "tcp"
	switch l := l.(type) {
	case secured:
		network = "tls"
	case overWeb:
		network = l.network
	}
	local, _ := addrPort(l.Addr())
	return &listener{l, network, local}
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
func (e *Endpoint) serveTCP(l *listener) error {
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
		e.welcome(conn, l)
	}
}

// welcome begins to serve an accepted connection, if it may be one. An address
// that nobody knows may say who it is by TLS, where certificates are asked for.
func (e *Endpoint) welcome(conn net.Conn, l *listener) {
	src, ok := addrPort(conn.RemoteAddr())
	stranger := !e.door.knows(src.Addr())
	visitor := stranger && e.door.guests()
	if !ok || stranger && e.door.isBanned(src.Addr()) || stranger && !visitor && (l.network != "tls" || e.creds.clients == nil) {
		e.count.drop("unknown-source")
		conn.Close()
		return
	}
	ok = !stranger || e.door.mayKnock(src.Addr())
	if ok {
		most := streamsEach
		if isWeb(l.network) {
			most = browsersEach
		}
		e.mu.Lock()
		ok = !e.isClosed && e.slots.take(src.Addr(), stranger, most)
		e.mu.Unlock()
	}
	if !ok {
		e.count.drop("connections")
		conn.Close()
		return
	}
	s := &stream{network: l.network, conn: conn, raw: conn, remote: src, opened: time.Now(), accepted: true, stranger: stranger}
	give := func() {
		e.mu.Lock()
		e.slots.give(src.Addr(), s.stranger)
		e.mu.Unlock()
	}
	s.local, _ = addrPort(conn.LocalAddr())
	if !e.spawn(func() { // ends with the connection, or with a handshake that fails
		defer give()
		if l.network == "tls" && !e.greet(s, stranger && !visitor) || isWeb(l.network) && !e.greetWeb(s) {
			conn.Close()
			return
		}
		if visitor && s.trunk == "" { // until he shows a password
			late := time.AfterFunc(visitMost, func() { e.showOut(s) })
			defer late.Stop()
		} else {
			e.recognise(s)
		}
		if e.enter(s) {
			e.serveStream(s)
		} else {
			conn.Close()
		}
	}) {
		give()
		conn.Close()
	}
}

// recognise counts the connection of who has been found out no longer as a
// stranger's. nil is no connection.
func (e *Endpoint) recognise(s *stream) {
	if s == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.stranger {
		s.stranger = false
		e.slots.known(s.remote.Addr())
	}
}

// showOut ends the connection of a visitor who is still a stranger.
func (e *Endpoint) showOut(s *stream) {
	e.mu.Lock()
	still := s.stranger
	e.mu.Unlock()
	if still {
		e.count.drop("visitor-silent")
		s.raw.Close()
	}
}

// greet shakes hands with a caller and finds out who it is. A stranger stays
// only if its certificate belongs to a trunk.
func (e *Endpoint) greet(s *stream, stranger bool) bool {
	conn, names, err := e.creds.serve(e.ctx, s.raw)
	if err != nil {
		e.count.drop("tls-handshake")
		if !stranger {
			e.complain("sip tls handshake with a trunk's address failed", s.remote.Addr(), err)
		}
		e.door.strike(s.network, s.remote.Addr(), []byte(s.remote.String()), banScan) // which spares who is known
		return false
	}
	s.conn, s.names = conn, names
	if id, ok := e.deps.TrunkOfNames(names); ok {
		s.trunk = id
	}
	if stranger && s.trunk == "" {
		e.count.drop("unknown-source")
		e.door.strike(s.network, s.remote.Addr(), []byte(s.remote.String()), banScan)
		return false
	}
	return true
}

// complain logs what an operator must know of a peer, at most once a second.
func (e *Endpoint) complain(what string, peer netip.Addr, err error) {
	e.mu.Lock()
	say := e.complaints.take(time.Now(), 1, 5)
	e.mu.Unlock()
	if say {
		e.log.Warn(what, "peer", peer, "err", err)
	}
}

// serveStream reads one connection until it ends or loses its boundaries.
func (e *Endpoint) serveStream(s *stream) {
	defer e.dropStream(s)
	h := &hop{ep: e, network: s.network, addr: s.remote, stream: s}
	f := &frames{conn: s.conn, send: s.send, pings: !s.accepted, busy: func() bool { return s.users.Load() > 0 }}
	for {
		msg, scr, fault, err := f.next()
		if err != nil {
			return
		}
		if reason := e.admitSlowly(s, msg); reason != "" {
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

// admitSlowly asks the door about a message of a connection; the reason is empty
// when it may come in. Who is known and too fast is read more slowly: nothing
// that TCP has brought would be said again, and one connection may carry all
// calls of a trunk.
func (e *Endpoint) admitSlowly(s *stream, msg []byte) (reason string) {
	for first := true; ; first = false {
		a, _, reason := e.door.admitFrom(s.trunk, s.remote.Addr(), msg)
		switch {
		case a == admitted:
			return ""
		case reason != tooFast && reason != trunkTooFast || e.closed():
			return reason
		case first:
			e.complain("sip connection brings more than its limit, read more slowly", s.remote.Addr(), errors.New(reason))
		}
		select {
		case <-time.After(slowness):
		case <-e.ctx.Done():
		}
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
