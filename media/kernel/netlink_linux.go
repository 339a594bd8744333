package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// way is how packets get from one address to another.
type way struct {
	device uint32 // loopback: the other one is on this machine; 0: there is no way
	mtu    uint32
	source netip.Addr // that a socket without one sends from
}

const loopback = 1 // the index of lo, in every network namespace

// router asks the kernel which way it would send, as it decides for a socket:
// by the source address, the ports and the rules of policy routing too.
// bpf_fib_lookup is no help, it answers only on machines that forward.
type router struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf [4096]byte
}

// answerTime is how long an answer is waited for: the kernel has made it when the
// question is put, or never will. The media loop waits as long.
const answerTime = 5 * time.Millisecond

func openRouter() (*router, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("socket for questions about routes: %w", err)
	}
	limit := unix.NsecToTimeval(int64(answerTime))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("socket for questions about routes: %w", err)
	}
	return &router{fd: fd}, nil
}

func (r *router) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	unix.Close(r.fd)
	r.fd = -1
}

// find returns the way of UDP from one of our places to another place; the
// address of ours may be unspecified.
func (r *router) find(out, to netip.AddrPort) (way, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return way{}, ErrClosed
	}
	r.seq++
	if err := unix.Sendto(r.fd, question(r.seq, out, to), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return way{}, fmt.Errorf("ask for a route: %w", err)
	}
	for {
		n, _, err := unix.Recvfrom(r.fd, r.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return way{}, fmt.Errorf("ask for a route: %w", err)
		}
		msgs, err := syscall.ParseNetlinkMessage(r.buf[:n])
		if err != nil {
			return way{}, fmt.Errorf("answer about a route: %w", err)
		}
		for _, m := range msgs {
			if m.Header.Seq == r.seq {
				return answer(m)
			}
		}
	}
}

// question is an RTM_GETROUTE.
func question(seq uint32, out, to netip.AddrPort) []byte {
	family, bits := byte(unix.AF_INET), byte(32)
	if to.Addr().Is6() {
		family, bits = unix.AF_INET6, 128
	}
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg, 128)
	b[unix.SizeofNlMsghdr] = family
	b[unix.SizeofNlMsghdr+1] = bits // of the destination
	b[unix.SizeofNlMsghdr+2] = bits // of the source
	attribute := func(kind uint16, value []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, value...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	attribute(unix.RTA_DST, to.Addr().AsSlice())
	if out.Addr().IsUnspecified() {
		b[unix.SizeofNlMsghdr+2] = 0
	} else {
		attribute(unix.RTA_SRC, out.Addr().AsSlice())
	}
	attribute(unix.RTA_IP_PROTO, []byte{unix.IPPROTO_UDP})
	attribute(unix.RTA_SPORT, binary.BigEndian.AppendUint16(nil, out.Port()))
	attribute(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, to.Port()))
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[8:], seq)
	return b
}

// answer reads an RTM_NEWROUTE, or the error in its place.
func answer(m syscall.NetlinkMessage) (way, error) {
	switch m.Header.Type {
	case unix.NLMSG_ERROR:
		if len(m.Data) >= 4 {
			if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno > 0 {
				return way{}, syscall.Errno(errno)
			}
		}
		return way{}, errors.New("empty answer about a route")
	case unix.RTM_NEWROUTE:
	default:
		return way{}, fmt.Errorf("answer of type %d about a route", m.Header.Type)
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return way{}, fmt.Errorf("answer about a route: %w", err)
	}
	kind := (*syscall.RtMsg)(unsafe.Pointer(&m.Data[0])).Type
	w := way{}
	for _, a := range attributes {
		switch {
		case a.Attr.Type == unix.RTA_OIF && len(a.Value) == 4:
			w.device = binary.NativeEndian.Uint32(a.Value)
		case a.Attr.Type == unix.RTA_METRICS:
			w.mtu = metric(a.Value, unix.RTAX_MTU)
		case a.Attr.Type == unix.RTA_PREFSRC:
			w.source, _ = netip.AddrFromSlice(a.Value)
		}
	}
	switch {
	case kind == unix.RTN_LOCAL:
		w.device = loopback
	case kind != unix.RTN_UNICAST || w.device == 0:
		return way{}, fmt.Errorf("route of kind %d leads to no single machine", kind)
	}
	return w, nil
}

// metric finds a figure among the nested ones of a route; 0: it has none.
func metric(b []byte, kind uint16) uint32 {
	for len(b) >= 8 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return 0
		}
		if n == 8 && binary.NativeEndian.Uint16(b[2:]) == kind {
			return binary.NativeEndian.Uint32(b[4:])
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return 0
}

// device is a network interface.
type device struct {
	name  string
	index uint32
	kind  uint16 // ARPHRD_*
	up    bool
	mtu   uint32
}

// devices lists those of the network namespace of the thread.
func devices() ([]device, error) {
	b, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []device
	for _, m := range msgs {
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		info := (*syscall.IfInfomsg)(unsafe.Pointer(&m.Data[0]))
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, fmt.Errorf("list interfaces: %w", err)
		}
		d := device{index: uint32(info.Index), kind: info.Type, up: info.Flags&unix.IFF_UP != 0}
		for _, a := range attributes {
			switch {
			case a.Attr.Type == unix.IFLA_IFNAME:
				d.name = unix.ByteSliceToString(a.Value)
			case a.Attr.Type == unix.IFLA_MTU && len(a.Value) == 4:
				d.mtu = binary.NativeEndian.Uint32(a.Value)
			}
		}
		out = append(out, d)
	}
	return out, nil
}
