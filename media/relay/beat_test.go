package relay

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media/mediatest"
)

// TestBeat: each relay gets its turn once a second, and every 20 ms while it
// asks for it; the clock stands still without relays.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		var all [25]*Relay
		for i := range all {
			all[i] = &Relay{pool: &Pool{}}
			b.join(all[i])
		}
		most, least := 0, len(all)
		for _, s := range b.slots {
			most, least = max(most, len(s)), min(least, len(s))
		}
		if most != 3 || least != 2 {
			t.Errorf("%d to %d relays in a tenth of a second", least, most)
		}
		b.hurry(all[3])
		b.hurry(all[3])
		time.Sleep(time.Second)
		synctest.Wait()
		if len(b.fast) != 1 {
			t.Errorf("%d in a hurry", len(b.fast))
		}
		b.rest(all[3])
		for _, r := range all {
			b.leave(r)
		}
		synctest.Wait() // the bubble ends only when the clock's goroutine has
		if b.count != 0 {
			t.Errorf("%d relays left", b.count)
		}
		b.join(all[0])
		time.Sleep(time.Second)
		b.leave(all[0])
	})
}

// TestRoundIsInNobodysWay: one that waits for the kernel holds no turn up, and no
// second one begins beside it, whatever comes and goes meanwhile.
func TestRoundIsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, all atomic.Int64
		open := make(chan struct{})
		b := beat{round: func() {
			most.Store(max(most.Load(), running.Add(1)))
			all.Add(1)
			<-open
			running.Add(-1)
		}}
		next := func() int {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.next
		}
		r := &Relay{pool: &Pool{}}
		b.join(r)
		time.Sleep(1550 * time.Millisecond)
		if got := next(); got != 5 {
			t.Errorf("the clock stands at turn %d of the second second", got)
		}
		b.leave(r) // and another clock begins
		b.join(r)
		time.Sleep(3050 * time.Millisecond)
		if most.Load() != 1 || all.Load() != 1 {
			t.Errorf("%d rounds, %d at a time", all.Load(), most.Load())
		}
		close(open)
		time.Sleep(2 * time.Second)
		if most.Load() != 1 || all.Load() < 3 {
			t.Errorf("%d rounds, %d at a time, after the one that waited", all.Load(), most.Load())
		}
		b.leave(r)
	})
}

// TestTurnPanics: what goes wrong in a turn costs this turn and is counted.
func TestTurnPanics(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		for range 2 {
			w.relay.beat(time.Now(), func(*Relay, time.Time) { panic("injected") })
		}
		if n := w.pool.Stats().Panics; n != 2 {
			t.Errorf("%d panics counted", n)
		}
		w.relay.Close()
		w.relay.beat(time.Now(), func(*Relay, time.Time) { t.Error("a closed relay got a turn") })
		w.pool.engine.panics.Store(0) // those above were ours
	})
}
