package relay

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/media/dscp"
)

// This file is how packets get from sockets to receivers and out again. Nothing
// else of the room reads or writes a socket. Two kinds of line carry them: on
// Linux a descriptor that a loop serves together with many others (loop_linux.go),
// elsewhere and for any conn that is not the system's a goroutine (reader.go).

// receiver judges the packets of one socket. handle is not called again before
// sent has been, when there is something to send; it never blocks and does not
// keep the packet, but may change it where it stands. ok says that something goes
// out, which stays untouched until sent says what became of it.
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

// engine opens sockets and counts what goes wrong in them. Its loops start with the
// first socket that needs one, and end with close.
type engine struct {
	log     *slog.Logger
	panics  atomic.Uint64
	worked  atomic.Int64 // calls whose packets are worked on in the loops
	buffers sync.Pool    // of *room, for readers
	loops   loops
}

// socket is an open port and whoever gets its packets.
type socket struct {
	engine *engine
	line   line

	mu   sync.Mutex // held while a packet is handled, until it is sent
	call string     // id for the log
	to   receiver
	told bool // a panic for this call was logged
}

// line carries the packets of one socket. Safe for concurrent use.
type line interface {
	// send does not block: what the system does not take is lost, and the error
	// says so. After close it fails with net.ErrClosed.
	send(pkt []byte, to netip.AddrPort) error
	// close returns when nothing will be read any more. Idempotent.
	close()
	local() netip.AddrPort
	// mark gives what is sent from now on a class; where the system refuses that,
	// nothing else changes.
	mark(dscp.Class) error
}

// open starts to read conn, which belongs to the socket from now on, in a loop
// that [engine.enter] gave when conn is one of the system's.
func (e *engine) open(conn net.PacketConn, to receiver, loop int) *socket {
	if s, ok := e.adopt(conn, to, loop); ok {
		return s
	}
	return e.read(conn, to)
}

// bind gives the packets to another receiver, which works for a call. When it
// returns, the receiver before is done with its last packet. Not to be called with
// a Relay.mu held, which a packet in hand may wait for; nor is close.
func (s *socket) bind(call string, to receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.to, s.told = call, to, false
}

func (s *socket) close() { s.line.close() }

// send sends one packet at once, in or beside the handling of another.
func (s *socket) send(pkt []byte, to netip.AddrPort) error { return s.line.send(pkt, to) }

// deliver handles one packet and sends it on.
func (s *socket) deliver(pkt []byte, src netip.AddrPort, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.handle(pkt, src, at); ok {
		s.forward(out)
	}
}

// handle gives one packet to the receiver. A panic, which can only be a tap's or
// our own fault, costs this packet and is counted. The caller holds s.mu.
func (s *socket) handle(pkt []byte, src netip.AddrPort, at time.Time) (out outgoing, ok bool) {
	defer s.rescue()
	return s.to.handle(datagram{pkt, netip.AddrPortFrom(src.Addr().Unmap(), src.Port()), at})
}

// forward sends what handle returned. The caller has held s.mu since.
func (s *socket) forward(out outgoing) {
	defer s.rescue()
	s.to.sent(len(out.bytes), out.by.line.send(out.bytes, out.to))
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

// maxErrors is how many reads may fail in a row before a socket that is not
// closed is given up.
const maxErrors = 100

func (s *socket) giveUp() {
	s.engine.log.Error("media socket gives only errors and is read no more", "local", s.line.local().String())
}
