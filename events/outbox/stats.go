package outbox

import "time"

// Stats are the outbox's figures; counts are since Open.
type Stats struct {
	Backlog  int       // events on the disk that the bus has not acked
	Oldest   time.Time // time of the first event handed out and not acked
	Queued   int       // events in memory, waiting for the disk
	Bytes    int64     // of the log
	Segments int
	Full     bool

	Appended     uint64 // events made durable
	Acked        uint64
	Late         uint64 // durable more than 25 ms after they were published
	Refused      uint64 // told that they never will be
	QueueFull    uint64 // refused because the queue was full
	BeatsDropped uint64
	Syncs        uint64
	Faults       uint64 // writes or syncs that failed
	Torn         uint64 // segments with a torn tail, found by Open
	Quarantined  uint64 // records or segments that do not read as written
	Recalled     uint64 // numbers looked up in the log
	Strayed      uint64 // events that named another account than their call's
	Retired      uint64 // segments removed
	Early        uint64 // of them before Keep, because the cap pressed
}

// Stats returns the figures of now.
func (o *Outbox) Stats() Stats {
	full := o.Full()
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	s.Queued, s.Bytes, s.Segments, s.Full = len(o.queue), o.used, len(o.segs), full
	if len(o.flight) > 0 {
		s.Oldest = o.flight[0].time
	}
	return s
}

func (o *Outbox) count(f func(*Stats)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.stats)
}
