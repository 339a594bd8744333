package relay

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// All sockets of a loop are served, more than a round has steps for; what is
// closed while others speak is heard no more.
func TestLoopServesMany(t *testing.T) {
	e := &engine{log: slog.New(slog.DiscardHandler)}
	defer e.close()
	const count = 3 * roundMost
	phones, sockets := make([]*net.UDPConn, count), make([]*socket, count)
	for i := range phones {
		in := &echo{}
		s, err := e.listen(netip.MustParseAddrPort("127.0.0.1:0"), false, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		in.by.Store(s)
		phones[i], sockets[i] = phoneTo(t, s), s
	}
	for range 3 {
		for i, c := range phones {
			say(t, c, fmt.Sprint("from ", i))
		}
		for i, c := range phones {
			wantHeard(t, c, fmt.Sprint("from ", i))
		}
	}
	for i, s := range sockets {
		if i%2 == 0 {
			s.close()
		} else {
			say(t, phones[i], "more")
		}
	}
	for i := 1; i < count; i += 2 {
		wantHeard(t, phones[i], "more")
		sockets[i].close()
	}
	l, _ := e.loops.get(0)
	if len(l.free) != count {
		t.Errorf("%d of %d slots are free", len(l.free), count)
	}
}

// One socket with much to be read does not keep the others waiting: a round takes
// one packet of each.
func TestLoopIsFair(t *testing.T) {
	e := &engine{log: slog.New(slog.DiscardHandler)}
	defer e.close()
	order := make(collector, 200)
	busy, err := e.listen(netip.MustParseAddrPort("127.0.0.1:0"), false, order, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.close()
	quiet, err := e.listen(netip.MustParseAddrPort("127.0.0.1:0"), false, order, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.close()
	gate := &echo{gate: make(chan struct{})}
	stop, err := e.listen(netip.MustParseAddrPort("127.0.0.1:0"), false, gate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer stop.close()
	gate.by.Store(stop)
	say(t, phoneTo(t, stop), "wait")
	<-gate.gate // the loop stands still while they speak
	flood := phoneTo(t, busy)
	for range 50 {
		say(t, flood, "flood")
	}
	say(t, phoneTo(t, quiet), "quiet")
	gate.gate <- struct{}{}
	at := 0
	for ; string(<-order) != "quiet"; at++ {
	}
	if at > 2 {
		t.Errorf("the quiet one came after %d of the flood", at)
	}
}

// A descriptor that gives only errors is given up, once, and can be closed.
func TestLoopGivesUp(t *testing.T) {
	var log bytes.Buffer
	e := &engine{log: slog.New(slog.NewTextHandler(&log, nil))}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[1])
	unix.Write(pipe[1], []byte("readable, but no socket"))
	s, err := e.watch(pipe[0], false, make(collector), 0)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := e.loops.get(0)
	for given := false; !given; {
		runtime.Gosched()
		l.mu.Lock()
		given = l.slots[0] == nil
		l.mu.Unlock()
	}
	s.close()
	e.close()
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

func TestCallsFillOneLoopAfterAnother(t *testing.T) {
	e := &engine{}
	cores := runtime.GOMAXPROCS(0)
	for want := range cores {
		for range loopCalls {
			if got := e.enter(); got != want {
				t.Fatalf("loop %d, want %d", got, want)
			}
		}
	}
	for range cores { // all have what one takes: evenly from here on
		e.enter()
	}
	for i, n := range e.loops.calls {
		if n != loopCalls+1 {
			t.Errorf("%d calls in loop %d", n, i)
		}
	}
	for range 2 {
		e.leave(cores - 1)
	}
	if got := e.enter(); got != cores-1 {
		t.Errorf("loop %d, want the one with room", got)
	}
}

// Calls that are worked on are not put where other cores cannot help.
func TestWorkedCallsSpread(t *testing.T) {
	e := &engine{}
	for range 30 {
		e.enter()
	}
	e.loops.calls = append(e.loops.calls, 0, 0) // as with two cores more
	e.worked.Add(1)
	for range 60 {
		e.enter()
	}
	cores := len(e.loops.calls) - 2
	if a, b := e.loops.calls[cores], e.loops.calls[cores+1]; a < 60/(cores+2) || b < 60/(cores+2) {
		t.Errorf("90 calls stand as %v", e.loops.calls)
	}
	e.worked.Add(-1)
	if got := e.enter(); got != 0 {
		t.Errorf("a plain call among plain ones went to loop %d", got)
	}
}

func TestClosedEngineOpensNothing(t *testing.T) {
	e := &engine{}
	e.close()
	if _, err := e.listen(netip.MustParseAddrPort("127.0.0.1:0"), false, make(collector), 0); err == nil {
		t.Error("a port was opened")
	}
	e.close()
}

// call is a relay of this machine's sockets between two phones.
type call struct {
	relay  *Relay
	phones [2]*net.UDPConn
	to     [2]netip.AddrPort // where each of them sends
}

func realCall(tb testing.TB) *call {
	tb.Helper()
	p, err := NewPool(Config{Address: "127.0.0.1", Ports: "42200-42299", Engine: enginePortable}, nil, silent())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	c := &call{}
	var body [2][]byte
	for i := range c.phones {
		if c.phones[i], err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.phones[i].Close() })
		c.phones[i].SetReadDeadline(time.Now().Add(time.Minute))
		body[i] = fmt.Appendf(nil, "c=IN IP4 127.0.0.1\nm=audio %d RTP/AVP 0\n", c.phones[i].LocalAddr().(*net.UDPAddr).Port)
	}
	if c.relay, err = p.NewRelay("call_1", nil); err != nil {
		tb.Fatal(err)
	}
	if _, err = c.relay.Offer(media.Caller, body[0], media.Source{}); err == nil {
		_, err = c.relay.Answer(media.Callee, body[1], media.Source{})
	}
	if err != nil {
		tb.Fatal(err)
	}
	c.relay.mu.Lock()
	c.relay.interval = 1 // as fast as it goes
	c.relay.mu.Unlock()
	for i := range c.to {
		c.to[i] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.relay.legs[i].pair.port)
	}
	return c
}

// cross takes one packet from the caller to the callee.
func (c *call) cross(tb testing.TB, pkt, room []byte) {
	if _, err := c.phones[0].WriteToUDPAddrPort(pkt, c.to[0]); err != nil {
		tb.Fatal(err)
	}
	if n, _, err := c.phones[1].ReadFromUDPAddrPort(room); err != nil || n != len(pkt) {
		tb.Fatalf("%d bytes: %v", n, err)
	}
}

func TestLoopDoesNotAllocate(t *testing.T) {
	c := realCall(t)
	c.relay.Tap(&deaf{})
	tone := mediatest.Tone{Hz: 440}
	pkt, room := tone.Next(), make([]byte, 1500)
	if n := testing.AllocsPerRun(200, func() { c.cross(t, pkt, room) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// BenchmarkLoop is a packet's whole way: into a real socket, through a call, and
// out of another.
func BenchmarkLoop(b *testing.B) {
	c := realCall(b)
	tone := mediatest.Tone{Hz: 440}
	pkt, room := tone.Next(), make([]byte, 1500)
	b.ReportAllocs()
	for b.Loop() {
		c.cross(b, pkt, room)
	}
}
