package sip

import (
	"net"
	"net/netip"
	"sync"
)

// pipeListener accepts connections in memory.
type pipeListener struct {
	addr   net.Addr
	in     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c pipeConn) LocalAddr() net.Addr  { return c.local }
func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func newPipeListener(addr string) *pipeListener {
	return &pipeListener{addr: tcpAddr(addr), in: make(chan net.Conn, 16), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return l.addr }

// connect opens a connection from addr and returns its far end.
func (l *pipeListener) connect(addr string) net.Conn {
	ours, theirs := net.Pipe()
	l.in <- pipeConn{ours, l.addr, tcpAddr(addr)}
	return pipeConn{theirs, tcpAddr(addr), l.addr}
}
