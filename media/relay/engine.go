package relay

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// This file is the portable engine: how packets get from sockets to receivers
// and out again. Nothing else of the room reads or writes a socket, so another
// engine takes its place by offering open, bind and close.

// receiver judges the packets of one socket. handle is not called again before
// it returns; it never blocks and does not keep the packet, but may change it
// where it stands. ok says that something goes out; sent then says what became of it.
type receiver interface {
	handle(d datagram) (out outgoing, ok bool)
	sent(bytes int, err error)
}

// datagram is a packet that arrived. Behind its bytes there is room for
// [tailroom] more in the same array.
type datagram struct {
	bytes []byte
	src   netip.AddrPort // an IPv4 address is never mapped into IPv6
	at    time.Time
}

// outgoing is a packet to be sent from a socket.
type outgoing struct {
	bytes []byte
	by    *socket
	to    netip.AddrPort
}

// tailroom is by how much a packet may grow where it stands, in bytes: SRTP
// needs 16 for its tag, SRTCP 4 more (RFC 3711, RFC 7714).
const tailroom = 64

// room is where a packet is read into: one byte more than may be forwarded, to
// see what is too long.
type room [maxDatagram + 1 + tailroom]byte

// engine reads each socket in a goroutine of its own, which ends when the
// socket is closed.
type engine struct {
	log     *slog.Logger
	panics  atomic.Uint64
	buffers sync.Pool // of *room
}

// socket is an open conn and whoever gets its packets.
type socket struct {
	engine *engine
	conn   datagramConn
	closer net.PacketConn
	done   chan struct{}

	mu   sync.Mutex // held while a packet is handled
	call string     // id for the log
	to   receiver
	told bool // a panic for this call was logged
}

// open starts to read conn, which belongs to the socket from now on.
func (e *engine) open(conn net.PacketConn, to receiver) *socket {
	s := &socket{engine: e, closer: conn, to: to, done: make(chan struct{})}
	if c, ok := conn.(datagramConn); ok {
		s.conn = c
	} else {
		s.conn = generic{conn}
	}
	go s.run()
	return s
}

// bind gives the packets to another receiver, which works for a call. When it
// returns, the receiver before is done with its last packet.
func (s *socket) bind(call string, to receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.to, s.told = call, to, false
}

// close returns when nothing will be read any more. Idempotent.
func (s *socket) close() {
	s.closer.Close()
	<-s.done
}

// maxErrors is how many reads may fail in a row before a socket that is not
// closed is given up.
const maxErrors = 100

func (s *socket) run() {
	defer close(s.done)
	s.await()
	buf, _ := s.engine.buffers.Get().(*room)
	if buf == nil {
		buf = new(room)
	}
	defer s.engine.buffers.Put(buf)
	for failed := 0; failed < maxErrors; {
		n, src, err := s.conn.ReadFromUDPAddrPort(buf[:maxDatagram+1])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // e.g. a port unreachable, told by some systems
			failed++
			continue
		}
		failed = 0
		s.deliver(buf[:n], src, time.Now())
	}
	s.engine.log.Error("media socket gives only errors and is read no more", "local", s.closer.LocalAddr().String())
}

// await returns when the first packet is there, or nothing ever will be: a port
// to which nobody speaks costs no buffer. Half of a call's ports are such as
// long as nobody sends RTCP, all of them when a call is not answered.
func (s *socket) await() {
	c, ok := s.closer.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Read(readable) // its error is met again by the first read
	}
}

// deliver handles one packet and sends it on. A panic, which can only be a
// tap's or our own fault, costs this packet and is counted.
func (s *socket) deliver(pkt []byte, src netip.AddrPort, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.rescue()
	src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
	out, ok := s.to.handle(datagram{pkt, src, at})
	if !ok {
		return
	}
	s.to.sent(len(out.bytes), out.by.send(out.bytes, out.to))
}

// send sends one packet at once. It does not block: what the system does not
// take is lost, and the error says so.
func (s *socket) send(pkt []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(pkt, to)
	return err
}

func (s *socket) rescue() {
	cause := recover()
	if cause == nil {
		return
	}
	s.engine.panics.Add(1)
	if !s.told {
		s.told = true
		s.engine.log.Error("media packet made us panic and was dropped", "call", s.call, "panic", cause, "stack", string(debug.Stack()))
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

// listenUDP is the listen function of a pool that was given none. A socket
// serves one IP version, but for the [::] of a pool that advertises IPv4.
func (p *Pool) listenUDP(at netip.AddrPort) (net.PacketConn, error) {
	network := "udp6"
	switch {
	case at.Addr().Is4():
		network = "udp4"
	case p.places[four].bind == at.Addr():
		network = "udp"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil { // a nil *net.UDPConn in an interface would not be nil
		return nil, err
	}
	return c, nil
}
