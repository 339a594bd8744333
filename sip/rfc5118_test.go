package sip

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"ringdown/call"
)

// ipv6Torture are the messages of RFC 5118, and the status each gets: 404 means
// that an INVITE was understood and routed, 405 that a REGISTER was understood,
// which we do not serve. The bodies are shorter than there.
var ipv6Torture = []struct {
	section string
	status  int
	why     string
	message string
}{
	{"4.1", 405, "an IPv6 reference in the Request-URI", `
		REGISTER sip:[2001:db8::10] SIP/2.0
		To: sip:user@example.com
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Max-Forwards: 70
		Contact: "Caller" <sip:caller@[2001:db8::1]>
		CSeq: 98176 REGISTER
		Content-Length: 0
	`},
	{"4.2", 400, "without its brackets", `
		REGISTER sip:2001:db8::10 SIP/2.0
		To: sip:user@example.com
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Max-Forwards: 70
		Contact: "Caller" <sip:caller@[2001:db8::1]>
		CSeq: 98176 REGISTER
		Content-Length: 0
	`},
	{"4.3", 405, "what looks like a port belongs to the address", `
		REGISTER sip:[2001:db8::10:5070] SIP/2.0
		To: sip:user@example.com
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Contact: "Caller" <sip:caller@[2001:db8::1]>
		Max-Forwards: 70
		CSeq: 98176 REGISTER
		Content-Length: 0
	`},
	{"4.4", 405, "a port behind the address", `
		REGISTER sip:[2001:db8::10]:5070 SIP/2.0
		To: sip:user@example.com
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Contact: "Caller" <sip:caller@[2001:db8::1]>
		Max-Forwards: 70
		CSeq: 98176 REGISTER
		Content-Length: 0
	`},
	{"4.5 with delimiters", 481, "brackets in received are wrong and taken", `
		BYE sip:[2001:db8::10] SIP/2.0
		To: sip:user@example.com;tag=bd76ya
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Max-Forwards: 70
		CSeq: 321 BYE
		Content-Length: 0
	`},
	{"4.5 without", 200, "as the grammar has it", `
		OPTIONS sip:[2001:db8::10] SIP/2.0
		To: sip:user@example.com
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
		Call-ID: SSG95523997077@hlau_4100
		Max-Forwards: 70
		Contact: "Caller" <sip:caller@[2001:db8::9:1]>
		CSeq: 921 OPTIONS
		Content-Length: 0
	`},
	{"4.6", 404, "IPv6 in the description", `
		INVITE sip:user@[2001:db8::10] SIP/2.0
		To: sip:user@[2001:db8::10]
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Contact: "Caller" <sip:caller@[2001:db8::20]>
		CSeq: 8612 INVITE
		Max-Forwards: 70
		Content-Type: application/sdp

		v=0
		o=assistant 971731711378798081 0 IN IP6 2001:db8::20
		s=Live video feed for today's meeting
		c=IN IP6 2001:db8::20
		t=3338481189 3370017201
		m=audio 6000 RTP/AVP 2
		a=rtpmap:2 G726-32/8000
	`},
	{"4.7", 481, "addresses of both kinds in one message", `
		BYE sip:user@host.example.net SIP/2.0
		Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
		Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
		Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
		Call-ID: 997077@lau_4100
		Max-Forwards: 70
		CSeq: 89187 BYE
		To: sip:user@example.net;tag=9817--94
		From: sip:user@example.com;tag=81x2
		Content-Length: 0
	`},
	{"4.8", 404, "addresses of both kinds in the description", `
		INVITE sip:user@[2001:db8::10] SIP/2.0
		To: sip:user@[2001:db8::10]
		From: sip:user@example.com;tag=81x2
		Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Contact: "Caller" <sip:caller@[2001:db8::9:1]>
		Max-Forwards: 70
		CSeq: 8912 INVITE
		Content-Type: application/sdp

		v=0
		o=bob 280744730 28977631 IN IP4 host.example.com
		s=
		t=0 0
		m=audio 22334 RTP/AVP 0
		c=IN IP4 192.0.2.1
		m=video 6024 RTP/AVP 107
		c=IN IP6 2001:db8::1
	`},
	{"4.9", 404, "IPv4 mapped into IPv6", `
		INVITE sip:user@example.com SIP/2.0
		To: sip:user@example.com
		From: sip:user@east.example.com;tag=81x2
		Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
		Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
		Call-ID: SSG9559905523997077@hlau_4100
		Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
		CSeq: 612 INVITE
		Max-Forwards: 70
		Content-Type: application/sdp

		v=0
		o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2
		s=Call me soon, please!
		c=IN IP6 ::ffff:192.0.2.2
		t=3338481189 3370017201
		m=audio 6000 RTP/AVP 2
	`},
	{"4.10 with three colons", 200, "the grammar of RFC 3261 made them, so they are taken", `
		OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0
		To: sip:user@[2001:db8:::192.0.2.1]
		From: sip:user@example.com;tag=810x2
		Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
		Call-ID: G9559905523997077@hlau_4100
		CSeq: 689 OPTIONS
		Max-Forwards: 70
		Content-Length: 0
	`},
	{"4.10 with two", 200, "and so are two", `
		OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0
		To: sip:user@[2001:db8::192.0.2.1]
		From: sip:user@example.com;tag=810x2
		Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
		Call-ID: G9559905523997077@hlau_4100
		CSeq: 689 OPTIONS
		Max-Forwards: 70
		Content-Length: 0
	`},
}

// sixes is a world on IPv6.
func sixes() (Config, Deps) {
	trunk := func(a netip.Addr) (string, bool) { return "six", a.Is6() }
	return Config{Listen: []string{"udp://[2001:db8::10]:5060", "tcp://[2001:db8::10]:5060"}}, Deps{Trunk: trunk}
}

func TestRFC5118(t *testing.T) {
	us := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8::10]:5060"))
	for _, c := range ipv6Torture {
		b := text("%s", strings.ReplaceAll(strings.TrimRight(c.message, "\t"), "\n\t\t", "\n"))
		t.Run("udp/"+c.section, func(t *testing.T) {
			cfg, deps := sixes()
			inWorld(t, cfg, deps, func(w *world) {
				w.refuse = &call.Cause{Reason: "number-unassigned"}
				all := &peer{w: w, conn: w.wire.listen("2001:db8::9:255")}
				all.conn.WriteTo(b, us)
				m, ok := all.read(10e9)
				if ok && statusOf(m.start) == 100 {
					m, _ = all.read(10e9)
				}
				if statusOf(m.start) != c.status {
					t.Errorf("%q, want %d: %s; drops %v", m.start, c.status, c.why, w.ep.Stats().Drops)
				}
				if via := m.get("Via"); c.status != 400 && !strings.Contains(via, "received=2001:db8::9:255") {
					t.Errorf("Via %s", via)
				}
			})
		})
		t.Run("tcp/"+c.section, func(t *testing.T) {
			cfg, deps := sixes()
			inWorld(t, cfg, deps, func(w *world) {
				w.refuse = &call.Cause{Reason: "number-unassigned"}
				conn := w.tcp.connect("[2001:db8::9:255]:7777")
				defer conn.Close()
				if got := finalOver(conn, b); got != c.status {
					t.Errorf("%d, want %d: %s; drops %v", got, c.status, c.why, w.ep.Stats().Drops)
				}
			})
		})
	}
}
