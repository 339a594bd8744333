//go:build netns && linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// world is the three machines of a call, and a router before the PBX.
//
//	carrier 10.1.0.2 — 10.1.0.1 us 10.2.0.1 — 10.2.0.2 router 10.3.0.1 — 10.3.0.2 pbx
//	        fd01::2  —  fd01::1    fd02::1  —  fd02::2        fd03::1  —  fd03::2
type world struct {
	carrier, router, pbx *host
}

func newWorld(t *testing.T) *world {
	w := &world{newHost(t), newHost(t), newHost(t)}
	us(t, "link add wan type veth peer name eth0 netns "+w.carrier.ns)
	us(t, "link add lan type veth peer name eth0 netns "+w.router.ns)
	t.Cleanup(func() { us(t, "link del wan"); us(t, "link del lan") })
	w.router.ip("link add eth1 type veth peer name eth0 netns " + w.pbx.ns)
	ours := func(args string) { us(t, args) }
	for _, a := range []struct {
		ip        func(string)
		dev, host string
	}{{ours, "wan", "1::1"}, {w.carrier.ip, "eth0", "1::2"}, {ours, "lan", "2::1"}, {w.router.ip, "eth0", "2::2"},
		{w.router.ip, "eth1", "3::1"}, {w.pbx.ip, "eth0", "3::2"}} {
		a.ip("link set " + a.dev + " up")
		a.ip(fmt.Sprintf("addr add fd0%s/64 dev %s nodad", a.host, a.dev))
		a.ip(fmt.Sprintf("addr add 10.%c.0.%c/24 dev %s", a.host[0], a.host[3], a.dev))
	}
	us(t, "route add 10.3.0.0/24 via 10.2.0.2")
	us(t, "route add fd03::/64 via fd02::2")
	w.carrier.ip("route add default via 10.1.0.1")
	w.carrier.ip("route add default via fd01::1")
	w.pbx.ip("route add default via 10.3.0.1")
	w.pbx.ip("route add default via fd03::1")
	w.router.do(func() {
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			must(os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0o644))
		}
	})
	return w
}

// offload switches a feature of a device that the network namespace of the
// calling thread has.
func offload(dev string, command uint32, on bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command: command}
	if on {
		value.data = 1
	}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data uintptr
		_    [16]byte
	}
	copy(request.name[:], dev)
	request.data = uintptr(unsafe.Pointer(&value))
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// sums switches on or off that a device takes packets with unfinished sums.
func sums(dev string, on bool) error { return offload(dev, unix.ETHTOOL_STXCSUM, on) }

// wire reads and writes whole frames of a device.
type wire struct {
	t  *testing.T
	fd int
}

func (h *host) wire(t *testing.T, dev string) (w *wire) {
	t.Helper()
	h.do(func() { w = wireOf(t, dev) })
	return w
}

func wireOf(t *testing.T, dev string) *wire {
	t.Helper()
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	i, err := net.InterfaceByName(dev)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}); err != nil {
		t.Fatal(err)
	}
	must(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	return &wire{t, fd}
}

// udp waits for the next UDP frame that comes in.
func (w *wire) udp() frame {
	w.t.Helper()
	f, ok := w.next(2 * time.Second)
	if !ok {
		w.t.Fatal("nothing on the wire")
	}
	return f
}

func (w *wire) next(wait time.Duration) (frame, bool) {
	limit := unix.NsecToTimeval(int64(wait))
	must(unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	buf, about := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, m, _, from, err := unix.Recvmsg(w.fd, buf, about, 0)
		if err != nil {
			return frame{}, false
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if f, ok := parseFrame(bytes.Clone(buf[:n])); ok {
			f.tagged = tagOf(about[:m])
			return f, true
		}
	}
}

// tagOf reports whether a frame came with a VLAN tag, which the kernel has taken off.
func tagOf(about []byte) bool {
	msgs, err := unix.ParseSocketControlMessage(about)
	must(err)
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA {
			return binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0
		}
	}
	panic("the kernel says nothing about a frame")
}

func (w *wire) send(f []byte) {
	w.t.Helper()
	if _, err := unix.Write(w.fd, f); err != nil {
		w.t.Fatal(err)
	}
}

// mac is the hardware address of a device of our own machine.
func mac(t *testing.T, dev string) net.HardwareAddr {
	i, err := net.InterfaceByName(dev)
	if err != nil {
		t.Fatal(err)
	}
	return i.HardwareAddr
}

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
