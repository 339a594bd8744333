package relay

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/kernel"
	"ringdown/media/mediatest"
)

// TestBelowCostsNoAllocation: neither a copy for the tap, nor taking over what a
// flow has counted, nor looking once a second whether a call may pass below.
func TestBelowCostsNoAllocation(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.kernel.stopTicking()
		w.relay.Tap(&deaf{})
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 2)
		o, f := w.pool.offload, w.relay.below[index(media.Caller)]
		if f == nil {
			t.Fatal("nothing passes below")
		}
		pkt, tag, at := w.caller.tone.Next(), f.flow.Tag, time.Now()
		c := kernel.Counts{}
		for what, do := range map[string]func(){
			"copy": func() { o.deliver(tag, at, pkt) },
			"counts": func() {
				c.Packets, c.Bytes, c.Last = c.Packets+1, c.Bytes+172, at
				w.relay.mu.Lock()
				w.relay.merge(f, c)
				w.relay.mu.Unlock()
			},
			"look": func() { w.relay.beat(at, (*Relay).slow) },
		} {
			if n := testing.AllocsPerRun(100, do); n != 0 {
				t.Errorf("%s: %v allocations", what, n)
			}
		}
	})
}
