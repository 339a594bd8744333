//go:build interop

package interop

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Scanners call from here; the trunk is elsewhere on this machine.
const (
	scanner = "127.0.20.66"
	another = "127.0.20.67"
)

// TestScanners has those knock who belong to no trunk: sipsak, and raw probes
// over UDP and TCP. They must hear nothing, not one byte, and leave at most one
// event a minute each.
func TestScanners(t *testing.T) {
	n := newNode(t, plan{Host: "127.0.20.1", Sources: "127.0.20.2", Agent: freePort(t, "127.0.20.3")})
	n.start(t)
	if code, out := sipsak(t, n.SIP); code == 0 || strings.Contains(out, "SIP/2.0 ") {
		t.Errorf("sipsak heard something: exit %d\n%s", code, out)
	} else {
		t.Logf("sipsak: no answer (exit %d)", code)
	}
	known := newNode(t, plan{Host: "127.0.21.1", Sources: "127.0.0.1", Agent: n.Agent}) // where sipsak sends from
	known.start(t)
	if code, out := sipsak(t, known.SIP); code != 0 || !strings.Contains(out, "SIP/2.0 200") {
		t.Errorf("sipsak as a trunk: exit %d\n%s", code, out)
	}
	known.stop(t)
	heard := 0
	for _, from := range []string{scanner, another} {
		heard += knockUDP(t, from, n.SIP)
		heard += knockTCP(t, from, n.SIP)
	}
	if heard > 0 {
		t.Errorf("the scanners heard %d bytes", heard)
	}
	if m := probe(t, "127.0.20.2:0", n.SIP, "OPTIONS", 5*time.Second); m == nil || m.Status != 200 {
		t.Errorf("the trunk's OPTIONS beside it: %v", m)
	}
	all := n.settled(t, 2) // one for each source: it had twenty INVITEs
	for _, s := range all {
		s.whole(t)
		if e := s.events[0]; e.Account != "_sys" || s.last("call.ended").RejectReason != "no-trunk-match" {
			t.Errorf("%s: account %s, reason %q", s.id, e.Account, s.last("call.ended").RejectReason)
		}
	}
	dropped := n.metric(t, "ringdown_sip_dropped_total")
	t.Logf("2 sources, %d messages each over UDP: %d bytes heard, %d calls told, %v messages dropped and counted",
		len(knocks(scanner, n.SIP)), heard, len(all), dropped)
	if dropped < 40 {
		t.Errorf("only %v messages are counted as dropped", dropped)
	}
	n.stop(t)
}

// sipsak sends an OPTIONS from an address outside the trunk. It is ended when it
// has waited long enough.
func sipsak(t *testing.T, target string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, "sipsak", "-vv", "-s", "sip:"+tracking+"@"+target).CombinedOutput()
	if err == nil {
		return 0, string(b)
	}
	if _, ok := err.(*exec.ExitError); !ok {
		t.Fatalf("sipsak: %v", err)
	}
	return 1, string(b)
}

// knocks are what a scanner sends: known methods, twenty INVITEs, things that
// are no SIP.
func knocks(from, to string) (all [][]byte) {
	uri, me := "sip:"+tracking+"@"+to, from+":5070"
	for _, method := range []string{"OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "MESSAGE", "HELO"} {
		all = append(all, request(method, uri, me))
	}
	for range 20 {
		all = append(all, request("INVITE", uri, me))
	}
	return append(all, []byte("GET / HTTP/1.1\r\n\r\n"), []byte("\r\n\r\n"), []byte("\x00\x01\x02"), []byte("SIP/2.0 200 OK\r\n\r\n"))
}

func knockUDP(t *testing.T, from, to string) (heard int) {
	t.Helper()
	c := listenUDP(t, from+":5070")
	defer c.Close()
	for _, b := range knocks(from, to) {
		send(t, c, to, b)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 65536)
	for {
		k, _, err := c.ReadFrom(buf)
		if err != nil {
			return heard
		}
		t.Errorf("%s heard over UDP: %q", from, buf[:k])
		heard += k
	}
}

// knockTCP may find the door closed: that is silence too.
func knockTCP(t *testing.T, from, to string) (heard int) {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for _, b := range [][]byte{request("OPTIONS", "sip:"+to, from), []byte("GET / HTTP/1.1\r\n\r\n")} {
		c, err := d.Dial("tcp4", to)
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(patience))
		c.Write(b) // may fail: the server need not listen
		said, _ := io.ReadAll(c)
		if len(said) > 0 {
			t.Errorf("%s heard over TCP: %q", from, said)
		}
		heard += len(said)
		c.Close()
	}
	return heard
}
