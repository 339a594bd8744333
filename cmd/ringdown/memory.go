package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapGrowth is how much the heap may grow before it is collected, in percent
// of what is live. Most of what is live lingers for SIP's 32 s after its call and
// would be marked again and again; GOGC in the environment goes before it.
const heapGrowth = 150

func setHeapGrowth() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}

// lingers is after how long the last of a call is forgotten.
const lingers = 37 * time.Second

// breather gives memory back after a burst of calls: when no call has ended, or
// nothing was collected, for as long as they linger. The collector runs when
// something is allocated, and keeps what it has freed at hand for more; on a
// node that has nothing to do any more the burst would stay resident.
type breather struct {
	collections func() uint64
	ended       func() uint64 // calls, ever
	giveBack    func()
}

func (n *node) breathe(ctx context.Context) error {
	b := breather{collections, func() (all uint64) {
		for _, v := range n.board.Stats().Outcomes {
			all += v
		}
		return all
	}, func() {
		runtime.GC() // what was pooled goes with the second
		debug.FreeOSMemory()
	}}
	b.run(ctx)
	return nil
}

// run ends with ctx.
func (b breather) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	count, given := b.collections(), b.ended()
	seen, now := given, time.Now()
	collected, quiet := now, now
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if n := b.collections(); n != count {
			count, collected = n, now
		}
		if n := b.ended(); n != seen {
			seen, quiet = n, now
		}
		if seen != given && max(now.Sub(collected), now.Sub(quiet)) >= lingers {
			given = seen
			b.giveBack()
		}
	}
}

// collections is how often the heap was collected.
func collections() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
