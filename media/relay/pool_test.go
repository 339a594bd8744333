package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

func newPool(t *testing.T, n *mediatest.Network, ports string) *Pool {
	t.Helper()
	p, err := NewPool(Config{Address: relayIP, Ports: ports}, n.Listen, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPortsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		p := newPool(t, n, "20000-20009") // five pairs: two calls and a half
		var open []*Relay
		for range 2 {
			r, err := p.NewRelay("call_1", nil)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, r)
		}
		if r, err := p.NewRelay("call_3", nil); !errors.Is(err, ErrNoPorts) || r != nil {
			t.Errorf("third call: %v, %v", r, err)
		}
		if p.Free() != 1 || n.Bound() != 8 {
			t.Errorf("%d pairs free, %d bound: a call that failed keeps ports", p.Free(), n.Bound())
		}
		open[0].Close()
		if _, err := p.NewRelay("call_4", nil); !errors.Is(err, ErrNoPorts) {
			t.Errorf("ports in quarantine were given away: %v", err)
		}
		time.Sleep(quarantineLeast)
		synctest.Wait()
		if _, err := p.NewRelay("call_5", nil); err != nil {
			t.Errorf("after the quarantine: %v", err)
		}
		p.Close()
		p.Close()
		if n.Bound() != 0 {
			t.Errorf("%d conns open after Close", n.Bound())
		}
		if _, err := p.NewRelay("call_6", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A late stream is drained in quarantine, which lasts while it does, but not
// for ever; the next call does not hear it.
func TestQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		w := worldOn(t, n)
		w.pool = newPool(t, n, "20000-20003") // one call
		w.caller, w.callee = w.phone(sipperIP, 4000, 440), w.phone(phoneIP, 5000, 1000)
		call := func() {
			r, err := w.pool.NewRelay("call_1", nil)
			if err != nil {
				t.Fatal(err)
			}
			w.relay = r
			w.connect(media.Source{}, media.Source{})
		}
		call()
		w.sing(w.callee, 5)
		tap := newListener(t)
		w.relay.Tap(tap)
		w.relay.Close()
		w.sing(w.callee, 100) // two seconds late
		if s := w.pool.Stats(); s.Drops[media.DropQuarantine] != 100 || s.Quarantined != 1 || s.Free != 1 {
			t.Errorf("while it sends: %+v", s)
		}
		if w.caller.rtp.Waiting() != 5 || tap.count(media.Callee) != 0 {
			t.Errorf("the late stream was heard: %d, %d in the tap", w.caller.rtp.Waiting(), tap.count(media.Callee))
		}
		time.Sleep(quarantineLeast)
		synctest.Wait()
		if s := w.pool.Stats(); s.Quarantined != 0 || s.Free != 2 {
			t.Errorf("after it fell silent: %+v", s)
		}
		call()
		w.relay.Close()
		closed := time.Now()
		for w.pool.Free() < 2 && time.Since(closed) < time.Minute {
			w.sing(w.callee, 1)
			w.sing(w.caller, 1)
		}
		if d := time.Since(closed); d < quarantineMost || d > quarantineMost+time.Second {
			t.Errorf("a sender that never stops held the ports for %v", d)
		}
		w.pool.Close()
	})
}

func TestPortOfAnotherProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		taken := []uint16{20000, 20005, 20008} // even or odd
		var others []net.PacketConn
		for _, port := range taken {
			c, err := n.Listen(netip.AddrPortFrom(netip.MustParseAddr(relayIP), port))
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, c)
		}
		p := newPool(t, n, "20000-20009") // 20002 and 20006 are left
		r, err := p.NewRelay("call_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := r.legs[0].pair.port, r.legs[1].pair.port; a+b != 20002+20006 {
			t.Errorf("got ports %d and %d", a, b)
		}
		if _, err := p.NewRelay("call_2", nil); !errors.Is(err, ErrNoPorts) {
			t.Errorf("all others taken: %v", err)
		}
		if n.Bound() != 4+len(taken) {
			t.Errorf("%d conns bound", n.Bound())
		}
		for _, c := range others {
			c.Close()
		}
		if _, err := p.NewRelay("call_3", nil); err != nil {
			t.Errorf("after the other program has gone: %v", err)
		}
		p.Close()
	})
}

func TestListenFails(t *testing.T) {
	calls := 0
	p, err := NewPool(Config{}, func(at netip.AddrPort) (net.PacketConn, error) {
		calls++
		return nil, fmt.Errorf("listen %v: %w", at, syscall.EMFILE)
	}, silent())
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.NewRelay("call_1", nil)
	if r != nil || !errors.Is(err, syscall.EMFILE) || errors.Is(err, ErrNoPorts) || !strings.Contains(err.Error(), "relay of call_1: media port 2") {
		t.Errorf("%v, %v", r, err)
	}
	if calls != 1 || p.Free() != 5000 {
		t.Errorf("%d calls of listen, %d pairs free", calls, p.Free())
	}
}

func TestPortsComeInNoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, mediatest.NewNetwork(1, mediatest.Link{}), "20000-29999")
		rising, seen := 0, map[uint16]bool{}
		last := uint16(0)
		for range 50 {
			r, err := p.NewRelay("call_1", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range r.legs {
				if l.pair.port%2 != 0 || l.pair.port < 20000 || l.pair.port > 29998 || seen[l.pair.port] {
					t.Errorf("port %d", l.pair.port)
				}
				seen[l.pair.port] = true
				if l.pair.port > last {
					rising++
				}
				last = l.pair.port
			}
		}
		if rising < 25 || rising > 75 { // about 50; outside by chance less than once in a million
			t.Errorf("%d of 100 ports follow a lower one", rising)
		}
		p.Close()
	})
}

// Everything at the same time: traffic, negotiation, taps, statistics, the end.
func TestManyHands(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		var hands sync.WaitGroup
		hand := func(f func()) {
			hands.Go(func() {
				for range 50 {
					f()
					time.Sleep(time.Millisecond)
				}
			})
		}
		hand(func() { w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours) })
		hand(func() { w.callee.rtp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours) })
		hand(func() { w.callee.rtcp.WriteToUDPAddrPort(report(), w.callee.ours0(1)) })
		hand(func() { w.relay.Reoffer(media.Caller, w.caller.body("a=sendonly\r\n")) })
		hand(func() { w.relay.Reoffer(media.Callee, w.callee.body("")) })
		hand(func() { w.relay.Answer(media.Callee, w.callee.body(""), media.Source{}) })
		hand(func() { w.relay.Tap(newListener(t)) })
		hand(func() { w.pool.Stats() })
		hands.Go(func() {
			time.Sleep(40 * time.Millisecond)
			for range 3 {
				hands.Go(func() { w.relay.Close() })
			}
		})
		hands.Wait()
		s := w.relay.Close()
		if s.Caller.Packets == 0 || s.Caller.Packets > 50 || s.Callee.RTCP == 0 || s.Callee.Packets+s.Callee.Drops[media.DropDirection] == 0 {
			t.Errorf("%+v", s)
		}
	})
}
