package locate

import "sync/atomic"

// Stats is what a Resolver has counted.
type Stats struct {
	Asked   uint64 // questions sent to name servers
	Hits    uint64 // answered from the cache
	Failed  uint64 // questions that no server could answer
	Stale   uint64 // answered with what was known before, because no server did
	Stray   uint64 // datagrams that were no answer to what was asked
	Refused uint64 // addresses in answers that nothing may be sent to
	Missed  uint64 // targets that lead nowhere
	Cached  int    // answers kept now
}

type counters struct{ asked, hits, failed, stale, stray, refused, missed atomic.Uint64 }

// Stats reads the counters.
func (r *Resolver) Stats() Stats {
	c := &r.count
	return Stats{
		Asked: c.asked.Load(), Hits: c.hits.Load(), Failed: c.failed.Load(), Stale: c.stale.Load(), Stray: c.stray.Load(),
		Refused: c.refused.Load(), Missed: c.missed.Load(), Cached: r.cache.size(),
	}
}
