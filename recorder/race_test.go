package recorder

import (
	"context"
	"sync"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

// Everyone at once, as in a real node: two relay goroutines, the call that
// pauses and renegotiates, the metrics that look, the sync, the end. Under the
// race detector this is the test of every lock; without it, of the account:
// what came is kept, dropped, or came during a pause.
func TestEveryoneAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		w.run(t)
		r := w.open()
		var all sync.WaitGroup
		stop := make(chan struct{})
		every := func(d time.Duration, f func(n int)) {
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(d):
						f(n)
					}
				}
			})
		}
		for _, side := range []media.Side{media.Caller, media.Callee} {
			every(20*time.Millisecond, func(n int) { r.Packet(spoken(side, n)) })
		}
		every(700*time.Millisecond, func(n int) {
			if n%2 == 0 {
				r.Pause("callee", "keypad")
			} else {
				r.Resume("caller", "keypad")
			}
		})
		every(900*time.Millisecond, func(int) { describe(r) })
		every(50*time.Millisecond, func(int) {
			if s := w.rec.Stats(); s.Open != 1 || s.LagMax > 300*time.Millisecond {
				t.Errorf("stats %+v", s)
			}
		})
		every(1100*time.Millisecond, func(int) {
			if _, err := w.rec.List(context.Background(), Filter{}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second)
		close(stop)
		all.Wait()
		var closing sync.WaitGroup
		ended := time.Now()
		for range 3 {
			closing.Go(func() { r.Close(ended) })
		}
		closing.Wait()

		ms, err := w.rec.Verify(context.Background(), r.ID(), true)
		if err != nil {
			t.Fatal(err)
		}
		records := w.contentsOf(w.file(".ctr") + ".ctr")
		if got := uint64(len(only[format.Audio](records))); got != ms[0].Caller.Packets+ms[0].Callee.Packets || got < 400 || got > 600 {
			t.Errorf("%d packets on the disk, the manifest counts %d and %d", got, ms[0].Caller.Packets, ms[0].Callee.Packets)
		}
		for _, a := range only[format.Audio](records) {
			ms := a.At.Milliseconds()
			for _, p := range only[format.Gap](records) {
				if p.Cause == format.CausePaused && ms > p.From.Milliseconds() && ms < p.To.Milliseconds() {
					t.Fatalf("a packet of %v was kept in the pause from %v to %v", a.At, p.From, p.To)
				}
			}
		}
		if got := len(of[events.RecordingCompletedData](w.told)); got != 1 {
			t.Errorf("the end was told %d times", got)
		}
	})
}
