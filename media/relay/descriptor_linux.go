package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringdown/media/dscp"
)

// descriptor is the line of a UDP socket that a loop serves. The runtime's poller
// does not know it: that saves two system calls and some memory at its birth and
// a wake-up at each packet.
type descriptor struct {
	socket
	loop    *loop
	sending sync.Mutex // held while fd is written to or closed
	fd      int32      // guarded by mu and sending; -1: closed
	slot    int32      // in the loop
	v6      bool       // of the IPv6 family, which may serve IPv4 too
	failed  int        // reads in a row
}

// receiveRoom is what the kernel may keep for a socket that is not read, in bytes
// of SO_RCVBUF (the kernel doubles it for its own bookkeeping): the hundred packets
// of half a second at the rate cap, whatever the machine's default is. What is
// older is of no use to a listener.
const receiveRoom = 128 << 10

// listen binds a port and starts to read it. dual says that an IPv6 socket serves
// IPv4 too. The error of a port that is taken is syscall.EADDRINUSE.
func (e *engine) listen(at netip.AddrPort, dual bool, to receiver, loop int) (*socket, error) {
	domain, v6only := unix.AF_INET6, 1
	if at.Addr().Is4() {
		domain = unix.AF_INET
	} else if dual {
		v6only = 0
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if domain == unix.AF_INET6 {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v6only))
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sockaddr(at)))
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return e.watch(fd, domain == unix.AF_INET6, to, loop)
}

// adopt takes the descriptor of a UDP socket of the system out of conn, which is
// closed. It is false when conn is no such socket, and then nothing has happened.
func (e *engine) adopt(conn net.PacketConn, to receiver, loop int) (*socket, bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, false
	}
	fd, domain := -1, 0
	err = raw.Control(func(old uintptr) {
		domain, _ = unix.GetsockoptInt(int(old), unix.SOL_SOCKET, unix.SO_DOMAIN)
		if domain == unix.AF_INET || domain == unix.AF_INET6 {
			fd, _ = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		}
	})
	if err != nil || fd < 0 {
		return nil, false
	}
	s, err := e.watch(fd, domain == unix.AF_INET6, to, loop)
	if err != nil {
		return nil, false
	}
	conn.Close()
	return s, true
}

// watch makes a bound descriptor a socket of a loop; on an error it is closed.
func (e *engine) watch(fd int, v6 bool, to receiver, number int) (*socket, error) {
	// No packet needs an IP id when none may be fragmented on its way, and drawing
	// one costs (M11). These two only make things better: their errors do not matter.
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveRoom)
	d := &descriptor{socket: socket{engine: e, to: to}, fd: int32(fd), v6: v6}
	d.line = d
	l, err := e.loops.get(number)
	if err == nil {
		err = l.add(d)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &d.socket, nil
}

// receive reads one packet, and says from where. The caller holds d.mu.
func (d *descriptor) receive(b []byte) (int, netip.AddrPort, syscall.Errno) {
	var from unix.RawSockaddrInet6 // the larger one
	size := uint32(unix.SizeofSockaddrInet6)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, netip.AddrPort{}, errno
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Port))[:]) // at the same place in both
	switch from.Family {
	case unix.AF_INET:
		return int(n), netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&from)).Addr), port), 0
	case unix.AF_INET6:
		return int(n), netip.AddrPortFrom(netip.AddrFrom16(from.Addr), port), 0
	}
	return int(n), netip.AddrPort{}, 0 // from nowhere: no rule accepts it
}

func (d *descriptor) mark(class dscp.Class) error {
	d.sending.Lock()
	defer d.sending.Unlock()
	if d.fd < 0 {
		return net.ErrClosed
	}
	return class.MarkFD(int(d.fd))
}

func (d *descriptor) send(pkt []byte, to netip.AddrPort) error {
	d.sending.Lock()
	defer d.sending.Unlock()
	if d.fd < 0 {
		return net.ErrClosed
	}
	errno := d.write(pkt, to)
	if errno == unix.EMSGSIZE { // longer than the way is wide: from now on it is cut, as any program's
		unix.SetsockoptInt(int(d.fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_WANT)
		errno = d.write(pkt, to)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func (d *descriptor) write(pkt []byte, to netip.AddrPort) syscall.Errno {
	var sa unix.RawSockaddrInet6
	size := uintptr(unix.SizeofSockaddrInet6)
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], to.Port())
	if d.v6 {
		sa.Family, sa.Addr = unix.AF_INET6, to.Addr().As16()
	} else if a := to.Addr(); a.Is4() {
		sa.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr = a.As4()
		size = unix.SizeofSockaddrInet4
	} else {
		return unix.EAFNOSUPPORT
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(pkt))), uintptr(len(pkt)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&sa)), size)
	return errno
}

// close waits for the packet in hand, and for a packet that somebody else sends.
func (d *descriptor) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return
	}
	d.loop.remove(d)
	d.sending.Lock()
	defer d.sending.Unlock()
	unix.Close(int(d.fd))
	d.fd = -1
}

func (d *descriptor) local() netip.AddrPort {
	name, err := unix.Getsockname(int(d.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
