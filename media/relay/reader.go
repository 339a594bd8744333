package relay

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"ringdown/media/dscp"
)

// reader is the line of a conn that no loop serves: any conn on systems other
// than Linux, and conns that are not the system's. A goroutine reads it, which
// ends when it is closed.
type reader struct {
	socket
	conn   datagramConn
	closer net.PacketConn
	done   chan struct{}
}

// read starts a reader of conn.
func (e *engine) read(conn net.PacketConn, to receiver) *socket {
	r := &reader{socket: socket{engine: e, to: to}, closer: conn, done: make(chan struct{})}
	r.line = r
	if c, ok := conn.(datagramConn); ok {
		r.conn = c
	} else {
		r.conn = generic{conn}
	}
	go r.run()
	return &r.socket
}

func (r *reader) send(pkt []byte, to netip.AddrPort) error {
	_, err := r.conn.WriteToUDPAddrPort(pkt, to)
	return err
}

func (r *reader) close() {
	r.closer.Close()
	<-r.done
}

func (r *reader) local() netip.AddrPort {
	if a, ok := r.closer.LocalAddr().(*net.UDPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

func (r *reader) mark(class dscp.Class) error { return class.Mark(r.closer) }

func (r *reader) run() {
	defer close(r.done)
	r.await()
	buf, _ := r.engine.buffers.Get().(*room)
	if buf == nil {
		buf = new(room)
	}
	defer r.engine.buffers.Put(buf)
	for failed := 0; failed < maxErrors; {
		n, src, err := r.conn.ReadFromUDPAddrPort(buf[:maxDatagram+1])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // e.g. a port unreachable, told by some systems
			failed++
			continue
		}
		failed = 0
		r.deliver(buf[:n], src, time.Now())
	}
	r.giveUp()
}

// await returns when the first packet is there, or nothing ever will be: a port
// to which nobody speaks costs no buffer. Half of a call's ports are such as
// long as nobody sends RTCP, all of them when a call is not answered.
func (r *reader) await() {
	c, ok := r.closer.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Read(readable) // its error is met again by the first read
	}
}

// datagramConn is the part of net.UDPConn that reads and writes without allocating.
type datagramConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// generic makes a datagramConn of any net.PacketConn that speaks of UDP addresses.
type generic struct{ net.PacketConn }

func (g generic) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := g.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	if udp, ok := from.(*net.UDPAddr); ok {
		return n, udp.AddrPort(), nil
	}
	return n, netip.AddrPort{}, nil // from nowhere: no rule accepts it
}

func (g generic) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return g.WriteTo(b, net.UDPAddrFromAddrPort(to))
}
