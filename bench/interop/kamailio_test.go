//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// edge is a Kamailio at the edge of a carrier, in the way of every message of
// both legs: caller, edge, node, edge, callee.
type edge struct {
	*program
	ip, next string // its address; where the callee listens, with parameters of a URI
}

// newEdge starts Kamailio at .6 (and .7, which can do nothing) of a host. other
// is a node for what the first refuses with 503.
func newEdge(t *testing.T, host, node, other, next string) *edge {
	t.Helper()
	b, err := os.ReadFile("testdata/edge.cfg")
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{ip: host + ".6", next: next}
	dir := t.TempDir()
	file := filepath.Join(dir, "edge.cfg")
	text := strings.NewReplacer("HOST", e.ip, "DEAD", host+".7", "NODE", node, "OTHER", other, "NEXT", next).Replace(string(b))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.program = launch(t, dir, "kamailio", "-DD", "-f", file, "-m", "64", "-M", "8", "-Y", dir)
	eventually(t, 20*time.Second, "Kamailio", func() bool {
		code, _, _ := run(t, 5*time.Second, "timeout", "1", "sipsak", "-s", "sip:edge@"+e.ip)
		return code == 0
	})
	return e
}

// loose is how many requests of a method from an address were routed by their
// Route headers.
func (e *edge) loose(method, from string) int {
	return strings.Count(e.out.String(), "LOOSE "+method+" from "+from+"\n")
}

// content wants that it never found a request it had no way for.
func (e *edge) content(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(e.out.String()) {
		for _, word := range []string{"STRAY", "INSANE", "ERROR"} {
			if strings.Contains(line, word) {
				t.Errorf("Kamailio: %s", line)
			}
		}
	}
}

// TestKamailioEdge: both legs go through Kamailio with Record-Route, once or,
// where it changes between TCP and UDP, twice. Every request inside the dialogs,
// ours and the phones', has to find its way by the route set alone; Kamailio and
// tshark judge.
func TestKamailioEdge(t *testing.T) {
	for _, c := range []struct {
		host, transport, parameter string
		routes                     int
		calleeEnds                 bool
	}{
		{"127.0.80", "u1", "", 1, true},
		{"127.0.81", "t1", ";transport=tcp", 2, false},
	} {
		t.Run("phones with -t "+c.transport, func(t *testing.T) {
			agent := freePort(t, c.host+".3")
			n := newNode(t, plan{Host: c.host + ".1", Sources: c.host + ".6", Agent: agent, To: `{number: "+4791234567", trunk: carrier}`,
				Carrier: `profile: kamailio-edge, session: {expires: PT10S, min: PT10S}, targets: [{uri: "sip:` + c.host + `.6:5060"}]`})
			n.start(t)
			e := newEdge(t, c.host, n.SIP, n.SIP, agent+c.parameter)
			dir := sippDir(t)
			capture := filepath.Join(dir, "wire.pcap")
			witness := launch(t, dir, "dumpcap", "-q", "-i", "lo", "-P", "-w", capture, "-f", "udp and host "+c.host+".6 and host "+c.host+".1")
			witness.says(t, "File: ", 20*time.Second)
			from, to := routed(c.parameter, c.routes, c.calleeEnds)
			from.write(t, dir, "from.xml")
			to.write(t, dir, "to.xml")
			uas := sipp(t, dir, "to.xml", c.host+".3", agent, "-t", c.transport, "-m", "1")
			uac := sipp(t, dir, "from.xml", c.host+".2", freePort(t, c.host+".2"), "-t", c.transport, "-m", "1", e.ip+":5060")
			for name, p := range map[string]*program{"callee": uas, "caller": uac} {
				if code := p.code(t, 30*time.Second); code != 0 {
					t.Errorf("sipp as %s: exit %d; it said\n%s%s\nKamailio said\n%s", name, code, p.out.tail(), errorsOf(dir), e.out.tail())
				}
			}
			s := n.settled(t, 1)[0]
			s.completed(t)
			if end := s.last("call.ended"); end.Media.Caller.Packets < 250 || end.Media.Callee.Packets < 250 || end.EndedBy != map[bool]string{true: "callee", false: "caller"}[c.calleeEnds] {
				t.Errorf("%+v", end)
			}
			n.stop(t)
			e.content(t)
			us := c.host + ".1"
			for method, least := range map[string]int{"ACK": 2, "PRACK": 1, "INVITE": 1, "UPDATE": 1, "BYE": 1} {
				if k := e.loose(method, us); k < least {
					t.Errorf("%d %s of ours were routed loosely, want %d at least", k, method, least)
				}
			}
			eventually(t, 10*time.Second, "both goodbyes and their answers in the capture", func() bool {
				b, err := os.ReadFile(capture)
				return err == nil && bytes.Count(b, []byte(" BYE\r\n")) >= 4
			})
			witness.signal(t, syscall.SIGINT)
			witness.code(t, 10*time.Second)
			keepArtifact(t, capture)
			lookAtRoutes(t, capture, c.host, c.routes)
		})
	}
}

// routed are both sides of a call with PRACK, re-INVITE and UPDATE from either
// phone, and our refreshes of the session between: re-INVITE to the caller, who
// does not list UPDATE, and UPDATE to the callee.
func routed(parameter string, routes int, calleeEnds bool) (from, to *script) {
	const way = "[routes]"
	from = new(script).asks("INVITE", 1, true, "Supported: 100rel", "Allow: INVITE, ACK, CANCEL, BYE, PRACK", "P-Asserted-Identity: <sip:+4799912345@example.com>").
		may(100).response(183, match{"Require", "100rel", ""}, match{"RSeq", "[0-9]+", "rseq"}).
		asks("PRACK", 2, false, way, "RAck: [$rseq] 1 INVITE").response(200, match{"CSeq", "2 PRACK", ""}).
		response(200, match{"CSeq", "1 INVITE", ""}).asks("ACK", 1, false, way).play("caller.alaw").pause(300).
		asks("reINVITE", 3, true, way).may(100).response(200, match{"CSeq", "3 INVITE", ""}, match{"", "m=audio", ""}).asks("ACK", 3, false, way).
		asks("UPDATE", 4, false, way).response(200, match{"CSeq", "4 UPDATE", ""}).
		request("INVITE", match{"", "m=audio", ""}).answers(200, true).request("ACK")
	to = new(script).invited(match{"P-Asserted-Identity", "[+]4799912345@", ""}, through("Record-Route", routes)).
		tells(183, "b", true, recorded, "Require: 100rel", "RSeq: 700").request("PRACK").answers(200, false).
		pause(200).tells(200, "b", true, recorded, "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE").request("ACK").play("callee.alaw").
		request("UPDATE").answers(200, false).
		turns("INVITE", "b", 1, true, way).may(100).response(200, match{"CSeq", "1 INVITE", ""}).turns("ACK", "b", 1, false, way).
		turns("UPDATE", "b", 2, false, way).response(200, match{"CSeq", "2 UPDATE", ""})
	if calleeEnds {
		to.pause(1500).turns("BYE", "b", 3, false, way).response(200)
		from.goes()
	} else {
		from.pause(1500).asks("BYE", 5, false, way).response(200)
		to.goes()
	}
	for _, s := range []*script{from, to.behind()} {
		for i := range s.steps {
			for _, who := range []string{"carrier", "agent", "peer"} {
				contact := "Contact: <sip:" + who + "@[local_ip]:[local_port]"
				s.steps[i] = strings.ReplaceAll(s.steps[i], contact+">", contact+parameter+">")
			}
		}
	}
	return from, to
}

// recorded is what a response says of the route of its INVITE.
const recorded = "[$Record-Route]"

// through keeps k headers of a name as they stand: sipp's own search for a header
// keeps the first only.
func through(header string, k int) match {
	one := header + ": [^[:cntrl:]]+"
	return match{"", one + strings.Repeat("[[:cntrl:]]+"+one, k-1), header}
}

// behind makes what a script tells of its INVITE go back through a proxy.
func (s *script) behind() *script {
	s.vars["Vias"] = true
	for i, step := range s.steps {
		step = strings.ReplaceAll(step, `<recv request="INVITE" rrs="true"><action>`,
			`<recv request="INVITE" rrs="true"><action><ereg regexp="`+through("Via", 2).pattern+`" search_in="msg" check_it="true" assign_to="Vias"/>`)
		s.steps[i] = strings.ReplaceAll(step, "Via:[$via]", "[$Vias]")
	}
	return s
}

// lookAtRoutes holds what we sent to the edge against RFC 3261 12.2.1.1: the
// whole route set, nearest first, in every request of a dialog, to the Contact of
// the phone; no Route and no Record-Route in an INVITE that makes one.
func lookAtRoutes(t *testing.T, capture, host string, routes int) {
	t.Helper()
	first := "<sip:" + host + ".6;"
	want := first + "lr"
	if routes == 2 {
		want = first + "r2=on;lr"
	}
	seen := 0
	for _, line := range tshark(t, capture, "sip.Method && ip.src=="+host+".1", "sip.Method", "sip.to.tag", "sip.Route", "sip.Record-Route", "sip.r-uri") {
		f := strings.Split(line, "|")
		if f[1] == "" {
			if f[2] != "" || f[3] != "" {
				t.Errorf("a first %s with Route %q, Record-Route %q", f[0], f[2], f[3])
			}
			continue
		}
		seen++
		if strings.Count(f[2], "<") != routes || !strings.HasPrefix(f[2], want) || f[3] != "" || !strings.Contains(f[4], "@"+host+".") || strings.Contains(f[4], host+".6") {
			t.Errorf("%s to %s by Route %q (Record-Route %q), want %d from %q on", f[0], f[4], f[2], f[3], routes, want)
		}
		if routes == 2 && !strings.Contains(f[2], ";transport=tcp;r2=on;lr") {
			t.Errorf("%s lost the way by TCP: %q", f[0], f[2])
		}
	}
	t.Logf("tshark: %d of our requests inside dialogs", seen)
	if seen < 6 {
		t.Errorf("only %d requests of ours inside dialogs", seen)
	}
}

// TestKamailioFailover: the edge goes to another node when the first says 503,
// and we to another edge when the first says it.
func TestKamailioFailover(t *testing.T) {
	const host = "127.0.82"
	agent := freePort(t, host+".3")
	edges := fmt.Sprintf(`profile: kamailio-edge, targets: [{uri: "sip:%[1]s.7:5060", priority: 10}, {uri: "sip:%[1]s.6:5060", priority: 20}]`, host)
	dial := `{number: "+4791234567", trunk: carrier}`
	full := newNode(t, plan{Host: host + ".1", Sources: host + ".6", Agent: agent, Carrier: edges, To: dial, Calls: 1})
	other := newNode(t, plan{Host: host + ".8", Sources: host + ".6", Agent: agent, Carrier: edges, To: dial})
	full.start(t)
	other.start(t)
	e := newEdge(t, host, full.SIP, other.SIP, agent)
	dir := sippDir(t)
	const way = "[routes]"
	from := new(script).asks("INVITE", 1, true).may(100).may(180).response(200, match{"CSeq", "1 INVITE", ""}).
		asks("ACK", 1, false, way).play("caller.alaw").pause(3000).asks("BYE", 2, false, way).response(200)
	to := new(script).invited(through("Record-Route", 1)).tells(180, "b[call_number]", false, recorded).
		tells(200, "b[call_number]", true, recorded).request("ACK").play("callee.alaw").goes()
	from.write(t, dir, "from.xml")
	to.behind().write(t, dir, "to.xml")
	uas := sipp(t, dir, "to.xml", host+".3", agent, "-m", "2")
	uac := sipp(t, dir, "from.xml", host+".2", freePort(t, host+".2"), "-m", "2", "-r", "1", e.ip+":5060")
	for name, p := range map[string]*program{"caller": uac, "callee": uas} {
		if code := p.code(t, 30*time.Second); code != 0 {
			t.Errorf("sipp as %s: exit %d; it said\n%s%s\nKamailio said\n%s", name, code, p.out.tail(), errorsOf(dir), e.out.tail())
		}
	}
	for _, s := range other.settled(t, 1) {
		s.completed(t)
	}
	completed, refused := 0, 0
	for _, s := range full.settled(t, 2) {
		s.whole(t)
		if end := s.last("call.ended"); end.Status == "completed" {
			completed++
			if wait := end.AnsweredAt.Sub(s.events[0].Time); wait > 2*time.Second {
				t.Errorf("answered after %v", wait)
			}
		} else if end.RejectReason != "" {
			refused++
		}
	}
	if completed != 1 || refused != 1 {
		t.Errorf("%d completed, %d refused by the full node", completed, refused)
	}
	if k := strings.Count(e.out.String(), "ELSEWHERE"); k != 1 {
		t.Errorf("Kamailio went elsewhere %d times", k)
	}
	if k := strings.Count(e.out.String(), "UNABLE"); k < 1 {
		t.Errorf("the edge that can do nothing was asked %d times", k)
	}
	e.content(t)
	full.stop(t)
	other.stop(t)
}
