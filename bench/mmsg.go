//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The generator must not become what is measured: one system call carries up to
// batchSize packets.
const batchSize = 64

// bufferSize holds any RTP of ours, and any SIP message that `bench setup` meets.
const bufferSize = 2048

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2) on 64-bit Linux.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   uint32
}

// batch is the memory of one system call, used again and again.
type batch struct {
	msgs    [batchSize]mmsghdr
	iovs    [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet4
	control [batchSize][64]byte
	bufs    [batchSize][bufferSize]byte
}

// socket is a non-blocking UDP socket whose kernel stamps arrivals.
type socket struct {
	fd    int
	local netip.AddrPort
	in    *batch
	out   *batch
}

// openSocket binds to a port of 127.0.0.1 that the kernel picks.
func openSocket() (*socket, error) { return openSocketAt([4]byte{127, 0, 0, 1}) }

func openSocketAt(host [4]byte) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &socket{fd: fd, in: new(batch), out: new(batch)}
	const room = 16 << 20 // of the receive buffer: a late tick must not lose packets
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room) // as much as we are allowed
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: host}),
	)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("socket: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("socket: %w", err)
	}
	bound := name.(*unix.SockaddrInet4)
	s.local = netip.AddrPortFrom(netip.AddrFrom4(bound.Addr), uint16(bound.Port))
	for i := range batchSize {
		s.in.wire(i, s.in.bufs[i][:], true)
	}
	return s, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// wire points message i at a buffer.
func (b *batch) wire(i int, buf []byte, receive bool) {
	b.iovs[i] = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	h := &b.msgs[i].hdr
	h.Iov, h.Iovlen = &b.iovs[i], 1
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrInet4
	if receive {
		h.Control, h.Controllen = &b.control[i][0], uint64(len(b.control[i]))
	}
}

// put makes packet p for address to the ith of the next send.
func (s *socket) put(i int, p []byte, to *unix.RawSockaddrInet4) {
	s.out.names[i] = *to
	s.out.wire(i, p, false)
}

// send sends the first n packets put and returns how many went.
func (s *socket) send(n int) int {
	sent := 0
	for sent < n {
		k, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out.msgs[sent])), uintptr(n-sent), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || k == 0 {
			return sent
		}
		sent += int(k)
	}
	return sent
}

// receive hands over each waiting packet with the time the kernel got it.
func (s *socket) receive(each func(b []byte, at time.Duration)) {
	for {
		k, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in.msgs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return
		}
		for i := range int(k) {
			m := &s.in.msgs[i]
			each(s.in.bufs[i][:m.n], stampOf(s.in.control[i][:m.hdr.Controllen]))
			m.hdr.Namelen, m.hdr.Controllen = unix.SizeofSockaddrInet4, uint64(len(s.in.control[i]))
		}
		if k < batchSize {
			return
		}
	}
}

// stampOf reads SCM_TIMESTAMPNS out of a control message; the time now when the
// kernel gave none.
func stampOf(control []byte) time.Duration {
	if len(control) >= unix.SizeofCmsghdr+16 {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS {
			ts := (*unix.Timespec)(unsafe.Pointer(&control[unix.SizeofCmsghdr]))
			return time.Duration(ts.Nano())
		}
	}
	return realTime()
}

// realTime is the clock of the kernel's stamps.
func realTime() time.Duration { return time.Duration(time.Now().UnixNano()) }

func rawAddress(a netip.AddrPort) unix.RawSockaddrInet4 {
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
	return sa
}

// sleepUntil sleeps to a monotonic time without waking the Go scheduler.
func sleepUntil(t time.Duration) {
	ts := unix.NsecToTimespec(int64(t))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
