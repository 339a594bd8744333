package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// pipeListener accepts connections in memory.
type pipeListener struct {
	addr   net.Addr
	in     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c pipeConn) LocalAddr() net.Addr  { return c.local }
func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func newPipeListener(addr string) *pipeListener {
	return &pipeListener{addr: tcpAddr(addr), in: make(chan net.Conn, 16), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return l.addr }

// connect opens a connection from addr and returns its far end.
func (l *pipeListener) connect(addr string) net.Conn {
	ours, theirs := net.Pipe()
	l.in <- pipeConn{ours, l.addr, tcpAddr(addr)}
	return pipeConn{theirs, tcpAddr(addr), l.addr}
}

// caller is one connection of the carrier's, with a reader that keeps the
// endpoint from waiting.
type caller struct {
	net.Conn
	got   chan message
	pings bool // are of interest
}

func (w *world) connect(addr string) *caller {
	c := &caller{Conn: w.tcp.connect(addr), got: make(chan message, 64)}
	go c.read()
	return c
}

func (c *caller) read() {
	defer close(c.got)
	buf := make([]byte, maxStream)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if string(buf[:n]) != "\r\n\r\n" || c.pings {
			c.got <- parseText(buf[:n])
		}
	}
}

// want waits for the next message; "" means that the connection is closed.
func (c *caller) want(w *world, start string) message {
	w.Helper()
	select {
	case m, ok := <-c.got:
		if !ok && start != "" || ok && (start == "" || !strings.HasPrefix(m.start, start)) {
			w.Fatalf("got %q, want %q", m.raw, start)
		}
		return m
	case <-time.After(5 * time.Minute):
		w.Fatalf("nothing came, want %q", start)
	}
	return message{}
}

func tcpRequest(method, callID, branch, toTag string, seq int, body string) []byte {
	if toTag != "" {
		toTag = ";tag=" + toTag
	}
	ct := ""
	if body != "" {
		ct = "Content-Type: application/sdp\n"
	}
	return text("%s sip:+4721000001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/TCP 10.1.0.1:5060;branch=z9hG4bK%s\nMax-Forwards: 70\nFrom: <sip:+4790000001@10.1.0.1>;tag=kari\nTo: <sip:+4721000001@10.0.0.1>%s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:gw@10.1.0.1:5060;transport=tcp>\n%s\n%s",
		method, branch, toTag, callID, seq, method, ct, body)
}

func TestCallOverTCP(t *testing.T) {
	bubble(t, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		c.Write(tcpRequest("INVITE", "t1", "1", "", 1, offer))
		c.want(w, "SIP/2.0 100")
		a := w.admitted()
		if a.Transport != "tcp" || a.Source.String() != "10.1.0.1:40000" {
			t.Errorf("%+v", a.Invite)
		}
		a.leg.Answer(ourSDP)
		ok := c.want(w, "SIP/2.0 200")
		if ok.get("Contact") != "<sip:10.0.0.1:5060;transport=tcp>" {
			t.Errorf("%s", ok.raw)
		}
		c.want(w, "SIP/2.0 200") // repeated over TCP too (RFC 3261 13.3.1.4)
		c.Write(tcpRequest("ACK", "t1", "2", ok.tag("To"), 1, ""))
		signal[call.Acked](w, a.signals)
		time.Sleep(10 * time.Minute) // a call that is up keeps a silent connection
		a.leg.Hangup(call.Cause{Status: 200})
		bye := c.want(w, "BYE sip:gw@10.1.0.1:5060;transport=tcp")
		if via := bye.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP 10.0.0.1:5060;") {
			t.Errorf("Via %s", via)
		}
		c.Write(text("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n\n", bye.get("Via"), bye.get("From"), bye.get("To"), bye.get("Call-ID"), bye.get("CSeq")))
		signal[call.Gone](w, a.signals)
		start := time.Now()
		c.want(w, "") // and then silence ends it
		if d := time.Since(start); d > 2*streamIdle {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestStreamFraming(t *testing.T) {
	options := func(id string) []byte { return tcpRequest("OPTIONS", id, id, "", 1, "") }
	bubble(t, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		c.Write([]byte("\r\n\r\n"))
		if pong := <-c.got; pong.raw != "\r\n" {
			t.Errorf("pong %q", pong.raw)
		}
	})
	bubble(t, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		for _, b := range options("slow") { // a byte at a time
			c.Write([]byte{b})
		}
		c.want(w, "SIP/2.0 200")
		c.Write(append(append([]byte("\r\n"), options("two")...), append(options("at"), options("once")...)...))
		for _, id := range []string{"two", "at", "once"} {
			if m := c.want(w, "SIP/2.0 200"); m.get("Call-ID") != id {
				t.Errorf("%s", m.raw)
			}
		}
	})
	for name, b := range map[string]string{
		"no Content-Length":     "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n",
		"two Content-Lengths":   "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\nl: 5\r\n\r\n",
		"bad Content-Length":    "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: -1\r\n\r\n",
		"\"large\" is a number": "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 99999999999\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c := w.connect("10.1.0.1:40000")
				go c.Write([]byte(b))
				c.want(w, "SIP/2.0 400")
				c.want(w, "")
			})
		})
	}
	for name, b := range map[string][]byte{
		"megabyte announced": []byte("OPTIONS sip:x SIP/2.0\r\nContent-Length: 1048576\r\n\r\n"),
		"endless header":     []byte("OPTIONS sip:x SIP/2.0\r\n" + strings.Repeat("X: 1\r\n", 8000)),
		"control character":  []byte("OPTIONS sip:x SIP/2.0\r\nX: \x00\r\nContent-Length: 0\r\n\r\n"),
		"not SIP":            []byte("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c := w.connect("10.1.0.1:40000")
				start := time.Now()
				go c.Write(b)
				c.want(w, "")
				if d := time.Since(start); d != 0 {
					t.Errorf("closed after %v", d)
				}
			})
		})
	}
}

// slow and lying connections.
func TestA06StreamDeadlinesAndCaps(t *testing.T) {
	bubble(t, func(w *world) {
		start := time.Now()
		slow, lying, idle := w.connect("10.1.0.1:1"), w.connect("10.1.0.1:2"), w.connect("10.1.0.1:3")
		slow.Write([]byte("OPTIONS sip:"))
		lying.Write([]byte("OPTIONS sip:x SIP/2.0\r\nContent-Length: 100\r\n\r\nv=0"))
		slow.want(w, "")
		lying.want(w, "")
		if d := time.Since(start); d != streamMessage {
			t.Errorf("slow ones closed after %v", d)
		}
		idle.want(w, "")
		if d := time.Since(start); d != streamIdle {
			t.Errorf("idle one closed after %v", d)
		}
	})
	bubble(t, func(w *world) {
		for i := range streamsEach {
			w.connect(fmt.Sprintf("10.1.0.1:%d", i+1))
		}
		w.connect("10.1.0.1:900").want(w, "")
		w.connect("10.9.9.9:1").want(w, "") // unknown: not even a word
		other := w.connect("10.1.0.2:1")
		other.Write(tcpRequest("OPTIONS", "o", "o", "", 1, ""))
		other.want(w, "SIP/2.0 200")
		if s := w.ep.Stats(); s.Streams != streamsEach+1 || s.Drops["connections"] != 1 || s.Drops["unknown-source"] != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Row 17: a refused or broken connection is known at once, not after Timer B.
func TestRow17BrokenConnectionTriesNext(t *testing.T) {
	far := make(chan net.Conn, 4)
	deps := Deps{
		Lookup: names(map[string][]string{"pbx.example.com": {"10.2.0.66", "10.2.0.67", "10.2.0.1"}}),
		Connect: func(_ context.Context, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
			if to.Addr() == netip.MustParseAddr("10.2.0.66") {
				return nil, errors.New("refused")
			}
			ours, theirs := net.Pipe()
			far <- theirs
			return pipeConn{ours, tcpAddr("10.0.0.1:33333"), net.TCPAddrFromAddrPort(to)}, nil
		},
	}
	inWorld(t, Config{}, deps, func(w *world) {
		start := time.Now()
		leg, signals := w.dial("sip:agent@pbx.example.com;transport=tcp")
		buf := make([]byte, maxStream)
		broken := <-far
		broken.Read(buf)
		broken.Close()
		c := &caller{Conn: <-far, got: make(chan message, 64)}
		go c.read()
		inv := c.want(w, "INVITE sip:agent@pbx.example.com;transport=tcp SIP/2.0")
		if d := time.Since(start); d != 0 {
			t.Errorf("after %v", d)
		}
		if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP 10.0.0.1:5060;") || inv.get("Contact") != "<sip:10.0.0.1:5060;transport=tcp>" {
			t.Errorf("%s", inv.raw)
		}
		c.Write(text("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s;tag=agent\nCall-ID: %s\nCSeq: %s\nContact: <sip:agent@10.2.0.1;transport=tcp>\n\n", inv.get("Via"), inv.get("From"), inv.get("To"), inv.get("Call-ID"), inv.get("CSeq")))
		c.want(w, "ACK")
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{})
		c.want(w, "BYE")
		c.Close() // the BYE's answer is lost with the connection
		signal[call.Gone](w, signals)
	})
}

// starved is a listener that has no descriptor for a while.
type starved struct {
	*pipeListener
	failures int
}

func (l *starved) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, syscall.EMFILE
	}
	return l.pipeListener.Accept()
}

// Running out of descriptors is no reason to end the calls that are up.
func TestAcceptOutlivesAShortageOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &starved{newPipeListener(usAddr), 500}
		ep, err := New(Config{}, Deps{Admit: func(call.Invite, call.Leg) (func(call.Signal), *call.Cause) { return nil, nil },
			Trunk: trunks, Log: slog.New(slog.DiscardHandler)}, nil, []net.Listener{l})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- ep.Run(t.Context()) }() // ends with Close
		time.Sleep(10 * time.Minute)
		c := l.connect("10.1.0.1:40000")
		go c.Write(tcpRequest("OPTIONS", "o", "o", "", 1, ""))
		buf := make([]byte, maxStream)
		n, err := c.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200") {
			t.Errorf("%q, %v", buf[:n], err)
		}
		if s := ep.Stats(); s.Drops["accept"] != 500 {
			t.Errorf("drops %v", s.Drops)
		}
		ep.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// A trunk that brings more than its limit over one connection is read more
// slowly: the connection carries its calls, and TCP says nothing twice.
func TestFastConnectionIsSlowedDown(t *testing.T) {
	policy := func(id string) (routing.Trunk, bool) {
		return routing.Trunk{ID: id, Limits: routing.TrunkLimits{Messages: 10}}, true
	}
	inWorld(t, Config{}, Deps{Policy: policy}, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		start := time.Now()
		go func() {
			for i := range 50 {
				c.Write(tcpRequest("OPTIONS", fmt.Sprint(i), fmt.Sprint(i), "", 1, ""))
			}
		}()
		for range 50 {
			c.want(w, "SIP/2.0 200")
		}
		if d := time.Since(start); d < 2900*time.Millisecond || d > 4*time.Second { // 20 at once, then ten a second
			t.Errorf("read in %v", d)
		}
		if s := w.ep.Stats(); s.Drops[trunkTooFast] != 0 || s.Streams != 1 {
			t.Errorf("%d streams, drops %v", s.Streams, s.Drops)
		}
	})
}
