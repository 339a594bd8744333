package relay

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// The conformance suite: what a call's media path promises, whatever engine
// carries it. It runs in memory on both engines, on this machine's own sockets
// and, in network namespaces, on the real kernel engine (conform_netns_test.go).
// Every test that uses inWorld runs on both engines in memory, too.

// behaviour is a row of the suite. Its world has a call between caller and callee
// that is not yet agreed on.
type behaviour struct {
	name string
	run  func(t *testing.T, w *rig)
}

// rig is a world that may be a real one.
type rig struct {
	*world
	place func(ip string) string // where an address of the network in memory lies
	six   bool                   // there is IPv6
	port  uint16                 // from which on it may use those of [::1], which all share
}

// at is a phone at an address of the plan.
func (w *rig) at(ip string, port uint16, hz float64) *phone {
	w.t.Helper()
	return w.phone(w.place(ip), port, hz)
}

// within is the network that an address lies in, as media_sources.
func (w *rig) within(prefix string) []netip.Prefix {
	ip, bits, _ := strings.Cut(prefix, "/")
	return []netip.Prefix{netip.MustParsePrefix(w.place(ip) + "/" + bits)}
}

// restart begins another call.
func (w *rig) restart() {
	w.t.Helper()
	var err error
	if w.relay, err = w.pool.NewRelay("call_2", nil); err != nil {
		w.t.Fatal(err)
	}
}

// offload waits until directions pass below us, when the engine can do that.
func (w *rig) offload(n int) {
	w.t.Helper()
	if w.pool.offload == nil {
		return
	}
	for range 500 {
		if w.pool.Stats().Below == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Errorf("%d directions pass below us, not %d", w.pool.Stats().Below, n)
}

func TestConformance(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			for _, engine := range engines {
				t.Run(engine, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := &rig{world: newWorld(t, mediatest.Link{}), six: true, place: func(ip string) string { return ip }}
						w.run(b, engine, w.net.Listen)
					})
				})
			}
		})
	}
}

// run has a behaviour in a pool of its own.
func (w *rig) run(b behaviour, engine string, listen func(netip.AddrPort) (net.PacketConn, error)) {
	cfg := Config{Address: w.place(relayIP), Ports: "20000-20019", Engine: enginePortable}
	if w.six {
		cfg.Address6 = w.place(relay6)
	}
	if listen == nil && engine == engineKernel {
		cfg.Engine = engineKernel
	}
	pool, err := NewPool(cfg, listen, silent())
	if err != nil {
		w.t.Fatal(err)
	}
	defer pool.Close()
	if listen != nil {
		w.use(pool, engine)
	}
	w.pool = pool
	w.caller, w.callee = w.at(sipperIP, 4000, 440), w.at(phoneIP, 5000, 1000)
	if w.relay, err = pool.NewRelay("call_1", func(n media.Notice) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notices = append(w.notices, n)
	}); err != nil {
		w.t.Fatal(err)
	}
	b.run(w.t, w)
	if n := pool.Stats().Panics; n != 0 {
		w.t.Errorf("%d panics", n)
	}
}

// TestConformanceSockets runs the suite on this machine's sockets, by the
// portable engine: on loopback, where every party has an address.
func TestConformanceSockets(t *testing.T) {
	if c, err := net.ListenPacket("udp4", loopback(sipperIP, 0, 0)+":0"); err != nil {
		t.Skipf("this system's loopback has one address only: %v", err)
	} else {
		c.Close()
	}
	six := false
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		six = true
		c.Close()
	}
	claim := claimLoopback(t)
	for i, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := &rig{
				world: realWorld(t, listenEar), six: six, port: 6000 + 400*uint16(claim) + 10*uint16(i),
				place: func(ip string) string { return loopback(ip, claim, i) },
			}
			w.run(b, enginePortable, nil)
		})
	}
}

// loopback is where an address of the plan lies on this machine, for a row of the
// suite and a claim: 10.1.0.9 at 127.<16 claim + 1>.<10 row>.9.
func loopback(ip string, claim, row int) string {
	if strings.Contains(ip, ":") {
		return "::1"
	}
	b := netip.MustParseAddr(ip).As4()
	return netip.AddrFrom4([4]byte{127, byte(16*claim) + b[1]%10, b[2] + byte(10*row), b[3]}).String()
}

// claimLoopback finds a part of this machine's addresses that no other run of the
// tests uses, until the test is over.
func claimLoopback(t *testing.T) int {
	t.Helper()
	for claim := 1; claim < 15; claim++ { // other tests use 127.0.0.0/12
		if c, err := net.ListenPacket("udp4", fmt.Sprintf("127.%d.255.254:4000", 16*claim)); err == nil {
			t.Cleanup(func() { c.Close() })
			return claim
		}
	}
	t.Skip("fourteen other runs of this test are under way")
	return 0
}

// realWorld is a world of sockets: time is real in it.
func realWorld(t *testing.T, listen func(netip.AddrPort) (*net.UDPConn, error)) *world {
	w := &world{t: t}
	var mu sync.Mutex
	var ears []*realEar
	w.bind = func(at netip.AddrPort) (ear, error) {
		c, err := listen(at)
		if err != nil {
			return nil, err
		}
		e := &realEar{UDPConn: c, at: at}
		t.Cleanup(func() { c.Close() })
		go e.run()
		mu.Lock()
		ears = append(ears, e)
		mu.Unlock()
		return e, nil
	}
	count := func() (said, heard uint64) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range ears {
			said += e.said.Load()
			heard += e.heard.Load()
		}
		return said, heard
	}
	w.settle = func() { // until each packet is accounted for, or nothing has come for a while
		for quiet, before := 0, uint64(0); quiet < 60; quiet++ {
			s := w.pool.Stats()
			passed, dropped := s.RTP+s.RTCP, uint64(0)
			for _, n := range s.Drops {
				dropped += n
			}
			said, heard := count()
			if said <= passed+dropped && heard == passed {
				return
			}
			if heard != before {
				quiet, before = 0, heard
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return w
}

func listenEar(at netip.AddrPort) (*net.UDPConn, error) {
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
}

// realEar keeps what a socket hears, and counts.
type realEar struct {
	*net.UDPConn
	at    netip.AddrPort
	said  atomic.Uint64
	heard atomic.Uint64

	mu  sync.Mutex
	got [][]byte
}

func (e *realEar) run() {
	e.SetReadBuffer(1 << 20)
	b := make([]byte, 9000)
	for {
		n, _, err := e.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		e.mu.Lock()
		e.got = append(e.got, append([]byte(nil), b[:n]...))
		e.mu.Unlock()
		e.heard.Add(1)
	}
}

// WriteToUDPAddrPort sends what settle waits for.
func (e *realEar) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	e.said.Add(1)
	return e.UDPConn.WriteToUDPAddrPort(b, to)
}

func (e *realEar) Drain() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.got
	e.got = nil
	return got
}

func (e *realEar) Waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.got)
}

func (e *realEar) AddrPort() netip.AddrPort { return e.at }

// shoot sends what may reach nobody: nothing waits for it.
func shoot(from ear, pkt []byte, to netip.AddrPort) {
	if e, real := from.(*realEar); real {
		e.UDPConn.WriteToUDPAddrPort(pkt, to)
		return
	}
	from.WriteToUDPAddrPort(pkt, to)
}

// await returns when a phone has heard so many packets, or never will.
func (p *phone) await(n int) int {
	for range 200 {
		if p.rtp.Waiting() >= n {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return p.rtp.Waiting()
}

// crafted is an RTP packet with a header of the test's making.
func crafted(pt uint8, seq uint16, ts, ssrc uint32, payload string) []byte {
	return fmt.Appendf([]byte{0x80, pt, byte(seq >> 8), byte(seq), byte(ts >> 24), byte(ts >> 16), byte(ts >> 8), byte(ts),
		byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc)}, "%s", payload)
}

// each sends packets 5 ms apart.
func (w *rig) each(p *phone, pkts ...[]byte) {
	for _, b := range pkts {
		p.rtp.WriteToUDPAddrPort(b, p.ours)
		time.Sleep(5 * time.Millisecond)
	}
	w.settle()
}
