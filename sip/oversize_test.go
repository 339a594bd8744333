package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringdown/call"
)

// large is a description that makes any request too large for UDP.
var large = append(append([]byte{}, ourSDP...), "a=x-"+strings.Repeat("n", 1000)+"\r\na=y-"+strings.Repeat("n", 300)+"\r\n"...)

// connects counts the connections we open; on says what becomes of each.
type connects struct {
	n  int
	on func(ctx context.Context) error
	at chan net.Conn // far ends
}

func (c *connects) open(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	c.n++
	if c.on != nil {
		if err := c.on(ctx); err != nil {
			return nil, err
		}
	}
	ours, theirs := net.Pipe()
	c.at <- theirs
	return pipeConn{ours, tcpAddr(netip.AddrPortFrom(from, 33333).String()), net.TCPAddrFromAddrPort(to)}, nil
}

// bubble makes the channel in the test's own time.
func (c *connects) bubble() { c.at = make(chan net.Conn, 4) }

func (w *world) dialLarge() (call.Leg, chan call.Signal) {
	w.Helper()
	signals := make(chan call.Signal, 64)
	d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: large}
	d.Target.URI = "sip:agent@" + calleeAddr
	leg, err := w.ep.Dial(w.Context(), d, into(signals))
	if err != nil {
		w.Fatal(err)
	}
	return leg, signals
}

// RFC 3261 18.1.1: what is too large for UDP goes by TCP, and what follows does not.
func TestLargeRequestGoesByTCPAndComesBack(t *testing.T) {
	tcp := &connects{}
	inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
		tcp.bubble()
		leg, signals := w.dialLarge()
		far := speak(<-tcp.at)
		inv := far.want(w, "INVITE sip:agent@10.2.0.1:5060 SIP/2.0")
		if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP 10.0.0.1:5060;") || inv.get("Contact") != "<sip:10.0.0.1:5060>" {
			t.Errorf("%s", inv.raw)
		}
		far.Write(text("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s;tag=agent\nCall-ID: %s\nCSeq: %s\nContact: <sip:agent@10.2.0.1:5060>\n\n", inv.get("Via"), inv.get("From"), inv.get("To"), inv.get("Call-ID"), inv.get("CSeq")))
		ack := w.callee.want("ACK") // by UDP
		if via := ack.get("Via"); !strings.HasPrefix(via, "SIP/2.0/UDP 10.0.0.1:5060;") {
			t.Errorf("%s", ack.raw)
		}
		signal[call.Answered](w, signals)

		leg.Offer(large) // inside the dialog too, over the connection that is open
		again := far.want(w, "INVITE sip:agent@10.2.0.1:5060 SIP/2.0")
		far.Write(text("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\nContact: <sip:agent@10.2.0.1:5060>\nContent-Type: application/sdp\n\n%s", again.get("Via"), again.get("From"), again.get("To"), again.get("Call-ID"), again.get("CSeq"), ourSDP))
		w.callee.want("ACK")
		signal[call.Accepted](w, signals)
		leg.Hangup(call.Cause{Status: 200})
		w.callee.reply(w.callee.want("BYE"), 200, "", "")
		signal[call.Gone](w, signals)
		if tcp.n != 1 {
			t.Errorf("%d connections", tcp.n)
		}
	})
}

// Its CANCEL goes the same way.
func TestLargeRequestIsCancelledByTCP(t *testing.T) {
	tcp := &connects{}
	inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
		tcp.bubble()
		leg, signals := w.dialLarge()
		far := speak(<-tcp.at)
		inv := far.want(w, "INVITE")
		far.answer(inv, 180)
		signal[call.Ringing](w, signals)
		time.Sleep(10 * time.Minute) // rings on, in silence, and the connection stays
		leg.Hangup(call.Cause{})
		cancel := far.want(w, "CANCEL")
		if cancel.branch() != inv.branch() || !strings.HasPrefix(cancel.get("Via"), "SIP/2.0/TCP ") {
			t.Errorf("%s", cancel.raw)
		}
		far.answer(cancel, 200)
		far.answer(inv, 487)
		far.want(w, "ACK")
		signal[call.Failed](w, signals)
		signal[call.Gone](w, signals)
		w.callee.quiet(time.Second)
	})
}

// A peer without TCP is called by UDP, at once or after two seconds, and the
// next calls do not wait for it again.
func TestLargeRequestFallsBackToUDP(t *testing.T) {
	for _, c := range []struct {
		name  string
		on    func(context.Context) error
		far   func(net.Conn)
		after time.Duration
	}{
		{"refused", func(context.Context) error { return errors.New("refused") }, nil, 0},
		{"swallowed", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil, tcpInstead},
		{"closed at once", nil, func(far net.Conn) { far.Close() }, 0},
		{"closed after reading", nil, func(far net.Conn) { far.Read(make([]byte, maxStream)); far.Close() }, 0},
		{"heard and not answered", nil, func(far net.Conn) { speak(far) }, no100},
	} {
		t.Run(c.name, func(t *testing.T) {
			tcp := &connects{on: c.on}
			inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
				tcp.bubble()
				try := func(after time.Duration, first bool) {
					t.Helper()
					start := time.Now()
					_, signals := w.dialLarge()
					if c.far != nil && first {
						c.far(<-tcp.at)
					}
					inv := w.callee.want("INVITE")
					if d := time.Since(start); d != after || !strings.HasPrefix(inv.get("Via"), "SIP/2.0/UDP ") {
						t.Errorf("after %v, want %v: %s", d, after, inv.raw)
					}
					w.callee.reply(inv, 486, "busy", "")
					w.callee.want("ACK")
					if f := signal[call.Failed](w, signals); f.Cause.Status != 486 {
						t.Errorf("%+v", f)
					}
					signal[call.Gone](w, signals)
				}
				try(c.after, true)
				for range 3 {
					try(0, false)
				}
				if tcp.n != 1 {
					t.Errorf("%d connections", tcp.n)
				}
				time.Sleep(udpAnyway)
				tcp.on = nil // now it takes TCP
				w.dialLarge()
				inv := speak(<-tcp.at).want(w, "INVITE")
				if tcp.n != 2 {
					t.Errorf("%d connections, %s", tcp.n, inv.start)
				}
			})
		})
	}
}

func TestPlacesWithoutTCPAreBounded(t *testing.T) {
	var u udpOnly
	first := netip.MustParseAddrPort("10.0.0.1:1")
	for i := range 3 * maxUDPOnly {
		u.note(netip.AddrPortFrom(first.Addr(), uint16(i+1)))
	}
	if len(u.until) != maxUDPOnly || !u.is(netip.AddrPortFrom(first.Addr(), 3*maxUDPOnly)) {
		t.Errorf("%d places", len(u.until))
	}
}
