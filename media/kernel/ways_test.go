//go:build netns && linux

package kernel

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestInterfacesComeAndGo: one that is added while the engine works, and one that
// goes away under a flow.
func TestInterfacesComeAndGo(t *testing.T) {
	e := open(t, Config{})
	if got := e.Stats().Interfaces; !slices.Equal(got, []string{"lo"}) {
		t.Fatalf("works on %v", got)
	}
	w := newWorld(t)
	on := func(names ...string) func() bool {
		return func() bool { return slices.Equal(e.Stats().Interfaces, names) }
	}
	eventually(t, "the new interfaces are taken", on("lan", "lo", "wan"))
	o := oddOf(t, w, e, false)
	o.sender.send(o.frame().raw)
	checkOnWire(t, o.at.udp(), o.f.Out, o.f.To, o.frame().payload())

	us(t, "link set lan down")
	eventually(t, "there is no way", func() bool {
		o.sender.send(o.frame().raw)
		return o.counts().UpWay > 0
	})
	o.in.hear()
	us(t, "link set lan up")
	us(t, "route add 10.3.0.0/24 via 10.2.0.2")
	before := o.counts().Packets
	eventually(t, "there is a way again", func() bool {
		o.sender.send(o.frame().raw)
		return o.counts().Packets > before
	})
	us(t, "link add gone type veth peer name gone1")
	us(t, "link set gone up")
	eventually(t, "one more is taken", on("gone", "lan", "lo", "wan"))
	us(t, "link del gone")
	eventually(t, "it is forgotten", on("lan", "lo", "wan"))
}

// TestWanted: only the interfaces that were named, also when they come later.
func TestWanted(t *testing.T) {
	e := open(t, Config{Interfaces: []string{"lo", "lan"}})
	newWorld(t)
	eventually(t, "lan is taken", func() bool { return slices.Equal(e.Stats().Interfaces, []string{"lan", "lo"}) })
}

// TestRouteChanges: a flow follows the routes.
func TestRouteChanges(t *testing.T) {
	w := newWorld(t)
	o := newOdd(t, w, false)
	o.sender.send(o.frame().raw)
	o.at.udp()
	elsewhere := w.carrier.wire(t, "eth0")
	us(t, "route change 10.3.0.0/24 via 10.1.0.2")
	eventually(t, "the other way is taken", func() bool {
		o.sender.send(o.frame().raw)
		got, ok := elsewhere.next(10 * time.Millisecond)
		return ok && got.to == o.f.To
	})
	us(t, "route change unreachable 10.3.0.0/24")
	eventually(t, "there is no way", func() bool {
		o.sender.send(o.frame().raw)
		return o.counts().UpWay > 0
	})
	o.in.hear()
	f := o.f
	f.In = at("10.1.0.1:20010")
	if _, err := o.e.Set(f); err == nil || !strings.Contains(err.Error(), "no way from 10.2.0.1 to 10.3.0.2") {
		t.Errorf("a flow to nowhere: %v", err)
	}
	f.Out = at("10.77.0.1:20002")
	if _, err := o.e.Set(f); err == nil {
		t.Error("a flow from an address that is not ours was accepted")
	}
	us(t, "route del unreachable 10.3.0.0/24")
	us(t, "route add 10.3.0.0/24 via 10.2.0.2")
}

// TestManyChanges: thousands of routes that come and go hide no change after them.
func TestManyChanges(t *testing.T) {
	w := newWorld(t)
	o := newOdd(t, w, false)
	var batch strings.Builder
	for _, verb := range []string{"add", "del"} {
		for n := range 4000 {
			fmt.Fprintf(&batch, "route %s 10.100.%d.%d/32 via 10.1.0.2\n", verb, n/250, n%250)
		}
	}
	file := t.TempDir() + "/routes"
	must(os.WriteFile(file, []byte(batch.String()), 0o600))
	must(command("ip", "-batch", file))
	us(t, "route change 10.3.0.0/24 via 10.1.0.2")
	elsewhere := w.carrier.wire(t, "eth0")
	eventually(t, "the change after them is seen", func() bool {
		o.sender.send(o.frame().raw)
		_, ok := elsewhere.next(10 * time.Millisecond)
		return ok
	})
}

// TestTooLong: what the way does not carry comes up; the socket knows how to say so.
func TestTooLong(t *testing.T) {
	w := newWorld(t)
	o := newOdd(t, w, false)
	o.sender.send(o.frame().raw) // 200 bytes with its headers
	o.at.udp()
	for _, c := range []struct {
		mtu  string
		long bool
	}{{"199", true}, {"200", false}} {
		us(t, "route change 10.3.0.0/24 via 10.2.0.2 mtu lock "+c.mtu)
		eventually(t, "the new MTU holds at "+c.mtu, func() bool {
			before := o.counts()
			o.sender.send(o.frame().raw)
			after := o.counts()
			return c.long && after.UpWay > before.UpWay || !c.long && after.Packets > before.Packets
		})
	}
	us(t, "route change 10.3.0.0/24 via 10.2.0.2")
	us(t, "link set lan mtu 150")
	eventually(t, "the new MTU of the device holds", func() bool {
		before := o.counts().UpWay
		o.sender.send(o.frame().raw)
		return o.counts().UpWay > before
	})
}

// TestBridgeAndMacvlan: our addresses are on devices above the ones with the wires.
func TestBridgeAndMacvlan(t *testing.T) {
	w := newWorld(t)
	us(t, "link add br0 type bridge")
	t.Cleanup(func() { us(t, "link del br0") })
	us(t, "link add mac0 link lan type macvlan mode bridge")
	for _, c := range []string{
		"addr flush dev wan", "link set wan master br0", "link set br0 up", "addr add 10.1.0.1/24 dev br0",
		"addr flush dev lan", "link set mac0 up", "addr add 10.2.0.1/24 dev mac0", "route add 10.3.0.0/24 via 10.2.0.2",
	} {
		us(t, c)
	}
	for _, bridge := range []string{"02:00:00:00:00:77", mac(t, "wan").String()} { // its own address, and its port's
		us(t, "link set br0 address "+bridge)
		for _, p := range []path{
			{"out", "10.1.0.2:4000", "10.1.0.1:20000", "10.2.0.1:20002", "10.3.0.2:5000", w.carrier, w.pbx, true},
			{"back", "10.3.0.2:5000", "10.2.0.1:20002", "10.1.0.1:20000", "10.1.0.2:4000", w.pbx, w.carrier, true},
		} {
			t.Run(p.name+" by "+bridge, func(t *testing.T) {
				w.finished(t, true, false)
				p.run(t)
			})
		}
		w.carrier.ip("neigh flush all")
	}
}

// tunnel is an interface whose packets begin with their IP header.
type tunnel struct {
	t *testing.T
	f *os.File
}

func newTunnel(t *testing.T) *tunnel {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "tun0")
	request.flags = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
	f := os.NewFile(uintptr(fd), "tun0")
	t.Cleanup(func() { f.Close() })
	us(t, "link set tun0 up")
	us(t, "addr add 10.9.0.1/24 dev tun0")
	us(t, "addr add fd09::1/64 dev tun0 nodad")
	return &tunnel{t, f}
}

// send writes a frame without its Ethernet header.
func (u *tunnel) send(f frame) {
	u.t.Helper()
	if _, err := u.f.Write(f.raw[14:]); err != nil {
		u.t.Fatal(err)
	}
}

// udp reads the next UDP packet, with an Ethernet header before it.
func (u *tunnel) udp() frame {
	u.t.Helper()
	buf := make([]byte, 1<<16)
	u.f.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		n, err := u.f.Read(buf)
		if err != nil {
			u.t.Fatalf("nothing out of the tunnel: %v", err)
		}
		head := make([]byte, 14)
		copy(head[12:], map[byte]string{4: "\x08\x00", 6: "\x86\xdd"}[buf[0]>>4])
		if f, ok := parseFrame(append(head, buf[:n]...)); ok {
			return f
		}
	}
}

// TestTunnel: interfaces without Ethernet frames, as tunnels are, in every combination.
func TestTunnel(t *testing.T) {
	w := newWorld(t)
	u := newTunnel(t)
	e := open(t, Config{})
	eventually(t, "the tunnel is taken", func() bool { return slices.Contains(e.Stats().Interfaces, "tun0") })
	for _, c := range []struct{ name, from, in, out, to string }{
		{"IPv4 in to Ethernet", "10.9.0.2:4000", "10.9.0.1:20000", "10.2.0.1:20002", "10.3.0.2:5000"},
		{"IPv6 in to Ethernet", "[fd09::2]:4000", "[fd09::1]:20000", "[fd02::1]:20002", "[fd03::2]:5000"},
		{"IPv4 out of Ethernet", "10.1.0.2:4000", "10.1.0.1:20000", "10.9.0.1:20002", "10.9.0.2:5000"},
		{"IPv6 out of Ethernet", "[fd01::2]:4000", "[fd01::1]:20000", "[fd09::1]:20002", "[fd09::2]:5000"},
		{"IPv4 through", "10.9.0.2:4000", "10.9.0.1:20000", "10.9.0.1:20002", "10.9.0.3:5000"},
		{"IPv6 through", "[fd09::2]:4000", "[fd09::1]:20000", "[fd09::1]:20002", "[fd09::3]:5000"},
		{"IPv4 to this machine", "10.9.0.2:4000", "10.9.0.1:20000", "10.2.0.1:20002", "10.2.0.1:5000"},
		{"IPv6 to this machine", "[fd09::2]:4000", "[fd09::1]:20000", "[fd02::1]:20002", "[fd02::1]:5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := plain(at(c.in), at(c.from), at(c.out), at(c.to))
			f.TOS = 46 << 2
			set(t, e, f)
			defer e.Remove(f.In)
			here, pbx := strings.Contains(c.name, "this machine"), strings.Contains(c.name, "to Ethernet")
			var b *phone
			var seen *wire
			switch {
			case here:
				b = listenAt(t, c.to)
			case pbx:
				w.pbx.phone(t, c.to)
				seen = w.pbx.wire(t, "eth0")
			}
			sent := newFrame(mac(t, "wan"), f.From, f.In, rtp(8, 1, 2, 3))
			for range 2 {
				if strings.Contains(c.name, "out of") {
					w.carrier.wire(t, "eth0").send(sent.raw)
				} else {
					u.send(sent)
				}
				switch {
				case here:
					if got, from := b.hear(); !bytes.Equal(got, sent.payload()) || from != f.Out {
						t.Errorf("heard %x from %v", got, from)
					}
				case pbx:
					checkOnWire(t, seen.udp(), f.Out, f.To, sent.payload())
				default:
					checkOnWire(t, u.udp(), f.Out, f.To, sent.payload())
				}
			}
		})
	}
}
