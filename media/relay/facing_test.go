package relay

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// TestBoundToNoAddress: where the sockets are bound to no address of their own,
// packets pass below us at the one that the parties meet.
func TestBoundToNoAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, mediatest.Link{})
		p, err := NewPool(Config{Address: "0.0.0.0", Advertise: "203.0.113.1", Ports: "20000-20019"}, w.net.Listen, silent())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		w.use(p, engineKernel)
		asked := 0
		p.offload.facing.ask = func(to netip.Addr) netip.Addr {
			asked++
			return map[netip.Addr]netip.Addr{
				netip.MustParseAddr(sipperIP): netip.MustParseAddr("10.1.0.254"),
				netip.MustParseAddr(phoneIP):  netip.MustParseAddr("10.2.0.254"),
			}[to]
		}
		w.caller, w.callee = w.phone(sipperIP, 4000, 440), w.phone(phoneIP, 5000, 1000)
		if w.relay, err = p.NewRelay("call_1", nil); err != nil {
			t.Fatal(err)
		}
		defer w.relay.Close()
		answer := func() {
			if _, err := w.relay.Offer(media.Caller, w.caller.body(""), media.Source{}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.relay.Answer(media.Callee, w.callee.body(""), media.Source{}); err != nil {
				t.Fatal(err)
			}
		}
		answer()
		// The network in memory knows addresses only, so the caller has to hit the bound one.
		w.caller.ours = netip.AddrPortFrom(netip.IPv4Unspecified(), w.relay.legs[0].pair.port)
		w.sing(w.caller, 1)
		in := netip.AddrPortFrom(netip.MustParseAddr("10.1.0.254"), w.caller.ours.Port())
		f := w.kernel.flow(in)
		if f == nil || f.Out.Addr().String() != "10.2.0.254" || f.To != w.callee.rtp.AddrPort() {
			t.Fatalf("flow %+v", f)
		}
		time.Sleep(5 * time.Second)
		if asked != 2 {
			t.Errorf("the system was asked %d times for two parties", asked)
		}
	})
}

// TestFacing: an address that is ours is where its sender's packets arrive; what
// the system cannot say is not known, and is asked again after a while.
func TestFacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		f := facing{ask: func(netip.Addr) netip.Addr { asked++; return netip.Addr{} }}
		home, away := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7")
		f.refresh()
		f.ours[home] = true
		if got := f.in(home, away); got != home || asked != 0 {
			t.Errorf("%v, asked %d times", got, asked)
		}
		for range 3 {
			if got := f.in(away, home); got.IsValid() || asked != 1 {
				t.Errorf("%v, asked %d times", got, asked)
			}
		}
		time.Sleep(facingFor)
		if f.out(home); asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
	if got := askSystem(netip.MustParseAddr("127.0.0.1")); got.String() != "127.0.0.1" {
		t.Errorf("from %v to 127.0.0.1", got)
	}
}
