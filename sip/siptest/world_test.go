package siptest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media/mediatest"
)

// world is two phones on a network in memory, inside a bubble.
type world struct {
	t          *testing.T
	ctx        context.Context
	alice, bob *Phone
	expected   bool // faults are the test's subject
}

// inBubble runs a test with two phones and holds them to account at the end: no
// faults, and nothing left running (synctest checks that).
func inBubble(t *testing.T, link mediatest.Link, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, link)
		w := &world{t: t, ctx: t.Context()}
		w.alice = newPhone(t, n, "alice", "192.0.2.1", Noise(1), []Codec{PCMU, PCMA})
		w.bob = newPhone(t, n, "bob", "192.0.2.2", Noise(2), []Codec{PCMA, PCMU})
		f(w)
		for _, p := range []*Phone{w.alice, w.bob} {
			if err := p.Close(); err != nil && !w.expected {
				t.Errorf("%s: %v", p.cfg.User, err)
			}
		}
	})
}

func newPhone(t *testing.T, n *mediatest.Network, user, host string, play Source, codecs []Codec) *Phone {
	t.Helper()
	p, err := New(Config{
		User: user, Play: play, Codecs: codecs,
		Conn:  listen(t, n, host+":5060"),
		Media: listen(t, n, host+":4000"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func listen(t *testing.T, n *mediatest.Network, at string) net.PacketConn {
	t.Helper()
	c, err := n.Listen(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call rings bob and waits until the call stands.
func (w *world) call(o CallOptions) (alice, bob *Dialog) {
	w.t.Helper()
	got := make(chan *Dialog, 1)
	w.bob.OnInvite(func(in *Incoming) {
		in.Ring()
		d, err := in.Answer(AnswerOptions{})
		if err != nil {
			w.t.Errorf("answer: %v", err)
		}
		got <- d
	})
	alice, err := w.alice.Call(w.ctx, w.bob.URI(), o)
	if err != nil {
		w.t.Fatalf("call: %v", err)
	}
	if err := alice.Answered(w.ctx); err != nil {
		w.t.Fatalf("answered: %v", err)
	}
	return alice, <-got
}

func (w *world) ended(d *Dialog, by string) End {
	w.t.Helper()
	e, err := d.Wait(w.ctx)
	if err != nil || e.By != by {
		w.t.Fatalf("end = %+v, %v; want by %q", e, err, by)
	}
	return e
}

// flow is what one phone saw, as "> INVITE 1" and "< 200 to INVITE 1".
func flow(p *Phone) string {
	var b strings.Builder
	for _, r := range p.Trace() {
		mark := "<"
		if r.Out {
			mark = ">"
		}
		if r.Dropped {
			mark = "x" + mark
		}
		b.WriteString(mark + " " + r.Message.title() + "\n")
	}
	return b.String()
}

func (w *world) wantFlow(p *Phone, want string) {
	w.t.Helper()
	want = strings.TrimLeft(strings.ReplaceAll(want, "\t", ""), "\n")
	if got := flow(p); got != want {
		w.t.Errorf("%s saw\n%swant\n%s", p.cfg.User, got, want)
	}
}

// wantFault checks that exactly these faults were found, by a part of their text.
func (w *world) wantFault(p *Phone, parts ...string) {
	w.t.Helper()
	w.expected = true
	all := p.Faults()
	if len(all) != len(parts) {
		w.t.Fatalf("faults = %v, want %d", all, len(parts))
	}
	for i, part := range parts {
		if !strings.Contains(all[i].Error(), part) {
			w.t.Errorf("fault %d = %v, want %q", i, all[i], part)
		}
	}
}

// pass lets the bubble's clock run.
func pass(d time.Duration) { time.Sleep(d) }
