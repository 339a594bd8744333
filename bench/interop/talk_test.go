//go:build interop

package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// limit bounds whatever should take a moment.
const limit = 15 * time.Second

// pair is a caller and a destination, our own phones, at a node.
type pair struct {
	n              *node
	caller, callee *siptest.Phone
	answered       chan *siptest.Dialog // of the callee, in order
}

// conversation is one call as both phones have it.
type conversation struct{ a, b *siptest.Dialog }

// newPair starts both phones; the callee listens where the node's flow dials.
func newPair(t *testing.T, n *node, callerIP string, codec siptest.Codec, says siptest.Source) *pair {
	t.Helper()
	p := &pair{n: n, answered: make(chan *siptest.Dialog, 64)}
	p.caller = newPhone(t, siptest.Config{User: "carrier", Codecs: []siptest.Codec{codec}, Play: says}, callerIP+":0")
	p.callee = newPhone(t, siptest.Config{User: "agent", Codecs: []siptest.Codec{codec}, Play: siptest.Noise(2)}, n.Agent)
	p.callee.OnInvite(func(in *siptest.Incoming) {
		if err := in.Ring(); err != nil {
			return // cancelled already
		}
		if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
			p.answered <- d
		}
	})
	return p
}

// newPhone makes a phone whose faults are the test's.
func newPhone(t *testing.T, c siptest.Config, address string) *siptest.Phone {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	c.Conn, c.Media = listenUDP(t, address), listenUDP(t, host+":0")
	p, err := siptest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("phone %s: %v", c.User, err)
		}
	})
	return p
}

func listenUDP(t *testing.T, address string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call makes a call and waits until both hear each other.
func (p *pair) call(t *testing.T, o siptest.CallOptions) *conversation {
	t.Helper()
	c, err := p.try(o)
	if err != nil {
		t.Fatalf("call: %v; serve said\n%s", err, p.n.out.tail())
	}
	c.hear(t, 5)
	return c
}

// try makes a call and waits for its answer or refusal.
func (p *pair) try(o siptest.CallOptions) (*conversation, error) {
	for len(p.answered) > 0 {
		<-p.answered // of a call whose caller was refused all the same
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	a, err := p.caller.Call(ctx, p.n.uri(), o)
	if err != nil {
		return nil, err
	}
	if err := a.Answered(ctx); err != nil {
		return &conversation{a: a}, err
	}
	select {
	case b := <-p.answered:
		return &conversation{a, b}, nil
	case <-ctx.Done():
		return nil, errors.New("the callee never answered")
	}
}

// hear waits until both sides have heard k more packets.
func (c *conversation) hear(t *testing.T, k int) {
	t.Helper()
	a, b := c.a.Heard().Packets+k, c.b.Heard().Packets+k
	eventually(t, limit, fmt.Sprintf("%d more packets both ways", k), func() bool {
		return c.a.Heard().Packets >= a && c.b.Heard().Packets >= b
	})
}

// hangup ends it from the caller's side and wants both to have ended by it.
func (c *conversation) hangup(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := c.a.Hangup(ctx); err != nil {
		t.Errorf("hang up: %v", err)
	}
	c.over(t, "remote")
}

// over waits until the callee's call has ended, and wants to know by whom.
func (c *conversation) over(t *testing.T, by string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	end, err := c.b.Wait(ctx)
	if err != nil || end.By != by {
		t.Errorf("the callee's call ended by %q, want %q: %v", end.By, by, err)
	}
}

// intact wants that neither side has missed or doubled a packet.
func (c *conversation) intact(t *testing.T, what string) {
	t.Helper()
	for name, h := range map[string]siptest.Heard{"caller": c.a.Heard(), "callee": c.b.Heard()} {
		t.Logf("%s: the %s heard %d packets, missed %d, longest gap %v", what, name, h.Packets, h.Missing, h.Gap.Round(time.Millisecond))
		if h.Missing > 0 || h.Duplicates > 0 || h.Malformed > 0 || h.Sources != 1 {
			t.Errorf("%s: the %s missed %d, %d doubled, %d malformed, %d sources", what, name, h.Missing, h.Duplicates, h.Malformed, h.Sources)
		}
	}
}

// probe sends one SIP request from an address, again and again as RFC 3261 has
// it over UDP (T1 is 500 ms), and returns the final answer; nil when none came.
func probe(t *testing.T, from, to, method string, patience time.Duration) *siptest.Message {
	t.Helper()
	c := listenUDP(t, from)
	defer c.Close()
	text := request(method, "sip:"+tracking+"@"+to, c.LocalAddr().String())
	buf := make([]byte, 65536)
	for begun := time.Now(); time.Since(begun) < patience; {
		send(t, c, to, text)
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			k, _, err := c.ReadFrom(buf)
			if err != nil {
				break
			}
			m, err := siptest.Parse(buf[:k])
			if err != nil {
				t.Fatalf("probe: an answer that is none: %v", err)
			}
			if m.Status >= 200 {
				return m
			}
		}
	}
	return nil
}

// request is a plain request without a body.
func request(method, uri, from string) []byte {
	id := rand.Text()
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:probe@%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:probe@%s>\r\nContent-Length: 0\r\n\r\n",
		method, uri, from, id, from, id, uri, id, method, from)
}

func send(t *testing.T, c net.PacketConn, to string, b []byte) {
	t.Helper()
	address, err := net.ResolveUDPAddr("udp4", to)
	if err == nil {
		_, err = c.WriteTo(b, address)
	}
	if err != nil {
		t.Fatal(err)
	}
}
