package main

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestBreather: memory is given back when calls have ended and nothing was
// collected for as long as they linger, once.
func TestBreather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var collected, ended uint64
		var given []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go breather{
			func() uint64 { return collected }, func() uint64 { return ended },
			func() { given = append(given, time.Since(start)); collected++ },
		}.run(ctx)
		wait := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if len(given) != want {
				t.Fatalf("given back at %v, want %d times", given, want)
			}
		}
		wait(time.Hour, 0) // no call has ended
		collected, ended = collected+1, 5
		wait(lingers, 0)
		wait(2*time.Second, 1)
		wait(time.Hour, 1) // nothing new
		ended++
		wait(2*time.Second, 2) // long after the last collection
		for range 100 {        // a busy node collects by itself
			ended++
			collected++
			wait(10*time.Second, 2)
		}
	})
}

func TestCollections(t *testing.T) {
	before := collections()
	runtime.GC()
	if after := collections(); after <= before {
		t.Errorf("%d collections, then %d", before, after)
	}
}
