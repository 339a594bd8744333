//go:build interop

package interop

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestFailoverInUnderFourSeconds: one gateway says 503, one takes the datagrams and
// never answers, one is not there at all, one says 408; each is left for the next in
// under four seconds, and the call is up with the fifth.
func TestFailoverInUnderFourSeconds(t *testing.T) {
	const host = "127.0.94"
	full, late := newGateway(t, host+".4", refuses(503)), newGateway(t, host+".5", refuses(408))
	silent, err := net.ListenPacket("udp4", host+".6:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	live := newGateway(t, host+".7", takesCalls())
	var targets []string
	for _, at := range []string{full.address, silent.LocalAddr().String(), host + ".9:5060", late.address, live.address} {
		targets = append(targets, fmt.Sprintf("{uri: \"sip:agent@%s\"}", at))
	}
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", To: strings.Join(targets, ", ")})
	n.start(t)
	n.callOnce(t, host+".2", 0)
	s := n.settled(t, 1)[0]
	s.completed(t)
	var dialled []time.Time
	for _, e := range s.events {
		if e.Type == "leg.created" {
			dialled = append(dialled, e.Time)
		}
	}
	if len(dialled) != 6 { // the caller's leg first
		t.Fatalf("%d legs", len(dialled))
	}
	for i, what := range []string{"503", "silence", "nobody there", "408"} {
		took := dialled[i+2].Sub(dialled[i+1])
		t.Logf("%s: %v", what, took)
		if took >= 4*time.Second {
			t.Errorf("%s was left after %v", what, took)
		}
	}
	n.stop(t)
}

// TestRingFive: five phones ring at once; the fourth answers, and the others are
// cancelled with the reason that the call was answered elsewhere.
func TestRingFive(t *testing.T) {
	const host = "127.0.95"
	var targets []string
	var rings []*gateway
	for i := range 5 {
		s := takesLater()
		if i != 3 {
			s = ringsUntilCancelled()
		}
		g := newGateway(t, fmt.Sprintf("%s.%d", host, 10+i), s)
		rings = append(rings, g)
		targets = append(targets, fmt.Sprintf("{uri: \"sip:agent@%s\"}", g.address))
	}
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", To: strings.Join(targets, ", ")})
	n.rewrite(t, "strategy: sequential", "strategy: simultaneous")
	n.start(t)
	n.callOnce(t, host+".2", 0)
	s := n.settled(t, 1)[0]
	s.completed(t)
	for i, g := range rings {
		want := 1
		if i == 3 {
			want = 0
		}
		if k := g.got(t, "CANCEL "); k != want {
			t.Errorf("phone %d got %d CANCEL, want %d; it said\n%s", i+1, k, want, errorsOf(g.dir))
		}
		if k := g.got(t, "INVITE "); k != 1 {
			t.Errorf("phone %d got %d INVITE", i+1, k)
		}
	}
	for kind, want := range map[string]int{"leg.created": 6, "leg.answered": 1, "leg.failed": 4, "call.answered": 1} {
		if k := s.count(kind); k != want {
			t.Errorf("%d %s, want %d", k, kind, want)
		}
	}
	n.stop(t)
}

// takesLater rings for half a second before it answers.
func takesLater() *script {
	return new(script).invited().tells(180, "b", false).pause(500).tells(200, "b", true).request("ACK").play("callee.alaw").goes()
}

// ringsUntilCancelled wants to hear that the call was answered elsewhere (RFC 3326).
func ringsUntilCancelled() *script {
	return new(script).invited().tells(180, "b", false).request("CANCEL", match{"Reason", "SIP *; *cause=200", ""}).answers(200, false).
		tells(487, "b", false).request("ACK")
}
