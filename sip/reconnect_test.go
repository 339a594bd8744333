package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"ringdown/call"
	"ringdown/routing"
)

// upOver carries a call of the carrier's over a stream to where it is up.
func (w *world) upOver(c *caller, wrap func([]byte) []byte, contact string) admittedCall {
	w.Helper()
	fix := func(b []byte) []byte {
		return wrap([]byte(strings.Replace(string(b), "<sip:gw@10.1.0.1:5060;transport=tcp>", contact, 1)))
	}
	c.Write(fix(tcpRequest("INVITE", "t1", "1", "", 1, offer)))
	c.want(w, "SIP/2.0 100")
	a := w.admitted()
	a.leg.Answer(ourSDP)
	ok := c.want(w, "SIP/2.0 200")
	c.Write(fix(tcpRequest("ACK", "t1", "2", ok.tag("To"), 1, "")))
	signal[call.Acked](w, a.signals)
	return a
}

func asIs(b []byte) []byte { return b }

// A peer whose connection is gone is found again: where it has told us, by the
// connection that it has opened meanwhile, or by UDP when it never asked for TCP.
func TestPeerIsFoundAgain(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		name    string
		contact string
		reopens string // from where the peer opens another connection
		refuses bool   // to be dialled
		want    string // dialled, reopened, udp, or nothing
	}{
		{"where its Contact says", "<sip:gw@10.1.0.1:5070;transport=tcp>", "", false, "dialled 10.1.0.1:5070"},
		{"its Contact before its new connection", "<sip:gw@10.1.0.1:5070;transport=tcp>", "10.1.0.1:40001", false, "dialled 10.1.0.1:5070"},
		{"by its new connection", "<sip:gw@10.1.0.1:5070;transport=tcp>", "10.1.0.1:40001", true, "reopened"},
		{"behind a NAT, by its new connection", "<sip:gw@192.168.1.2:5070;transport=tcp>", "10.1.0.1:40001", false, "reopened"},
		{"behind a NAT, where it came from", "<sip:gw@192.168.1.2:5070;transport=tcp>", "", false, "dialled 10.1.0.1:5070"},
		{"a name is no address of its own", "<sip:gw@pbx.example.com;transport=tcp>", "10.1.0.1:40001", false, "reopened"},
		{"the whole trunk, where its Contact says", "<sip:gw@10.1.0.9;transport=tcp>", "", false, "dialled 10.1.0.9:5060"},
		{"not the connection of another", "<sip:gw@10.1.0.1:5070;transport=tcp>", "10.1.0.2:40001", true, "nothing"},
		{"by UDP, as its Contact allows", "<sip:gw@10.1.0.1:5060>", "", true, "udp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tcp := &connects{}
			dialled := ""
			connect := func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
				if c.refuses {
					return nil, refused
				}
				dialled = to.String()
				return tcp.open(ctx, from, to)
			}
			inWorld(t, Config{}, Deps{Connect: connect}, func(w *world) {
				tcp.bubble()
				first := w.connect("10.1.0.1:40000")
				a := w.upOver(first, asIs, c.contact)
				first.Close()
				synctest.Wait()
				var again *caller
				if c.reopens != "" {
					again = w.connect(c.reopens)
					synctest.Wait()
				}
				a.leg.Hangup(call.Cause{Status: 200})
				how, to, _ := strings.Cut(c.want, " ")
				switch how {
				case "dialled":
					again = speak(<-tcp.at)
					fallthrough
				case "reopened":
					again.answer(again.want(w, "BYE"), 200)
				case "udp":
					w.carrier.reply(w.carrier.want("BYE"), 200, "", "")
				}
				signal[call.Gone](w, a.signals)
				if dialled != to {
					t.Errorf("dialled %q, want %q", dialled, to)
				}
			})
		})
	}
}

// By TLS it must prove to be who it was, or the trunk.
func TestPeerIsFoundAgainByTLS(t *testing.T) {
	a := newAuthority(t)
	for _, c := range []struct {
		name  string
		shows []string
		good  bool
	}{
		{"the trunk's name", []string{"pbx.example.com"}, true},
		{"the name in its Contact", []string{"gw.example.com"}, true},
		{"another name", []string{"evil.example.com"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, pair := a.issue("again", dns(c.shows...))
			connect, far := dialledTLS(pair, nil)
			deps := Deps{TrunkOfNames: byNames, Connect: connect, Policy: func(string) (routing.Trunk, bool) {
				return routing.Trunk{TLS: routing.TLS{CA: a.file, Names: []string{"pbx.example.com"}}}, true
			}}
			_, _, pbx := a.issue("pbx", dns("pbx.example.com"))
			inWorld(t, Config{TLS: a.ours()}, deps, func(w *world) {
				conn, err := w.secure("10.9.9.9:40000", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com", Certificates: []tls.Certificate{pbx}})
				if err != nil {
					t.Fatal(err)
				}
				up := w.upOver(speak(conn), overTLS, "<sip:gw@gw.example.com;transport=tls>")
				conn.NetConn().Close()
				synctest.Wait()
				up.leg.Hangup(call.Cause{Status: 200})
				server := <-far
				err = server.Handshake()
				if !c.good {
					if err == nil {
						_, err = server.Read(make([]byte, 1))
					}
					server.NetConn().Close()
					if err == nil {
						t.Error("a stranger was told about the call")
					}
				} else {
					again := speak(server)
					again.answer(again.want(w, "BYE"), 200)
				}
				signal[call.Gone](w, up.signals)
			})
		})
	}
}

// One connection serves all who want it, also while it is being opened.
func TestOneConnectionForManyCalls(t *testing.T) {
	tcp := &connects{}
	hold := make(chan struct{})
	tcp.on = func(context.Context) error { <-hold; return nil }
	inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
		tcp.bubble()
		hold = make(chan struct{})
		for range 50 {
			w.dial("sip:agent@10.2.0.1;transport=tcp")
		}
		synctest.Wait()
		close(hold)
		c := speak(<-tcp.at)
		for range 50 {
			c.want(w, "INVITE")
		}
		w.dial("sip:agent@10.2.0.1;transport=tcp")
		c.want(w, "INVITE")
		if s := w.ep.Stats(); tcp.n != 1 || s.Streams != 1 {
			t.Errorf("%d connections dialled, %d open", tcp.n, s.Streams)
		}
	})
}

// A peer of UDP whose Contact asks for TCP gets it, or UDP when it takes none.
func TestContactAsksForTCP(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		tcp := &connects{}
		if refuses {
			tcp.on = func(context.Context) error { return errors.New("refused") }
		}
		inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
			tcp.bubble()
			leg, signals, inv := w.dialled()
			w.callee.reply(inv, 200, "agent", "", "Contact: <sip:agent@10.2.0.1:5060;transport=tcp>")
			var c *caller
			if refuses {
				w.callee.want("ACK")
			} else {
				c = speak(<-tcp.at)
				c.want(w, "ACK sip:agent@10.2.0.1:5060;transport=tcp")
			}
			signal[call.Answered](w, signals)
			leg.Hangup(call.Cause{Status: 200})
			if refuses {
				w.callee.reply(w.callee.want("BYE"), 200, "", "")
			} else {
				c.answer(c.want(w, "BYE"), 200)
			}
			signal[call.Gone](w, signals)
			if tcp.n != 1 {
				t.Errorf("%d connections", tcp.n)
			}
		})
	}
}

// A trunk of both families may answer in the other one.
func TestContactInTheOtherFamily(t *testing.T) {
	cfg := Config{Listen: []string{"udp://10.0.0.1:5060", "udp://[2001:db8::10]:5060"}}
	inWorld(t, cfg, Deps{Trunk: everybody}, func(w *world) {
		six := w.peer("[2001:db8:a::1]:5060")
		signals := make(chan call.Signal, 64)
		d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
		d.Target.URI, d.Target.Trunk = "sip:agent@"+calleeAddr, "all"
		leg, err := w.ep.Dial(w.Context(), d, func(s call.Signal) { signals <- s })
		if err != nil {
			t.Fatal(err)
		}
		w.callee.reply(w.callee.want("INVITE"), 200, "agent", "", "Contact: <sip:agent@[2001:db8:a::1]>")
		ack := six.want("ACK sip:agent@[2001:db8:a::1] SIP/2.0")
		if !strings.HasPrefix(ack.get("Via"), "SIP/2.0/UDP [2001:db8::10]:5060;") || ack.from != "[2001:db8::10]:5060" {
			t.Errorf("from %s: %s", ack.from, ack.raw)
		}
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{Status: 200})
		bye := six.want("BYE")
		six.conn.WriteTo(replyTo(bye, 200), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::10]:5060")))
		signal[call.Gone](w, signals)
	})
}

// A response whose connection is gone goes over the one that the peer has opened
// since, or to where its Via says.
func TestResponseFindsItsPeer(t *testing.T) {
	for _, c := range []struct {
		name, reopens string
		refuses       bool
		want          string
	}{
		{"by its new connection", "10.1.0.1:40001", false, ""},
		{"where its Via says", "", false, "10.1.0.1:5060"},
		{"not by the connection of another", "10.1.0.2:40001", false, "10.1.0.1:5060"},
		{"nowhere", "", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tcp := &connects{}
			dialled := ""
			connect := func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
				if c.refuses {
					return nil, errors.New("refused")
				}
				dialled = to.String()
				return tcp.open(ctx, from, to)
			}
			inWorld(t, Config{}, Deps{Connect: connect}, func(w *world) {
				tcp.bubble()
				first := w.connect("10.1.0.1:40000")
				first.Write(tcpRequest("INVITE", "t1", "1", "", 1, offer))
				first.want(w, "SIP/2.0 100")
				a := w.admitted()
				first.Close()
				synctest.Wait()
				var again *caller
				if c.reopens != "" {
					again = w.connect(c.reopens)
					synctest.Wait()
				}
				a.leg.Answer(ourSDP)
				if c.refuses {
					signal[call.NoAck](w, a.signals)
					if d := w.ep.Stats().Drops["send"]; d == 0 {
						t.Error("lost and not counted")
					}
					return
				}
				if c.want != "" {
					again = speak(<-tcp.at)
				}
				again.want(w, "SIP/2.0 200")
				if dialled != c.want {
					t.Errorf("dialled %q, want %q", dialled, c.want)
				}
			})
		})
	}
}
