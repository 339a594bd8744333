package relay

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

const sipperIP, phoneIP, relayIP, thiefIP = "10.1.0.1", "10.2.0.1", "10.0.0.1", "10.66.6.6"

// world is a pool and two phones on a network in memory, inside a bubble; or, for
// the conformance suite, on the sockets of a system.
type world struct {
	t              *testing.T
	net            *mediatest.Network
	pool           *Pool
	relay          *Relay
	caller, callee *phone
	kernel         *fakeKernel                       // nil: portable
	bind           func(netip.AddrPort) (ear, error) // of phones
	settle         func()                            // returns when what was sent has arrived
	notices        []media.Notice
	strays         map[netip.AddrPort]ear // others who send
	mu             sync.Mutex
}

// phone has a pair of ports and a note to sing.
type phone struct {
	rtp, rtcp ear
	tone      mediatest.Tone
	ours      netip.AddrPort // where the relay told it to send
}

// ear is a socket of a phone, which keeps what arrives.
type ear interface {
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Drain() [][]byte
	Waiting() int
	AddrPort() netip.AddrPort
	Close() error
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// inWorld runs f in a bubble, once with sockets alone and once with a kernel below
// them; when it returns everything must be closed, or the bubble fails the test
// for the goroutines left.
func inWorld(t *testing.T, link mediatest.Link, f func(w *world)) {
	t.Helper()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { inEngine(t, engine, link, f) })
	}
}

func inEngine(t *testing.T, engine string, link mediatest.Link, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, link)
		pool, err := NewPool(Config{Address: relayIP, Ports: "20000-20019"}, w.net.Listen, silent())
		if err != nil {
			t.Fatal(err)
		}
		w.use(pool, engine)
		w.caller = w.phone(sipperIP, 4000, 440)
		w.callee = w.phone(phoneIP, 5000, 1000)
		w.relay, err = pool.NewRelay("call_1", func(n media.Notice) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notices = append(w.notices, n)
		})
		if err != nil {
			t.Fatal(err)
		}
		f(w)
		pool.Close()
		synctest.Wait()
		if n := w.pool.Stats(); n.Relays != 0 || n.Quarantined != 0 || n.Free != 10 || n.Panics != 0 {
			t.Errorf("after Close: %+v", n)
		}
	})
}

// engines are the ways a pool may work; every test of a call holds on each.
var engines = [...]string{"portable", "kernel"}

func newWorld(t *testing.T, link mediatest.Link) *world {
	return worldOn(t, mediatest.NewNetwork(1, link))
}

func worldOn(t *testing.T, n *mediatest.Network) *world {
	w := &world{t: t, net: n, settle: synctest.Wait}
	w.bind = func(at netip.AddrPort) (ear, error) { return w.net.Dial(at) }
	return w
}

func (w *world) use(p *Pool, engine string) {
	w.pool = p
	if engine == "kernel" {
		w.kernel = newFakeKernel(w.net)
		o := newOffloader(silent())
		p.below(o, w.kernel)
		w.kernel.copyTo(o.deliver)
	}
}

// counted is what the relay has counted up to now, on either engine.
func (w *world) counted() media.Stats {
	w.pool.Stats()
	return w.relay.stats()
}

func (w *world) phone(ip string, port uint16, hz float64) *phone {
	p := &phone{
		rtp:  w.conn(ip, port),
		rtcp: w.conn(ip, port+1),
		tone: mediatest.Tone{Hz: hz, SSRC: uint32(port)},
	}
	return p
}

func (w *world) conn(ip string, port uint16) ear {
	w.t.Helper()
	c, err := w.bind(netip.AddrPortFrom(netip.MustParseAddr(ip), port))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// body is a description of a phone.
func (p *phone) body(rest string) []byte {
	at := p.rtp.AddrPort()
	return fmt.Appendf(nil, "v=0\r\no=x 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0 8\r\n%[3]s", at.Addr(), at.Port(), rest)
}

// connect makes the call with plain offers and these rules.
func (w *world) connect(caller, callee media.Source) {
	w.t.Helper()
	w.offer(caller)
	w.answer(w.callee, callee)
}

func (w *world) offer(src media.Source) {
	w.t.Helper()
	offer, err := w.relay.Offer(media.Caller, w.caller.body(""), src)
	if err != nil {
		w.t.Fatal(err)
	}
	w.callee.ours = led(w.t, offer)
}

func (w *world) answer(p *phone, src media.Source) {
	w.t.Helper()
	answer, err := w.relay.Answer(media.Callee, p.body(""), src)
	if err != nil {
		w.t.Fatal(err)
	}
	w.caller.ours = led(w.t, answer)
}

// sing sends n packets, one each 20 ms, from p to where it was told, and returns them.
func (w *world) sing(p *phone, n int) (sent [][]byte) {
	for range n {
		pkt := p.tone.Next()
		p.rtp.WriteToUDPAddrPort(pkt, p.ours)
		sent = append(sent, pkt)
		time.Sleep(mediatest.Frame) // the bubble's clock
	}
	w.settle()
	return sent
}

// listener is a tap that keeps everything and checks what a tap may rely on.
type listener struct {
	t       *testing.T
	mu      sync.Mutex
	formats map[media.Side][]media.Format
	packets map[media.Side][]media.Packet
	changes int
}

func newListener(t *testing.T) *listener {
	return &listener{t: t, formats: map[media.Side][]media.Format{}, packets: map[media.Side][]media.Packet{}}
}

func (l *listener) Formats(side media.Side, formats []media.Format) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	l.formats[side] = slices.Clone(formats)
}

func (l *listener) Packet(p media.Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.formats[p.Side] == nil {
		l.t.Errorf("a packet of the %s before its formats", p.Side)
	}
	p.Payload = slices.Clone(p.Payload)
	l.packets[p.Side] = append(l.packets[p.Side], p)
}

// sound decodes what the tap has of a side.
func (l *listener) sound(side media.Side) (s []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.packets[side] {
		s = append(s, mediatest.Decode(p.PT, p.Payload)...)
	}
	return s
}

func (l *listener) count(side media.Side) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.packets[side])
}

func wantDrops(t *testing.T, f media.Flow, want map[media.Drop]uint64) {
	t.Helper()
	for d, n := range f.Drops {
		if n != want[media.Drop(d)] {
			t.Errorf("%d dropped for %v, want %d", n, media.Drop(d), want[media.Drop(d)])
		}
	}
}
