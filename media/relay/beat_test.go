package relay

import (
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
