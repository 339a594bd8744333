package relay

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lines opens a port of this machine in each way that an engine has here.
var lines = map[string]func(e *engine, host string, to receiver) (*socket, error){
	"reader": func(e *engine, host string, to receiver) (*socket, error) {
		c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		return e.read(c, to), nil
	},
	"adopted": func(e *engine, host string, to receiver) (*socket, error) {
		c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		return e.open(c, to, 0), nil
	},
	"own": func(e *engine, host string, to receiver) (*socket, error) {
		return e.listen(netip.AddrPortFrom(netip.MustParseAddr(host), 0), false, to, 0)
	},
}

// onLines runs a test on every kind of line, over each IP version there is.
func onLines(t *testing.T, test func(t *testing.T, e *engine, open func(receiver) *socket)) {
	for name, line := range lines {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" "+host, func(t *testing.T) {
				e := &engine{log: slog.New(slog.DiscardHandler)}
				defer e.close()
				var open []*socket
				defer func() {
					for _, s := range open {
						s.close()
					}
				}()
				test(t, e, func(to receiver) *socket {
					s, err := line(e, host, to)
					if err != nil {
						t.Skipf("no %s here: %v", host, err)
					}
					open = append(open, s)
					return s
				})
			})
		}
	}
}

// phoneTo sends to a socket and hears what it sends.
func phoneTo(t *testing.T, s *socket) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.line.local()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func say(t *testing.T, c *net.UDPConn, words ...string) {
	t.Helper()
	for _, w := range words {
		if _, err := c.Write([]byte(w)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantHeard(t *testing.T, c *net.UDPConn, words ...string) {
	t.Helper()
	b := make([]byte, 9000)
	for _, w := range words {
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != w {
			t.Fatalf("heard %.20q, want %.20q: %v", b[:n], w, err)
		}
	}
}

// echo sends each packet back to where it came from, by the socket it came to,
// and panics at one that says so.
type echo struct {
	by     atomic.Pointer[socket]
	handed atomic.Int32
	told   atomic.Int32 // by sent, without an error
	failed atomic.Int32
	gate   chan struct{} // not nil: waits for it in handle
}

func (e *echo) handle(d datagram) (outgoing, bool) {
	e.handed.Add(1)
	if e.gate != nil {
		e.gate <- struct{}{}
		<-e.gate
	}
	if string(d.bytes) == "panic" {
		panic("an echo")
	}
	return outgoing{d.bytes, e.by.Load(), d.src}, true
}

func (e *echo) sent(_ int, err error) {
	if err != nil {
		e.failed.Add(1)
		return
	}
	e.told.Add(1)
}

func TestLine(t *testing.T) {
	long := strings.Repeat("x", maxDatagram)
	onLines(t, func(t *testing.T, _ *engine, open func(receiver) *socket) {
		in := &echo{}
		s := open(in)
		in.by.Store(s)
		c := phoneTo(t, s)
		say(t, c, "one", "", "three", long)
		wantHeard(t, c, "one", "", "three", long)
		if err := s.send([]byte("ours"), c.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Fatal(err)
		}
		wantHeard(t, c, "ours")
	})
}

// What is longer than may be forwarded comes one byte longer than that.
func TestLineCutsWhatIsTooLong(t *testing.T) {
	onLines(t, func(t *testing.T, _ *engine, open func(receiver) *socket) {
		got := make(collector, 1)
		c := phoneTo(t, open(got))
		say(t, c, strings.Repeat("x", 8000))
		if b := <-got; len(b) != maxDatagram+1 {
			t.Errorf("%d bytes", len(b))
		}
	})
}

func TestLinePanicCostsOnePacket(t *testing.T) {
	onLines(t, func(t *testing.T, e *engine, open func(receiver) *socket) {
		var log bytes.Buffer
		e.log = slog.New(slog.NewTextHandler(&log, nil))
		in := &echo{}
		s := open(in)
		in.by.Store(s)
		s.bind("call_7", in)
		c := phoneTo(t, s)
		say(t, c, "one", "panic", "three", "panic", "five")
		wantHeard(t, c, "one", "three", "five")
		s.close()
		if n := strings.Count(log.String(), "an echo"); n != 1 || !strings.Contains(log.String(), "call=call_7") || e.panics.Load() != 2 {
			t.Errorf("%d panics counted, logged %d times:\n%s", e.panics.Load(), n, log.String())
		}
	})
}

// bind and close wait for the packet in hand, until it is sent.
func TestLineWaitsForThePacketInHand(t *testing.T) {
	for name, end := range map[string]func(s *socket){
		"bind":  func(s *socket) { s.bind("call_2", make(collector, 9)) },
		"close": func(s *socket) { s.close() },
	} {
		t.Run(name, func(t *testing.T) {
			onLines(t, func(t *testing.T, e *engine, open func(receiver) *socket) {
				in := &echo{gate: make(chan struct{})}
				s := open(in)
				in.by.Store(s)
				c := phoneTo(t, s)
				say(t, c, "one")
				<-in.gate // it is in hand
				ended := make(chan bool)
				go func() {
					end(s)
					ended <- in.told.Load()+in.failed.Load() == in.handed.Load()
				}()
				in.gate <- struct{}{}
				if !<-ended {
					t.Error("the packet was in hand still")
				}
			})
		})
	}
}

// A packet whose way out was closed meanwhile is lost and told, and does not leave
// by whatever has the descriptor's number now.
func TestLineDoesNotSendByAClosedSocket(t *testing.T) {
	onLines(t, func(t *testing.T, _ *engine, open func(receiver) *socket) {
		in, out := &echo{gate: make(chan struct{})}, &echo{}
		s := open(in)
		way := open(out)
		in.by.Store(way)
		c := phoneTo(t, s)
		say(t, c, "one")
		<-in.gate
		way.close()
		next := open(&echo{}) // very likely by the same number
		in.gate <- struct{}{}
		s.bind("", make(collector, 9))
		if in.failed.Load() != 1 || in.told.Load() != 0 {
			t.Errorf("%d sent, %d failed", in.told.Load(), in.failed.Load())
		}
		if err := way.send([]byte("two"), c.LocalAddr().(*net.UDPAddr).AddrPort()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if err := next.send([]byte("three"), c.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Error(err)
		}
		way.close() // again
	})
}

// What the system refuses is an error of send: here a packet longer than UDP has.
func TestLineTellsWhatIsNotSent(t *testing.T) {
	onLines(t, func(t *testing.T, _ *engine, open func(receiver) *socket) {
		in := &echo{}
		s := open(in)
		in.by.Store(s)
		to := phoneTo(t, s)
		if err := s.send(make([]byte, 70000), to.LocalAddr().(*net.UDPAddr).AddrPort()); err == nil {
			t.Error("70,000 bytes were sent")
		}
		say(t, to, "one")
		wantHeard(t, to, "one")
	})
}
