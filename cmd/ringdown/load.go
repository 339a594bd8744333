package main

import (
	"context"
	"sync/atomic"
	"time"
)

// A node that is late with everything does the calls it has a service by taking
// no more.
const (
	lagEvery  = 50 * time.Millisecond
	lagLimit  = 250 * time.Millisecond // half of T1: more, and callers repeat what they have sent
	lagTwice  = 2                      // so many wake-ups in a row: one alone is a pause, not a load
	lagMemory = 2 * time.Second        // how long that counts
)

// lag measures how late goroutines are woken: what is left when processors,
// memory or the scheduler are short, whatever the reason.
type lag struct {
	late  int          // wake-ups in a row; of run's goroutine
	until atomic.Int64 // while it is too long, unix nanoseconds
}

// run measures until ctx ends.
func (l *lag) run(ctx context.Context) error {
	tick := time.NewTimer(lagEvery)
	defer tick.Stop()
	for {
		due := time.Now().Add(lagEvery)
		tick.Reset(lagEvery)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		l.woken(due, time.Now())
	}
}

// woken notes a wake-up that was due at one time and came at another.
func (l *lag) woken(due, at time.Time) {
	if at.Sub(due) <= lagLimit {
		l.late = 0
		return
	}
	if l.late++; l.late >= lagTwice {
		l.until.Store(at.Add(lagMemory).UnixNano())
	}
}

// tooLong reports whether the node is, or was a moment ago, late.
func (l *lag) tooLong(now time.Time) bool { return now.UnixNano() < l.until.Load() }

// pairsACall is what a call takes of the media ports: one pair for either side.
const pairsACall = 2

// busy says why no more calls are taken at this moment, empty when they are.
func (n *node) busy() string {
	switch {
	case n.pool.Free() < pairsACall:
		return "no media ports left"
	case n.lag.tooLong(time.Now()):
		return "the node is late"
	}
	return ""
}
