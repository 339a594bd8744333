package call

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is in a window is what happened in it: never less, and exactly that while
// there is room for all moments and keys.
func TestWindowsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const over = 10 * time.Second
		w := newWindows(4)
		all := map[windowKey][]moment{}
		now := zero
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			key := windowKey{kind: "x", of: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")}
			units := rapid.IntRange(1, 5).Draw(t, "units")
			w.add(key, now, over, units)
			all[key] = append(all[key], moment{now, units})
			for key, moments := range all {
				want := 0
				for _, m := range moments {
					if now.Sub(m.at) < over {
						want += m.units
					}
				}
				if got := w.sum(key, now, over); got != want {
					t.Fatalf("%v holds %d, want %d", key, got, want)
				}
			}
		}
	})
}

// Neither keys nor moments grow without bound, and of too many moments none is lost.
func TestWindowsAreBounded(t *testing.T) {
	w := newWindows(100)
	busy := windowKey{of: "busy"}
	for i := range 10_000 {
		w.add(windowKey{who: uint64(i)}, zero, time.Hour, 1)
		w.add(busy, zero, time.Hour, 1)
	}
	if len(w.of) != 100 || w.last.Len() != 100 {
		t.Errorf("%d keys are kept", len(w.of))
	}
	if n := len(w.of[busy].Value.(*window).moments); n > mostMoments {
		t.Errorf("%d moments are kept", n)
	}
	if n := w.sum(busy, zero, time.Hour); n != 10_000 {
		t.Errorf("%d of 10000 are counted", n)
	}
}

func TestWindowsKnow(t *testing.T) {
	w := newWindows(10)
	key := windowKey{who: 7}
	for i, c := range []struct {
		after time.Duration
		known bool
	}{{0, false}, {time.Minute, true}, {50 * time.Minute, true}, {61 * time.Minute, false}} {
		if got := w.known(key, zero.Add(c.after+map[bool]time.Duration{true: 50 * time.Minute}[i == 3]), time.Hour); got != c.known {
			t.Errorf("%d: known %v", i, got)
		}
	}
	w.forget(key)
	w.forget(key)
	if w.known(key, zero, time.Hour) {
		t.Error("known though it was forgotten: " + fmt.Sprint(w.of))
	}
}
