package sip

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"
)

// wire is a network of UDP sockets in memory. It loses nothing that is read. An
// address without a port has all the ports that nobody else has.
type wire struct {
	mu    sync.Mutex
	conns map[string]*memConn
}

type datagram struct {
	b    []byte
	from net.Addr
}

type memConn struct {
	wire   *wire
	addr   *net.UDPAddr
	in     chan datagram
	closed chan struct{}
	once   sync.Once
}

func (w *wire) listen(addr string) *memConn {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		ap = netip.AddrPortFrom(netip.MustParseAddr(addr), 0)
	}
	c := &memConn{wire: w, addr: net.UDPAddrFromAddrPort(ap), in: make(chan datagram, 4096), closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[addr] = c
	return c
}

func (c *memConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d.b), d.from, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *memConn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	c.wire.mu.Lock()
	dst := c.wire.conns[to.String()]
	if dst == nil {
		dst = c.wire.conns[to.(*net.UDPAddr).IP.String()] // whoever has the whole address
	}
	c.wire.mu.Unlock()
	if dst != nil {
		select {
		case dst.in <- datagram{bytes.Clone(b), c.addr}:
		default: // nobody reads there
		}
	}
	return len(b), nil
}

func (c *memConn) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *memConn) LocalAddr() net.Addr              { return c.addr }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// logBook is a log that may be read while it is written.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
