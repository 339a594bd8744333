package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/locate"
	"ringdown/sip/locate/dnstest"
)

// dialPlaces starts an attempt towards a number that a trunk has several places for.
func (w *world) dialPlaces(places ...routing.Place) (call.Leg, chan call.Signal) {
	w.Helper()
	signals := make(chan call.Signal, 64)
	d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
	d.Target = routing.Target{URI: places[0].URI, Places: places, Trunk: "second"}
	leg, err := w.ep.Dial(context.Background(), d, func(s call.Signal) { signals <- s })
	if err != nil {
		w.Fatal(err)
	}
	return leg, signals
}

func at(host string, priority, weight int) routing.Place {
	return routing.Place{URI: "sip:+4722000000@" + host, Priority: priority, Weight: weight}
}

// What one place leaves unanswered, or answers with 503, the next one gets; what
// another says is the destination's word.
func TestNextPlace(t *testing.T) {
	for _, c := range []struct {
		status int
		after  time.Duration
		next   bool
	}{
		{0, no100, true}, {503, 0, true}, {486, 0, false}, {404, 0, false}, {500, 0, false}, {480, 0, false}, {302, 0, false}, {603, 0, false}, {408, 0, false},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			bubble(t, func(w *world) {
				first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5070")
				start := time.Now()
				_, signals := w.dialPlaces(at("10.3.0.1", 10, 1), at("10.3.0.2:5070", 20, 9))
				inv := first.want("INVITE sip:+4722000000@10.3.0.1 SIP/2.0")
				if c.status > 0 {
					first.reply(inv, c.status, "gw", "")
					first.want("ACK")
				}
				if !c.next {
					if f := signal[call.Failed](w, signals); f.Cause.Status != c.status {
						t.Errorf("%+v", f)
					}
					second.quiet(time.Minute)
					return
				}
				again := second.want("INVITE sip:+4722000000@10.3.0.2:5070 SIP/2.0")
				if d := time.Since(start); d != c.after {
					t.Errorf("after %v", d)
				}
				if again.get("To") != "<sip:+4722000000@10.3.0.2>" {
					t.Errorf("%s", again.raw)
				}
				second.reply(again, 200, "agent", offer)
				second.want("ACK")
				signal[call.Answered](w, signals)
				if n := w.ep.Stats().Failovers; len(n) != 1 || n["silent"]+n["503"] != 1 {
					t.Errorf("counted %v", n)
				}
			})
		})
	}
}

// A 503 that wraps the destination's own word goes no further.
func TestWrappedRefusal(t *testing.T) {
	for reason, moves := range map[string]bool{"Q.850;cause=17": false, "Q.850;cause=1": false, "Q.850;cause=41": true, "Q.850;cause=34": true, "SIP;cause=486": true} {
		bubble(t, func(w *world) {
			first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
			_, signals := w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0))
			first.reply(first.want("INVITE"), 503, "gw", "", "Reason: "+reason, "Retry-After: 60")
			first.want("ACK")
			if moves {
				second.want("INVITE")
				return
			}
			signal[call.Failed](w, signals)
			second.quiet(time.Second)
		})
	}
}

// The last 503 is what the call hears when there is nobody else.
func TestAllPlacesBusy(t *testing.T) {
	bubble(t, func(w *world) {
		first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
		_, signals := w.dialPlaces(at("10.3.0.1", 0, 0), at("10.3.0.2", 0, 0))
		for _, p := range []*peer{first, second} {
			p.reply(p.want("INVITE"), 503, "gw", "", "Retry-After: 60")
			p.want("ACK")
		}
		if f := signal[call.Failed](w, signals); f.Cause.Status != 503 || !f.Cause.Remote {
			t.Errorf("%+v", f)
		}
		signal[call.Gone](w, signals)
	})
}

// Calls are shared by weight, one choice for each call.
func TestPlacesShareCalls(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	inWorld(t, Config{}, Deps{Random: random.IntN}, func(w *world) {
		heavy, light, spare := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060"), w.peer("10.3.0.3:5060")
		for range 200 {
			w.dialPlaces(at("10.3.0.1", 1, 3), at("10.3.0.2", 1, 1), at("10.3.0.3", 2, 100))
		}
		time.Sleep(time.Millisecond)
		if h, l := len(heavy.conn.in), len(light.conn.in); h < 130 || h > 170 || h+l != 200 {
			t.Errorf("%d and %d calls of 200, want about 150 and 50", h, l)
		}
		spare.quiet(0)
	})
}

// An address that did not answer is left for half a minute, but not when there
// is no other.
func TestSilentPlaceIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		dead, well := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
		call1, _ := w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0))
		dead.want("INVITE")
		answer := func() {
			w.Helper()
			well.reply(well.want("INVITE"), 486, "agent", "")
			well.want("ACK")
		}
		answer()
		call1.Hangup(call.Cause{})
		start := time.Now()
		w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0))
		answer()
		if d := time.Since(start); d != 0 {
			t.Errorf("the second call waited %v", d)
		}
		_, signals := w.dialPlaces(at("10.3.0.1", 1, 0)) // there is no other
		drain(dead)
		dead.wantAfter("INVITE")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 408 {
			t.Errorf("%+v", f)
		}
		time.Sleep(leaveFor + time.Second)
		drain(dead)
		w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0))
		inv := dead.want("INVITE") // first again
		dead.reply(inv, 486, "back", "")
		dead.want("ACK")
		well.quiet(time.Second)
		if !strings.Contains(w.log.String(), "sip target left") || strings.Contains(w.log.String(), "4722000000") {
			t.Errorf("log:\n%s", w.log)
		}
	})
}

func drain(p *peer) {
	for len(p.conn.in) > 0 {
		<-p.conn.in
	}
}

// A 503 with Retry-After holds calls off for that long.
func TestRetryAfterHoldsOff(t *testing.T) {
	for header, hold := range map[string]time.Duration{"17": 17 * time.Second, "18 (in a minute);duration=10": 18 * time.Second,
		"99999999": busyMost, "0": 0, "soon": 0, "": 0, "-5": 0} {
		t.Run(header, func(t *testing.T) {
			bubble(t, func(w *world) {
				first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
				refuse := func(p *peer, status int) {
					w.Helper()
					p.reply(p.want("INVITE"), status, "gw", "", "Retry-After: "+header)
					p.want("ACK")
				}
				both := func() { w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0)) }
				both()
				refuse(first, 503)
				refuse(second, 486)
				if hold > 0 {
					time.Sleep(hold - time.Second)
					both()
					refuse(second, 486)
					time.Sleep(time.Second)
				}
				both()
				refuse(first, 486)
			})
		})
	}
}

// The whole way from a name: NAPTR, SRV, the dead server first, the next by TCP.
func TestPlacesByDNS(t *testing.T) {
	z, err := dnstest.New(
		"pbx.test. 60 IN NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.pbx.test.",
		"pbx.test. 60 IN NAPTR 10 20 \"s\" \"SIP+D2T\" \"\" _sip._tcp.pbx.test.",
		"_sip._udp.pbx.test. 60 IN SRV 1 1 5070 a.pbx.test.", "a.pbx.test. 60 IN A 10.3.0.1",
		"_sip._tcp.pbx.test. 60 IN SRV 1 1 5080 b.pbx.test.", "b.pbx.test. 60 IN A 10.3.0.2",
	)
	if err != nil {
		t.Fatal(err)
	}
	var far chan net.Conn // made inside the bubble
	deps := Deps{Connect: func(_ context.Context, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
		if to != netip.MustParseAddrPort("10.3.0.2:5080") {
			return nil, errors.New("refused")
		}
		ours, theirs := net.Pipe()
		far <- theirs
		return pipeConn{ours, tcpAddr("10.0.0.1:33333"), net.TCPAddrFromAddrPort(to)}, nil
	}}
	inWorldWith(t, deps, func(d *Deps) {
		far = make(chan net.Conn, 1)
		d.Locate = locate.New(locate.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53")}, Dial: z.Dial})
	}, func(w *world) {
		dead := w.peer("10.3.0.1:5070")
		start := time.Now()
		w.dialPlaces(at("pbx.test", 1, 0))
		dead.want("INVITE sip:+4722000000@pbx.test SIP/2.0")
		buf := make([]byte, maxStream)
		conn := <-far
		n, _ := conn.Read(buf)
		if !strings.HasPrefix(string(buf[:n]), "INVITE sip:+4722000000@pbx.test SIP/2.0\r\nVia: SIP/2.0/TCP ") || time.Since(start) != no100 {
			t.Errorf("after %v: %s", time.Since(start), buf[:n])
		}
		conn.Close()
		if s := w.ep.Stats().DNS; s.Asked == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A connection that does not come about costs two seconds, and Hangup meanwhile
// ends the attempt without another.
func TestConnectTakesTooLong(t *testing.T) {
	deps := Deps{Connect: func(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	inWorld(t, Config{}, deps, func(w *world) {
		second := w.peer("10.3.0.2:5060")
		start := time.Now()
		w.dialPlaces(at("10.3.0.1;transport=tcp", 1, 0), at("10.3.0.2", 2, 0))
		second.reply(second.want("INVITE"), 486, "agent", "")
		if d := time.Since(start); d != dialTimeout || d > 2*time.Second {
			t.Errorf("after %v", d)
		}
		time.Sleep(leaveFor)
		drain(second)
		leg, signals := w.dialPlaces(at("10.3.0.1;transport=tcp", 1, 0), at("10.3.0.2", 2, 0))
		time.Sleep(time.Second)
		leg.Hangup(call.Cause{Status: 487})
		if f := signal[call.Failed](w, signals); f.Cause.Status != 487 {
			t.Errorf("%+v", f)
		}
		signal[call.Gone](w, signals)
		second.quiet(time.Minute)
	})
}

// A late answer of a place that was left is acknowledged and said goodbye to.
func TestLatePlace(t *testing.T) {
	bubble(t, func(w *world) {
		slow, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
		_, signals := w.dialPlaces(at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0))
		first := slow.want("INVITE")
		inv := second.want("INVITE")
		second.reply(inv, 200, "agent", offer)
		second.want("ACK")
		signal[call.Answered](w, signals)
		slow.reply(first, 200, "ghost", offer)
		slow.wantAfter("ACK", "INVITE")
		slow.reply(slow.want("BYE"), 200, "", "")
		w.noSignal(signals, time.Minute)
	})
}
