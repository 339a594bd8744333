//go:build netns && linux

package kernel

import (
	"bytes"
	"net/netip"
	"testing"
)

// way is one direction between two phones over two ports of ours.
type path struct {
	name              string
	from, in, out, to string // addresses and ports
	sender, receiver  *host  // nil: our own machine
	remote            bool   // the packet is seen on the wire before the receiver
}

func TestAcrossHosts(t *testing.T) {
	w := newWorld(t)
	paths := []path{
		{"IPv4 out over a router", "10.1.0.2:4000", "10.1.0.1:20000", "10.2.0.1:20002", "10.3.0.2:5000", w.carrier, w.pbx, true},
		{"IPv4 back", "10.3.0.2:5000", "10.2.0.1:20002", "10.1.0.1:20000", "10.1.0.2:4000", w.pbx, w.carrier, true},
		{"IPv6 out over a router", "[fd01::2]:4000", "[fd01::1]:20000", "[fd02::1]:20002", "[fd03::2]:5000", w.carrier, w.pbx, true},
		{"IPv6 back", "[fd03::2]:5000", "[fd02::1]:20002", "[fd01::1]:20000", "[fd01::2]:4000", w.pbx, w.carrier, true},
		{"IPv4 back by the same interface", "10.1.0.2:4000", "10.1.0.1:20000", "10.1.0.1:20002", "10.1.0.2:5000", w.carrier, w.carrier, true},
		{"IPv6 back by the same interface", "[fd01::2]:4000", "[fd01::1]:20000", "[fd01::1]:20002", "[fd01::2]:5000", w.carrier, w.carrier, true},
		{"IPv4 to this machine", "10.1.0.2:4000", "10.1.0.1:20000", "10.2.0.1:20002", "10.2.0.1:5000", w.carrier, nil, false},
		{"IPv6 to this machine", "[fd01::2]:4000", "[fd01::1]:20000", "[fd02::1]:20002", "[fd02::1]:5000", w.carrier, nil, false},
		{"IPv4 from this machine", "10.2.0.1:5000", "10.2.0.1:20002", "10.1.0.1:20000", "10.1.0.2:4000", nil, w.carrier, true},
		{"IPv6 from this machine", "[fd02::1]:5000", "[fd02::1]:20002", "[fd01::1]:20000", "[fd01::2]:4000", nil, w.carrier, true},
	}
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			if p.sender != nil {
				t.Run("sums from the sender", func(t *testing.T) {
					w.finished(t, true, false)
					p.run(t)
				})
			}
			t.Run("sums from our own device", func(t *testing.T) {
				w.finished(t, false, true)
				p.run(t)
			})
		})
	}
}

// finished has the sums of packets be written by the phones' machines, or by the
// devices that leave ours.
func (w *world) finished(t *testing.T, phones, ours bool) {
	for _, h := range []*host{w.carrier, w.pbx} {
		h.do(func() { must(sums("eth0", !phones)) })
	}
	must(sums("wan", !ours))
	must(sums("lan", !ours))
}

func (p path) run(t *testing.T) {
	open1 := func(h *host, addr string) *phone {
		if h == nil {
			return listenAt(t, addr)
		}
		return h.phone(t, addr)
	}
	a, b := open1(p.sender, p.from), open1(p.receiver, p.to)
	in, out := listenAt(t, p.in), listenAt(t, p.out)
	e := open(t, Config{})
	f := plain(in.at, a.at, out.at, b.at)
	f.TOS = 46<<2 | 3
	f.Remap[3] = Remap{8, 9}
	set(t, e, f)

	var tap *wire
	if p.remote {
		tap = p.receiver.wire(t, "eth0")
	}
	sent := rtp(8, 7, 160, 0x12345678)
	want := bytes.Clone(sent)
	want[1] = 9
	for range 3 {
		a.send(in.at, sent)
		got, from := b.hear()
		if !bytes.Equal(got, want) || from != out.at {
			t.Fatalf("heard %x from %s, want %x from %s", got, from, want, out.at)
		}
		if tap != nil {
			checkOnWire(t, tap.udp(), out.at, b.at, want)
		}
	}
	in.silent()
	if c, _ := e.Remove(in.at); c.Packets != 3 || c.Duplicates != 2 || c.UpWay+c.UpType+c.UpForm+c.UpSource+c.Failed != 0 {
		t.Errorf("counts %+v", c)
	}
}

// checkOnWire judges a packet as it arrives at the receiver.
func checkOnWire(t *testing.T, f frame, from, to netip.AddrPort, payload []byte) {
	t.Helper()
	switch {
	case f.from != from || f.to != to || !bytes.Equal(f.payload(), payload):
		t.Errorf("on the wire from %s to %s: %x", f.from, f.to, f.payload())
	case f.udpSum() != 0xffff:
		t.Errorf("UDP sum of %x is off by %04x", f.raw, ^f.udpSum())
	case !f.six && sum(f.ip) != 0xffff:
		t.Errorf("IP sum of %x is wrong", f.ip)
	case f.tos() != 46<<2:
		t.Errorf("TOS is %#x", f.tos())
	case !f.six && (f.ip[6] != 0x40 || f.ip[7] != 0 || f.ip[4] != 0 || f.ip[5] != 0):
		t.Errorf("may be fragmented: %x", f.ip)
	case f.ttl() != 63 && f.ttl() != 62:
		t.Errorf("TTL is %d", f.ttl())
	}
}
