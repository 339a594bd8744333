package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/media/dscp"
)

const (
	streamsEach   = 20   // accepted connections from one address
	browsersEach  = 500  // those of browsers: one address may be an office's, or a proxy's
	streamsTotal  = 2000 // accepted connections
	strangersEach = 4    // of those, handshakes of an address that no trunk has (of a /64 in IPv6)
	strangers     = 100  // and of all such addresses
	dialTimeout   = 2 * time.Second
	visitMost     = allT1 // until a visitor has to have shown a password
)

// stream is one connection, accepted or dialled. All but its last fields are
// set before it is in the endpoint's table and never change.
type stream struct {
	network  string   // "tcp", "tls", "ws", "wss"
	conn     net.Conn // what is spoken over
	raw      net.Conn // below TLS; closing it never waits
	remote   netip.AddrPort
	local    netip.AddrPort
	opened   time.Time
	accepted bool
	names    []string // of the verified certificate the peer has shown
	trunk    string   // that those names belong to
	ca       string   // dialled by TLS: what its certificate was verified against

	users    atomic.Int32 // live legs, and others, that need it
	stranger bool         // accepted, and counted as such; guarded by Endpoint.mu
	gone     atomic.Bool
	write    sync.Mutex
}

// way is how a destination is reached.
type way struct {
	network string // "udp", "tcp", "tls"
	addr    netip.AddrPort
	names   []string // tls: one of them must be in the peer's certificate
	ca      string   // tls: PEM file of its authorities; empty: the system's
}

func (w way) key() string {
	return strings.Join(append([]string{w.network, w.addr.String(), w.ca}, w.names...), "\n")
}

// wayTo is the way to an address of host, which is a trunk's if that is not
// empty: by TLS its certificate must name the host of the URI, not the address
// that the host was resolved to (RFC 5922 7.2), unless the trunk says otherwise.
func (e *Endpoint) wayTo(network string, addr netip.AddrPort, host, trunk string) way {
	w := way{network: network, addr: addr}
	if network == "tls" {
		p, _ := e.deps.Policy(trunk)
		w.ca = p.TLS.CA
		w.names = []string{cmp.Or(p.TLS.ServerName, strings.Trim(host, "[]"))}
	}
	return w
}

var (
	errNoSocket = errors.New("no socket of that kind is open")
	errNoDial   = errors.New("the connection of a browser is gone, and it cannot be dialled")
)

// reach finds the way to an address: a socket of its family, or a connection,
// dialled when there is none (which may take dialTimeout).
func (e *Endpoint) reach(ctx context.Context, w way) (*hop, error) {
	if w.network == "udp" {
		s := e.socketFor(w.addr.Addr())
		if s == nil {
			return nil, errNoSocket
		}
		return &hop{ep: e, network: w.network, addr: w.addr, socket: s}, nil
	}
	s, err := e.connection(ctx, w)
	if err != nil {
		return nil, err
	}
	return &hop{ep: e, network: w.network, addr: w.addr, stream: s}, nil
}

// dialling is a connection on its way; whoever else wants it waits for done.
type dialling struct {
	done   chan struct{}
	stream *stream
	err    error
}

// connection returns an open connection of a way, or dials one: one at a time,
// for all who want it.
func (e *Endpoint) connection(ctx context.Context, w way) (*stream, error) {
	key := w.key()
	e.mu.Lock()
	if s := e.openTo(w); s != nil {
		e.mu.Unlock()
		return s, nil
	}
	d := e.dials[key]
	first := d == nil
	if first {
		d = &dialling{done: make(chan struct{})}
		e.dials[key] = d
	}
	e.mu.Unlock()
	if first {
		e.dialOnce(ctx, w, key, d)
	}
	select {
	case <-d.done:
		return d.stream, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *Endpoint) dialOnce(ctx context.Context, w way, key string, d *dialling) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	d.err = net.ErrClosed // should the dial panic
	defer func() {
		cancel()
		e.mu.Lock()
		delete(e.dials, key)
		e.mu.Unlock()
		close(d.done)
	}()
	d.stream, d.err = e.dial(ctx, w)
}

// openTo finds an open connection. The caller holds e.mu.
func (e *Endpoint) openTo(w way) *stream {
	for _, s := range e.streams[w.addr] {
		if s.network == w.network && (w.network != "tls" || s.proves(w)) {
			return s
		}
	}
	return nil
}

// proves reports whether a connection's certificate is what the way asks for.
func (s *stream) proves(w way) bool {
	return !s.accepted && s.ca == w.ca && carries(s.names, w.names)
}

// dial opens a connection and serves it.
func (e *Endpoint) dial(ctx context.Context, w way) (*stream, error) {
	if isWeb(w.network) {
		return nil, errNoDial
	}
	raw, err := e.deps.Connect(ctx, e.dialFrom(w.addr.Addr()), w.addr)
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	s := &stream{network: w.network, conn: raw, raw: raw, remote: w.addr, opened: time.Now()}
	s.local, _ = addrPort(raw.LocalAddr())
	if w.network == "tls" {
		s.ca = w.ca
		if s.conn, s.names, err = e.creds.call(ctx, raw, w.names, w.ca); err != nil {
			raw.Close()
			e.count.drop("tls-handshake")
			e.complain("sip does not trust a server", w.addr.Addr(), err)
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	if !e.enter(s) || !e.spawn(func() { e.serveStream(s) }) { // ends with the connection
		raw.Close()
		e.dropStream(s)
		return nil, net.ErrClosed
	}
	return s, nil
}

// enter makes a connection known.
func (e *Endpoint) enter(s *stream) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosed {
		return false
	}
	e.streams[s.remote] = append(e.streams[s.remote], s)
	return true
}

// dropStream forgets a connection and ends what waited for it. By TLS it says
// goodbye, which may wait for the peer for a few seconds.
func (e *Endpoint) dropStream(s *stream) {
	s.gone.Store(true)
	e.mu.Lock()
	left := slices.DeleteFunc(e.streams[s.remote], func(have *stream) bool { return have == s })
	if e.streams[s.remote] = left; len(left) == 0 {
		delete(e.streams, s.remote)
	}
	e.mu.Unlock()
	e.registrar.lost(s)
	e.tx.lost(s)
	s.conn.Close()
}

// slots counts accepted connections, so that nobody can have them all.
type slots struct {
	total, strange int
	each, strangeE map[netip.Addr]int
}

func newSlots() slots {
	return slots{each: map[netip.Addr]int{}, strangeE: map[netip.Addr]int{}}
}

// take counts a connection from an address, which may have most of them; false: there are too many. A
// stranger's counts as one until he is known or gone.
func (s *slots) take(from netip.Addr, stranger bool, most int) bool {
	if s.total >= streamsTotal || s.each[from] >= most ||
		stranger && (s.strange >= strangers || s.strangeE[household(from)] >= strangersEach) {
		return false
	}
	s.total++
	s.each[from]++
	if stranger {
		s.strange++
		s.strangeE[household(from)]++
	}
	return true
}

func (s *slots) give(from netip.Addr, stranger bool) {
	s.total--
	less(s.each, from)
	if stranger {
		s.known(from)
	}
}

// known takes a connection out of the strangers' count.
func (s *slots) known(from netip.Addr) {
	s.strange--
	less(s.strangeE, household(from))
}

func less(m map[netip.Addr]int, key netip.Addr) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// household is what one subscriber has: an IPv4 address, or an IPv6 /64.
func household(a netip.Addr) netip.Addr {
	if p, err := a.Prefix(64); a.Is6() && err == nil {
		return p.Addr()
	}
	return a
}

// socketFor picks the socket that a peer can answer to: the one its network is
// given, else one that is of its kind.
func (e *Endpoint) socketFor(peer netip.Addr) *socket {
	want := e.views.of(peer).local
	var best *socket
	for _, s := range e.sockets {
		switch {
		case s.local.Addr() == want:
			return s
		case s.local.Addr().Is4() != peer.Is4():
		case best == nil || !ownKind(best.local.Addr(), peer) && ownKind(s.local.Addr(), peer):
			best = s
		}
	}
	return best
}

// connector is the plain dialler of connections of a class.
func connector(class dscp.Class) func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
		d := net.Dialer{Control: class.Control}
		if from.IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		return d.DialContext(ctx, "tcp", to.String())
	}
}

// dialFrom is the address that connections to a peer come from: peers know us
// by it. The zero Addr leaves it to the system.
func (e *Endpoint) dialFrom(peer netip.Addr) netip.Addr {
	if want := e.views.of(peer).local; want.IsValid() && want.Is4() == peer.Is4() {
		return bindable(want)
	}
	for _, l := range e.listeners {
		if ip := l.local.Addr(); ip.Is4() == peer.Is4() && ownKind(ip, peer) {
			return bindable(ip)
		}
	}
	if s := e.socketFor(peer); s != nil && ownKind(s.local.Addr(), peer) {
		return bindable(s.local.Addr())
	}
	return netip.Addr{}
}

func bindable(ip netip.Addr) netip.Addr {
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

// ownKind: an address on loopback speaks to loopback only, and the other way round.
func ownKind(local, peer netip.Addr) bool {
	return local.IsUnspecified() || local.IsLoopback() == peer.IsLoopback()
}
