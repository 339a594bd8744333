//go:build interop

package interop

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// live is how many calls are up when the goodbye comes.
const live = 5

// TestGoodbye sends SIGTERM under live calls, once and twice.
func TestGoodbye(t *testing.T) {
	t.Run("once: calls go on and end as they like", goodbyeOnce)
	t.Run("twice: calls are cut", goodbyeTwice)
}

func goodbyeOnce(t *testing.T) {
	n, p, calls := partWith(t, "127.0.13")
	n.signal(t, syscall.SIGTERM)
	n.says(t, "draining", 5*time.Second)
	refused(t, n, p)
	if status, _ := n.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while draining: %d", status)
	}
	for i, c := range calls {
		c.hear(t, 25)
		c.intact(t, fmt.Sprintf("call %d while draining", i+1))
	}
	if !n.running() {
		t.Fatalf("serve ended under live calls:\n%s", n.out.tail())
	}
	for _, c := range calls {
		c.hangup(t)
	}
	hungUp := time.Now()
	code := n.code(t, 30*time.Second)
	took := time.Since(hungUp)
	t.Logf("exit %d, %v after the last call was hung up", code, took.Round(time.Millisecond))
	if code != 0 || took > 2*time.Second {
		t.Errorf("exit %d after %v; it said\n%s", code, took, n.out.tail())
	}
	n.calm(t)
	for _, s := range n.afterwards(t, live+1) {
		end := s.last("call.ended")
		if end.Status == "rejected" {
			s.whole(t)
			continue // the one that came too late
		}
		s.completed(t)
		if end.EndedBy != "caller" || end.Estimated {
			t.Errorf("%s: ended by %q, estimated %v", s.id, end.EndedBy, end.Estimated)
		}
	}
}

func goodbyeTwice(t *testing.T) {
	n, _, calls := partWith(t, "127.0.14")
	n.signal(t, syscall.SIGTERM)
	n.says(t, "draining", 5*time.Second)
	calls[0].hear(t, 5)
	n.signal(t, syscall.SIGTERM)
	cut := time.Now()
	for _, c := range calls {
		c.over(t, "remote")
	}
	code := n.code(t, 30*time.Second)
	took := time.Since(cut)
	t.Logf("exit %d, %v after the second signal", code, took.Round(time.Millisecond))
	if code != 1 || took > 10*time.Second {
		t.Errorf("exit %d after %v; it said\n%s", code, took, n.out.tail())
	}
	n.calm(t)
	for _, s := range n.afterwards(t, live) {
		s.completed(t)
		if end := s.last("call.ended"); end.EndedBy != "operator" || end.Estimated {
			t.Errorf("%s: ended by %q, estimated %v", s.id, end.EndedBy, end.Estimated)
		}
	}
}

// partWith starts a node with live calls.
func partWith(t *testing.T, net string) (*node, *pair, []*conversation) {
	t.Helper()
	n := newNode(t, plan{Host: net + ".1", Sources: net + ".2", Agent: freePort(t, net+".3")})
	n.start(t)
	p := newPair(t, n, net+".2", siptest.PCMA, siptest.Noise(1))
	var calls []*conversation
	for range live {
		calls = append(calls, p.call(t, siptest.CallOptions{}))
	}
	return n, p, calls
}

// refused wants new calls and OPTIONS to hear 503 with Retry-After, and the
// balancer that the node is not ready.
func refused(t *testing.T, n *node, p *pair) {
	t.Helper()
	c, err := p.try(siptest.CallOptions{})
	var no *siptest.Refused
	if !errors.As(err, &no) || no.Status != 503 {
		t.Errorf("a new call: %v, want 503", err)
	} else {
		all := c.a.Responses()
		if wait := all[len(all)-1].Get("Retry-After"); wait == "" {
			t.Error("a new call: 503 without Retry-After")
		}
	}
	m := probe(t, p.caller.Addr().Addr().String()+":0", n.SIP, "OPTIONS", 5*time.Second)
	switch {
	case m == nil:
		t.Error("OPTIONS: no answer")
	case m.Status != 503 || m.Get("Retry-After") == "":
		t.Errorf("OPTIONS: %d, Retry-After %q", m.Status, m.Get("Retry-After"))
	}
	if status, _ := n.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
}

// afterwards starts the node again and reads what it had told before: all of it
// must be in JetStream, every recording must open, and the restart must add
// nothing to what was whole.
func (n *node) afterwards(t *testing.T, want int) []*story {
	t.Helper()
	n.start(t)
	all := n.settled(t, want)
	file := filepath.Join(t.TempDir(), "call.wav")
	for _, s := range all {
		if s.recording() == "" {
			continue
		}
		channels, end := n.export(t, s, file), s.last("call.ended")
		if off := ms(channels[0]) - end.TalkMS; off < -60 || off > 60 {
			t.Errorf("%s: recording has %d ms, talked %d ms", s.id, ms(channels[0]), end.TalkMS)
		}
	}
	n.stop(t)
	return all
}
