package relay

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

// inForce is all that a negotiation decides of one side.
type inForce struct {
	ports     uint16
	desc      *sdp.Description
	dropped   bool
	rule      media.Rule
	sent      string
	version   uint64
	exact     endpoint
	rtcp      endpoint
	direction sdp.Direction
	ready     bool
	muted     bool
}

func (r *Relay) inForce() (out [2]inForce) {
	r.nego.Lock()
	defer r.nego.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range out {
		l, s := &r.legs[i], &r.sides[i]
		out[i] = inForce{l.pair.port, l.desc, l.dropped, l.rule.Rule, string(l.sent), l.version,
			s.source.exact, s.rtcp, s.direction, s.ready, s.muted}
	}
	return out
}

// TestRefusalsChangeNothing: whatever is negotiated in whatever order, over both
// IP versions, what returns an error leaves both sides as they were.
func TestRefusalsChangeNothing(t *testing.T) {
	network := mediatest.NewNetwork(1, mediatest.Link{})
	pool, err := NewPool(Config{Address: relayIP, Address6: relay6, Ports: "20000-29999"}, network.Listen, silent())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rapid.Check(t, func(t *rapid.T) {
		r, err := pool.NewRelay("call_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		body := func() []byte {
			place := rapid.SampledFrom([]string{"IN IP4 10.2.0.1", "IN IP4 10.2.0.2", "IN IP6 2001:db8:2::1", "IN IP4 0.0.0.0", "IN IP4 127.0.0.1"}).Draw(t, "place")
			types := rapid.SampledFrom([]string{"0 8", "8", "0", "18", "8 101"}).Draw(t, "types")
			port := rapid.SampledFrom([]int{4000, 4000, 4002, 0}).Draw(t, "port")
			proto := rapid.SampledFrom([]string{"AVP", "AVP", "AVP", "SAVP"}).Draw(t, "proto")
			way := rapid.SampledFrom([]string{"", "a=sendonly\r\n", "a=inactive\r\n"}).Draw(t, "way")
			return fmt.Appendf(nil, "v=0\r\no=- 1 1 %s\r\ns=-\r\nc=%s\r\nt=0 0\r\nm=audio %d RTP/%s %s\r\n%s", place, place, port, proto, types, way)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			side := rapid.SampledFrom([]media.Side{media.Caller, media.Callee}).Draw(t, "side")
			addr := netip.MustParseAddr(rapid.SampledFrom([]string{"10.2.0.1", "2001:db8:2::1"}).Draw(t, "addr"))
			steps := map[string]func() error{
				"offer":     func() error { _, err := r.Offer(side, body(), media.Source{}); return err },
				"answer":    func() error { _, err := r.Answer(side, body(), media.Source{}); return err },
				"reoffer":   func() error { _, err := r.Reoffer(side, body()); return err },
				"open":      func() error { _, err := r.Open(); return err },
				"join":      func() error { _, _, err := r.Join(side, body(), media.Source{}); return err },
				"present":   func() error { _, err := r.Present(side); return err },
				"take":      func() error { _, err := r.Take(side, body(), media.Source{}); return err },
				"ask":       func() error { _, err := r.Ask(side, body()); return err },
				"settle":    func() error { _, err := r.Settle(side, body()); return err },
				"over":      func() error { _, err := r.Over(side, addr, media.Source{}); return err },
				"invite":    func() error { _, err := r.Invite(side, addr, media.Source{}, r.Told(side)); return err },
				"replace":   func() error { _, err := r.Replace(side, body(), media.Source{}); return err },
				"replaceby": func() error { _, _, err := r.ReplaceBy(side, body(), media.Source{}); return err },
			}
			what := rapid.SampledFrom([]string{"offer", "answer", "answer", "reoffer", "reoffer", "open", "join", "present", "take", "take",
				"ask", "settle", "over", "invite", "invite", "replace", "replace", "replaceby"}).Draw(t, "what")
			before := r.inForce()
			if err := steps[what](); err != nil && r.inForce() != before {
				t.Fatalf("%s of the %s: %v, and what is in force went from\n%+v\nto\n%+v", what, side, err, before, r.inForce())
			}
		}
	})
}
