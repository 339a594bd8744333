package recorder

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxSyncs is how many files are forced to the disk at a time. One that does
// not answer holds one of these places and nothing else.
const maxSyncs = 32

type counters struct {
	dropped, written, completed, failed, recovered atomic.Uint64
	left                                           atomic.Int64
	syncMax                                        atomic.Int64 // of the round before
	syncNow                                        atomic.Int64 // of this one
}

// Stats is what the recorder has counted since it began.
type Stats struct {
	Open      int           // recordings
	LagMax    time.Duration // age of the oldest packet that is not written, of all open recordings
	Dropped   uint64        // packets that came and were not kept
	Written   uint64        // bytes
	Completed uint64        // recordings
	Failed    uint64        // times that a recording could not be opened or went on unwritten
	Recovered uint64        // parts finished after a crash
	Left      int           // parts that the last Recover could not finish
	SyncMax   time.Duration // slowest sync of the last round
}

// Stats may be called at any time.
func (r *Recorder) Stats() Stats {
	c := &r.counters
	s := Stats{
		Dropped: c.dropped.Load(), Written: c.written.Load(), Completed: c.completed.Load(),
		Failed: c.failed.Load(), Recovered: c.recovered.Load(), Left: int(c.left.Load()),
		SyncMax: time.Duration(max(c.syncMax.Load(), c.syncNow.Load())),
	}
	for _, rec := range r.live() {
		s.Open++
		s.LagMax = max(s.LagMax, rec.lag())
	}
	return s
}

// live copies the set of open recordings, so that nothing is done under the lock.
func (r *Recorder) live() []*Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*Recording, 0, len(r.open))
	for rec := range r.open {
		out = append(out, rec)
	}
	return out
}

// lag is the age of the oldest packet that is not written.
func (r *Recording) lag() time.Duration {
	oldest := time.Duration(r.shared.oldest.Load())
	if at, ok := r.in.oldest(); ok && (oldest < 0 || at < oldest) {
		oldest = at
	}
	if oldest < 0 {
		return 0
	}
	return max(time.Since(r.in.zero())-oldest, 0)
}

// syncAll starts a sync of every file that has been written to. It waits for
// none: a file whose last sync is still under way is passed over, and so is
// everything while no place is free.
func (r *Recorder) syncAll(syncs *sync.WaitGroup, free chan struct{}) {
	r.counters.syncMax.Store(r.counters.syncNow.Swap(0))
	for _, rec := range r.live() {
		p := rec.shared.part.Load()
		if p == nil || !p.dirty.Load() || !p.syncing.CompareAndSwap(false, true) {
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			p.syncing.Store(false)
			return
		}
		syncs.Go(func() {
			begun := time.Now()
			err := p.sync()
			r.slowest(time.Since(begun))
			p.syncing.Store(false)
			<-free
			if err != nil {
				rec.kick()
			}
		})
	}
}

func (r *Recorder) slowest(took time.Duration) {
	for {
		old := r.counters.syncNow.Load()
		if int64(took) <= old || r.counters.syncNow.CompareAndSwap(old, int64(took)) {
			return
		}
	}
}
