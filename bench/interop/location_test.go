//go:build interop

package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/sip/locate/dnstest"
)

// gateway is a sipp that answers one number after the other, and OPTIONS, and
// writes down what it got.
type gateway struct {
	dir, host, address string
	*program
}

func newGateway(t *testing.T, host string, s *script) *gateway {
	t.Helper()
	g := &gateway{dir: sippDir(t), host: host, address: freePort(t, host)}
	s.write(t, g.dir, "gateway.xml")
	g.open(t)
	return g
}

// open starts it, once more after it was killed.
func (g *gateway) open(t *testing.T) {
	t.Helper()
	g.program = sipp(t, g.dir, "gateway.xml", g.host, g.address, "-aa", "-trace_msg")
}

// got counts the messages that came and begin so. Each carries a Call-ID of its
// own, so that repetitions count once.
func (g *gateway) got(t *testing.T, start string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(g.dir, "*_messages.log"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range strings.Split(string(b), "-----------------------------------------------") {
			_, received, ok := strings.Cut(m, "message received")
			if at := strings.Index(received, "\n"+start); !ok || at < 0 {
				continue
			}
			_, id, _ := strings.Cut(received, "Call-ID: ")
			id, _, _ = strings.Cut(id, "\n")
			seen[id] = true
		}
	}
	return len(seen)
}

func takesCalls() *script {
	return new(script).invited().tells(180, "b", false).tells(200, "b", true).request("ACK").play("callee.alaw").goes()
}

func refuses(status int) *script {
	return new(script).invited().tells(status, "b", false).request("ACK")
}

// callOnce plays a caller who talks for a second, or hears a refusal, and returns
// the time until then.
func (n *node) callOnce(t *testing.T, host string, refused int) time.Duration {
	t.Helper()
	dir := sippDir(t)
	s := new(script).asks("INVITE", 1, true, plainAllow).may(100).may(180)
	if refused > 0 {
		s.response(refused).asks("ACK!", 1, false)
	} else {
		s.response(200).asks("ACK", 1, false).play("caller.alaw").pause(1000).hangsUp(2)
	}
	s.write(t, dir, "from.xml")
	start := time.Now()
	uac := sipp(t, dir, "from.xml", host, freePort(t, host), "-m", "1", n.SIP)
	if code := uac.code(t, 30*time.Second); code != 0 {
		t.Fatalf("the caller: exit %d; it said\n%s%s", code, uac.out.tail(), errorsOf(dir))
	}
	return time.Since(start)
}

// throughTrunk is a node whose destination is a number by a trunk of these keys.
func throughTrunk(t *testing.T, host, keys string) *node {
	t.Helper()
	return newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: host + ".3:5060",
		Trunks: "  - {id: out, " + keys + "}\n", To: `{number: "+4791234567", trunk: out}`})
}

// TestTargetsByDNS: NAPTR, SRV and A lead to a server that is not there and to
// one that is; the call is up within five seconds, the next one at once.
func TestTargetsByDNS(t *testing.T) {
	const host = "127.0.91"
	live := newGateway(t, host+".4", takesCalls())
	_, port, err := net.SplitHostPort(live.address)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := dnstest.New(
		`pbx.test. 60 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.pbx.test.`,
		"_sip._udp.pbx.test. 60 IN SRV 10 1 5060 dead.pbx.test.",
		"_sip._udp.pbx.test. 60 IN SRV 20 1 "+port+" live.pbx.test.",
		"dead.pbx.test. 60 IN A "+host+".9", "live.pbx.test. 60 IN A "+host+".4",
	)
	if err != nil {
		t.Fatal(err)
	}
	server, err := net.ListenPacket("udp4", host+".53:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go zone.Serve(server) // ends with the socket
	n := throughTrunk(t, host, `targets: [{uri: "sip:pbx.test"}]`)
	n.rewrite(t, "sip: {listen:", fmt.Sprintf("sip: {dns: {servers: [%q]}, listen:", server.LocalAddr()))
	n.start(t)
	if d := n.callOnce(t, host+".2", 0); d < 3*time.Second || d > 5*time.Second {
		t.Errorf("the first call took %v with its second of talk", d)
	}
	if d := n.callOnce(t, host+".2", 0); d > 2*time.Second {
		t.Errorf("the second call took %v with its second of talk", d)
	}
	for _, s := range n.settled(t, 2) {
		s.completed(t)
		if k := s.count("leg.created"); k != 2 {
			t.Errorf("%d legs, the two servers are one destination", k)
		}
	}
	if k := zone.Asked("pbx.test. NAPTR"); k != 1 {
		t.Errorf("asked for the NAPTR %d times", k)
	}
	if k := live.got(t, "INVITE "); k != 2 {
		t.Errorf("%d calls came", k)
	}
	n.stop(t)
}

// TestBusyTarget: a 503 leads to the next target at once, a 486 does not.
func TestBusyTarget(t *testing.T) {
	const host = "127.0.92"
	for status, moves := range map[int]bool{503: true, 486: false} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			first, second := newGateway(t, host+".3", refuses(status)), newGateway(t, host+".4", takesCalls())
			n := throughTrunk(t, host, fmt.Sprintf(`targets: [{uri: "sip:%s", priority: 1}, {uri: "sip:%s", priority: 2}]`, first.address, second.address))
			n.start(t)
			refused, calls := 0, 1
			if !moves {
				refused, calls = 486, 0
			}
			if d := n.callOnce(t, host+".2", refused); d > 2*time.Second {
				t.Errorf("it took %v", d)
			}
			n.settled(t, 1)
			if a, b := first.got(t, "INVITE "), second.got(t, "INVITE "); a != 1 || b != calls {
				t.Errorf("%d and %d INVITEs", a, b)
			}
			n.stop(t)
		})
	}
}

// TestDeadGatewayIsLeftAndFound: OPTIONS finds that a gateway was killed, calls go
// to the other at once, and back when it is there again.
func TestDeadGatewayIsLeftAndFound(t *testing.T) {
	const host = "127.0.93"
	first, second := newGateway(t, host+".3", takesCalls()), newGateway(t, host+".4", takesCalls())
	n := throughTrunk(t, host, fmt.Sprintf(`targets: [{uri: "sip:%s", priority: 1}, {uri: "sip:%s", priority: 2}], health: {interval: PT1S}`, first.address, second.address))
	n.start(t)
	left := func() bool {
		_, text := n.get(t, "/metrics")
		return strings.Contains(text, `ringdown_sip_target_addresses{trunk="out",target="1",state="left"} 1`)
	}
	call := func(a, b int) {
		t.Helper()
		if d := n.callOnce(t, host+".2", 0); d > 2*time.Second {
			t.Errorf("the call took %v with its second of talk", d)
		}
		if x, y := first.got(t, "INVITE "), second.got(t, "INVITE "); x != a || y != b {
			t.Errorf("%d and %d calls, want %d and %d", x, y, a, b)
		}
	}
	eventually(t, 5*time.Second, "OPTIONS at both gateways", func() bool { return first.got(t, "OPTIONS ") > 0 && second.got(t, "OPTIONS ") > 0 })
	call(1, 0)
	first.kill()
	eventually(t, 6*time.Second, "the dead gateway left", left)
	call(1, 1)
	first.open(t)
	eventually(t, 4*time.Second, "the gateway found again", func() bool { return !left() })
	call(2, 1)
	for _, s := range n.settled(t, 3) {
		s.completed(t)
	}
	n.says(t, "sip target found again", time.Second)
	n.stop(t)
}

// TestRedirection: a 302 is followed to a host of the list and nowhere else; a
// caller's trunk that wants to know is told.
func TestRedirection(t *testing.T) {
	const host = "127.0.94"
	for _, c := range []struct {
		name, redirect, carrier string
		refused                 int // what the caller hears; 0: he is connected
	}{
		{"inside the bounds", "redirect: {follow: 1, hosts: [" + host + ".4]}", "", 0},
		{"outside them", "redirect: {follow: 1, hosts: [" + host + ".7]}", "", 480},
		{"not asked for", "media_rule: strict", "", 480},
		{"passed to the caller", "media_rule: strict", "redirect: {pass: true}", 302},
	} {
		t.Run(c.name, func(t *testing.T) {
			second := newGateway(t, host+".4", takesCalls())
			first := newGateway(t, host+".3", new(script).invited().say(true, body([]string{
				"SIP/2.0 302 Moved", "Via:[$via]", "From:[$from]", "To:[$to];tag=[pid]b", "Call-ID: [call_id]", "CSeq:[$cseq]",
				"Contact: <sip:nowhere@" + host + ".66>;q=0.1, <sip:moved@" + second.address + ";maddr=" + host + ".8>;q=0.5",
			}, false)).request("ACK"))
			n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: first.address, Carrier: c.carrier,
				Trunks: fmt.Sprintf("  - {id: out, targets: [{uri: \"sip:%s\"}], %s}\n", first.address, c.redirect), To: `{number: "+4791234567", trunk: out}`})
			n.start(t)
			n.callOnce(t, host+".2", c.refused)
			s := n.settled(t, 1)[0]
			s.whole(t)
			followed := 0
			if c.refused == 0 {
				followed = 1
				s.completed(t)
			}
			if k := second.got(t, "INVITE sip:moved@"+second.address+" SIP/2.0"); k != followed {
				t.Errorf("%d INVITEs at the new place", k)
			}
			if k := s.count("leg.created"); k != 2+followed {
				t.Errorf("%d legs", k)
			}
			if why := n.ask(t, "why", s.id); strings.Contains(why, "the redirection was") != strings.HasPrefix(c.redirect, "redirect") {
				t.Errorf("why says\n%s", why)
			}
			n.stop(t)
		})
	}
}

// sixSDP is what an IPv6-first phone offers.
const sixSDP = "v=0\no=sipp 1 1 IN IP6 ::1\ns=-\nc=IN IP6 ::1\nt=0 0\nm=audio [rtpstream_audio_port] RTP/AVP 8\na=rtpmap:8 PCMA/8000\n"

// TestIPv6OfferRefused: a node without an IPv6 media address says why it cannot
// take an IPv6 offer: 488 with warning 301.
func TestIPv6OfferRefused(t *testing.T) {
	const host = "127.0.95"
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: host + ".3:5060"})
	n.start(t)
	dir := sippDir(t)
	lines := body([]string{"INVITE sip:" + tracking + "@[remote_ip]:[remote_port] SIP/2.0", "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport",
		"From: <sip:+4799912345@[local_ip]>;tag=[pid]a", "To: <sip:" + tracking + "@[remote_ip]>", "Call-ID: [call_id]", "CSeq: 1 INVITE",
		"Contact: <sip:carrier@[local_ip]:[local_port]>", "Max-Forwards: 70", "Content-Type: application/sdp"}, false)
	lines = strings.Replace(lines, "Content-Length: 0\n", "Content-Length: [len]\n\n"+sixSDP, 1)
	new(script).say(true, lines).may(100).response(488, match{"Warning", "^ *301 " + host + ".1:[0-9]+ .Incompatible network address formats", ""}).
		asks("ACK!", 1, false).write(t, dir, "from.xml")
	uac := sipp(t, dir, "from.xml", host+".2", freePort(t, host+".2"), "-m", "1", n.SIP)
	if code := uac.code(t, limit); code != 0 {
		t.Errorf("the caller: exit %d; it said\n%s%s", code, uac.out.tail(), errorsOf(dir))
	}
	s := n.settled(t, 1)[0]
	n.stop(t)
	s.whole(t)
}

// TestIPv4CallsIPv6: the destination is a name with an AAAA record; its offer is
// in IPv6, the caller's answer in IPv4, and sound goes both ways.
func TestIPv4CallsIPv6(t *testing.T) {
	const host = "127.0.96"
	_, port, err := net.SplitHostPort(freePort(t, host+".1"))
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, err := net.SplitHostPort(freePort(t, host+".3"))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := dnstest.New("six.test. 60 IN AAAA ::1")
	if err != nil {
		t.Fatal(err)
	}
	server, err := net.ListenPacket("udp4", host+".53:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go zone.Serve(server) // ends with the socket
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: "six.test:" + theirs, Media6: "::1", Listen: fmt.Sprintf(`, "udp://[::1]:%s"`, port)})
	n.rewrite(t, "sip: {listen:", fmt.Sprintf("sip: {dns: {servers: [%q]}, listen:", server.LocalAddr()))
	n.start(t)
	dir := sippDir(t)
	ok := body([]string{"SIP/2.0 200 OK", "Via:[$via]", "From:[$from]", "To:[$to];tag=[pid]b", "Call-ID: [call_id]", "CSeq:[$cseq]",
		"Contact: <sip:agent@[local_ip]:[local_port]>", "Content-Type: application/sdp"}, false)
	ok = strings.Replace(ok, "Content-Length: 0\n", "Content-Length: [len]\n\n"+sixSDP, 1)
	new(script).invited(match{"", "c=IN IP6 ::1", ""}, match{"", "o=- [0-9]+ [0-9]+ IN IP6 ::1", ""}).say(true, ok).request("ACK").play("callee.alaw").goes().write(t, dir, "to.xml")
	new(script).asks("INVITE", 1, true, plainAllow).may(100).response(200, match{"", "c=IN IP4 " + host + ".1", ""}).
		asks("ACK", 1, false).play("caller.alaw").pause(2000).hangsUp(2).write(t, dir, "from.xml")
	uas := sipp(t, dir, "to.xml", "::1", "[::1]:"+theirs, "-m", "1")
	uac := sipp(t, dir, "from.xml", host+".2", freePort(t, host+".2"), "-m", "1", n.SIP)
	for what, p := range map[string]*program{"the destination": uas, "the caller": uac} {
		if code := p.code(t, limit); code != 0 {
			t.Errorf("%s: exit %d; it said\n%s%s", what, code, p.out.tail(), errorsOf(dir))
		}
	}
	s := n.settled(t, 1)[0]
	n.stop(t)
	s.completed(t)
	if m := s.last("call.ended").Media; m.Caller.Packets < 90 || m.Callee.Packets < 90 {
		t.Errorf("%+v", m)
	}
}
