package sip

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"ringdown/call"
)

// twoFaces listens in a carrier's network and in an office's, by both families.
var twoFaces = Config{
	Listen: []string{
		"udp://10.0.0.1:5060", "udp://192.168.7.1:5080", "udp://[2001:db8::10]:5060",
		"tcp://10.0.0.1:5060", "tcp://192.168.7.1:5080", "tcp://[2001:db8::10]:5062",
	},
	Advertise: "203.0.113.5",
	Networks: []Network{
		{For: []string{"192.168.0.0/16"}, Local: "192.168.7.1", Advertise: "192.168.7.1"},
		{For: []string{"192.168.9.0/24"}, Local: "192.168.7.1", Advertise: "pbx.office.example"},
		{For: []string{"10.1.0.0/16"}, Advertise: "198.51.100.9"},
		{For: []string{"2001:db8:5::/48"}, Advertise: "2001:db8::ffff"},
	},
}

func everybody(netip.Addr) (string, bool) { return "all", true }

// Each peer is sent to from the socket of its network and told the name of that.
func TestEachNetworkSeesItsAddress(t *testing.T) {
	for _, c := range []struct{ peer, from, sentBy, tcpFrom, tcpSentBy string }{
		{"10.1.0.1", "10.0.0.1:5060", "198.51.100.9:5060", "10.0.0.1", "198.51.100.9:5060"},
		{"10.2.0.1", "10.0.0.1:5060", "203.0.113.5:5060", "10.0.0.1", "203.0.113.5:5060"},
		{"192.168.1.1", "192.168.7.1:5080", "192.168.7.1:5080", "192.168.7.1", "192.168.7.1:5080"},
		{"192.168.9.1", "192.168.7.1:5080", "pbx.office.example:5080", "192.168.7.1", "pbx.office.example:5080"},
		{"2001:db8:5::1", "[2001:db8::10]:5060", "[2001:db8::ffff]:5060", "2001:db8::10", "[2001:db8::ffff]:5062"},
		{"2001:db8:6::1", "[2001:db8::10]:5060", "[2001:db8::10]:5060", "2001:db8::10", "[2001:db8::10]:5062"},
	} {
		t.Run(c.peer, func(t *testing.T) {
			host := c.peer
			if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			tcp := &connects{}
			var from netip.Addr
			connect := func(ctx context.Context, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
				from = local
				return tcp.open(ctx, local, to)
			}
			inWorld(t, twoFaces, Deps{Trunk: everybody, Connect: connect}, func(w *world) {
				tcp.bubble()
				named := func(inv message, transport, sentBy, param string) {
					t.Helper()
					bare, _, _ := strings.Cut(sentBy, "]")
					fromHost, _, _ := strings.Cut(sentBy, ":")
					if strings.HasPrefix(sentBy, "[") {
						fromHost = bare + "]"
					}
					if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/"+transport+" "+sentBy+";") ||
						inv.get("Contact") != "<sip:"+sentBy+param+">" || !strings.Contains(inv.get("From"), "@"+fromHost+">") {
						t.Errorf("want %s:\n%s", sentBy, inv.raw)
					}
				}
				p := w.peer(host + ":5060")
				_, signals := w.dial("sip:agent@" + host)
				inv := p.want("INVITE")
				if inv.from != c.from {
					t.Errorf("from %s, want %s", inv.from, c.from)
				}
				named(inv, "UDP", c.sentBy, "")
				p.conn.WriteTo(replyTo(inv, 486), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.from)))
				p.want("ACK")
				signal[call.Failed](w, signals)

				w.dial("sip:agent@" + host + ";transport=tcp")
				named(speak(<-tcp.at).want(w, "INVITE"), "TCP", c.tcpSentBy, ";transport=tcp")
				if from.String() != c.tcpFrom {
					t.Errorf("connected from %s, want %s", from, c.tcpFrom)
				}
			})
		})
	}
}

func replyTo(req message, status int) []byte {
	return text("SIP/2.0 %d Theirs\nVia: %s\nFrom: %s\nTo: %s;tag=x\nCall-ID: %s\nCSeq: %s\n\n", status,
		req.get("Via"), req.get("From"), req.get("To"), req.get("Call-ID"), req.get("CSeq"))
}

// A call between IPv6 peers, with rport and received (RFC 3581), in brackets
// where they belong (RFC 3261 25.1).
func TestCallOnIPv6(t *testing.T) {
	cfg, deps := sixes()
	inWorld(t, cfg, deps, func(w *world) {
		us := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::10]:5060"))
		p := w.peer("[2001:db8:a::1]:5099")
		send := func(method, branch, tag string) {
			p.conn.WriteTo(text("%s sip:+4721000001@[2001:db8::10]:5060 SIP/2.0\nVia: SIP/2.0/UDP [2001:db8:a::2]:5060;branch=z9hG4bK%s;rport\nMax-Forwards: 70\n"+
				"From: <sip:+4790000001@[2001:db8:a::1]>;tag=kari\nTo: <sip:+4721000001@[2001:db8::10]>%s\nCall-ID: six\nCSeq: 1 %s\nContact: <sip:gw@[2001:db8:a::1]:5099>\n\n", method, branch, tag, method), us)
		}
		send("INVITE", "1", "")
		trying := p.want("SIP/2.0 100")
		if via := trying.get("Via"); !strings.HasPrefix(via, "SIP/2.0/UDP [2001:db8:a::2]:5060;") ||
			!strings.Contains(via, ";rport=5099") || !strings.Contains(via, ";received=2001:db8:a::1") {
			t.Errorf("Via %s", via)
		}
		a := w.admitted()
		if a.Source.String() != "[2001:db8:a::1]:5099" {
			t.Errorf("%+v", a.Invite)
		}
		a.leg.Answer(ourSDP)
		ok := p.want("SIP/2.0 200")
		if ok.get("Contact") != "<sip:[2001:db8::10]:5060>" {
			t.Errorf("Contact %s", ok.get("Contact"))
		}
		send("ACK", "2", ";tag="+ok.tag("To"))
		signal[call.Acked](w, a.signals)
		a.leg.Hangup(call.Cause{Status: 200})
		bye := p.want("BYE sip:gw@[2001:db8:a::1]:5099 SIP/2.0")
		if !strings.HasPrefix(bye.get("Via"), "SIP/2.0/UDP [2001:db8::10]:5060;") {
			t.Errorf("%s", bye.raw)
		}
		p.conn.WriteTo(replyTo(bye, 200), us)
		signal[call.Gone](w, a.signals)
	})
}
