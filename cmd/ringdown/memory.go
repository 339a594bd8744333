package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapGrowth is how much the heap may grow before it is collected, in percent
// of what is live. Most of what is live lingers for SIP's 32 s after its call and
// would be marked again and again; GOGC in the environment goes before it.
const heapGrowth = 200

func setHeapGrowth() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}

// lingers is after how long the last of a call is forgotten.
const lingers = 37 * time.Second

// breather gives memory back after a burst of calls. The collector runs when
// something is allocated; on a node that has nothing to do any more the burst
// would stay resident until its next turn, minutes later.
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
	}, debug.FreeOSMemory}
	b.run(ctx)
	return nil
}

// run ends with ctx.
func (b breather) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	count, since := b.collections(), time.Now()
	given := b.ended()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if now := b.collections(); now != count {
			count, since = now, time.Now()
		}
		if ended := b.ended(); ended != given && time.Since(since) >= lingers {
			given = ended
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
