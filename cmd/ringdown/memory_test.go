package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestBreather: memory is given back when calls have ended and nothing was
// collected for as long as they linger, once.
func TestBreather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var collected, ended, given atomic.Uint64
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go breather{
			collected.Load, ended.Load,
			func() { given.Add(1); collected.Add(1) },
		}.run(ctx)
		wait := func(d time.Duration, want uint64) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := given.Load(); n != want {
				t.Fatalf("given back %d times, want %d", n, want)
			}
		}
		wait(time.Hour, 0) // no call has ended
		collected.Add(1)
		ended.Store(5)
		wait(lingers, 0)
		wait(2*time.Second, 1)
		wait(time.Hour, 1) // nothing new
		ended.Add(1)
		wait(2*time.Second, 2) // long after the last collection
		ended.Add(1)
		for range 18 { // others allocate, but no call ends
			collected.Add(1)
			wait(2*time.Second, 2)
		}
		wait(4*time.Second, 3)
		for range 100 { // a busy node collects by itself
			ended.Add(1)
			collected.Add(1)
			wait(10*time.Second, 3)
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
