package outbox

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Run writes until ctx ends or Close is called; then it writes what is queued,
// saves the cursor and returns. It runs once.
func (o *Outbox) Run(ctx context.Context) error {
	o.mu.Lock()
	if o.closed || o.running {
		o.mu.Unlock()
		return errors.New("outbox: runs already or is closed")
	}
	o.running = true
	o.mu.Unlock()
	defer close(o.stopped)

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var left []*item
	var again <-chan time.Time
	for backoff := firstBackoff; ; {
		select {
		case <-ctx.Done():
			o.finish(left)
			return nil
		case <-o.stop:
			o.finish(left)
			return nil
		case <-tick.C:
			o.upkeep(len(left) == 0)
			continue
		case <-again:
		case <-o.wake:
			if again != nil {
				continue // what is queued waits behind what is left
			}
		}
		o.gather(ctx)
		left = o.commit(append(left, o.take(batch)...))
		o.synced = time.Now()
		if len(left) == 0 {
			again, backoff = nil, firstBackoff
			if o.queued() > 0 {
				again = time.After(0)
			}
			continue
		}
		again = time.After(backoff)
		backoff = min(2*backoff, time.Second)
	}
}

const firstBackoff = 50 * time.Millisecond

// gather lets a group come together: it returns when the pace allows the next
// sync or a whole group is waiting.
func (o *Outbox) gather(ctx context.Context) {
	wait := pace - time.Since(o.synced)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for o.queued() < group {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-o.stop:
			return
		case <-o.wake:
		}
	}
}

// finish writes what is there, with a few tries, and refuses the rest aloud.
func (o *Outbox) finish(left []*item) {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	left = append(left, o.take(1<<62)...)
	for range 5 {
		if left = o.commit(left); len(left) == 0 {
			break
		}
		time.Sleep(firstBackoff) // the disk's turn; nobody else is served any more
	}
	if len(left) > 0 {
		o.log.Error("outbox: closed with events that the disk did not take", "events", len(left))
		o.settleAll(left)
	}
	o.saveCursor()
}

// upkeep is what is done each second: the cursor saved, the reserve made whole,
// a failed disk tried again, and each minute old segments removed.
func (o *Outbox) upkeep(idle bool) {
	o.ticks++
	o.saveCursor()
	o.mu.Lock()
	gone, sick := o.spaceGone, o.sick
	o.mu.Unlock()
	if gone && o.d.reserve(o.cfg.Reserve) == nil {
		o.mu.Lock()
		o.spaceGone = false
		o.mu.Unlock()
		o.log.Info("outbox: room again")
	}
	if sick && idle {
		if err := o.write(nil); err != nil {
			o.fault(err)
		}
	}
	if o.ticks%60 == 0 || o.pressed() {
		o.retire(time.Now())
	}
}

// pressed reports whether the log is above 70 % of its cap.
func (o *Outbox) pressed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.used >= o.cfg.Cap/10*7
}

// done takes a group that is on the disk into what readers see.
func (o *Outbox) done(begun *segment, told int) {
	size, records := o.app.written()
	o.mu.Lock()
	defer o.mu.Unlock()
	if begun != nil {
		o.segs = append(o.segs, begun)
	}
	o.used += size - o.app.seg.size
	o.app.seg.size, o.app.seg.records = size, records
	o.sick = false
	o.stats.Appended += uint64(told)
	o.stats.Backlog += told
	o.stats.Syncs++
	o.notify()
	switch near := o.used >= o.cfg.Cap/10*7; {
	case near && !o.warned:
		o.warned = true
		o.log.Warn("outbox: more than 70 % of its cap", "bytes", o.used, "backlog", o.stats.Backlog)
	case !near:
		o.warned = false
	}
}

// left takes in a segment that was begun and failed, so that it is removed in
// its time.
func (o *Outbox) left(begun *segment) {
	if begun == nil {
		return
	}
	if size, err := o.d.size(begun.name()); err == nil {
		begun.size = size
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.segs = append(o.segs, begun)
	o.used += begun.size
}

// notify wakes readers; o.mu is held.
func (o *Outbox) notify() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// retire removes segments from the beginning of the log: wholly acked longer
// than Keep ago, or wholly acked at all when the cap presses (the bus has them;
// refusing calls for the sake of a second copy would be the greater harm), and
// needed by no open call. A damaged one is put aside.
func (o *Outbox) retire(now time.Time) {
	pressed := o.pressed()
	o.mu.Lock()
	limit := o.ledger.oldest(o.cursor.segment)
	var old []*segment
	for i, g := range o.segs {
		if i == len(o.segs)-1 || g.n >= limit || g.acked.IsZero() {
			break
		}
		if now.Sub(g.acked) < o.cfg.Keep {
			if !pressed {
				break
			}
			o.stats.Early++
		}
		old = append(old, g)
	}
	o.mu.Unlock()
	for _, g := range old {
		var err error
		if g.damaged {
			err = o.d.rename(g.name(), g.name()+".damaged")
		} else {
			err = o.d.remove(g.name())
		}
		if err != nil {
			o.log.Error("outbox: old segment not removed", "segment", g.n, "error", err)
			return
		}
		o.mu.Lock()
		o.segs = o.segs[1:]
		o.used -= g.size
		o.stats.Retired++
		o.mu.Unlock()
	}
}

// teller calls durables one after the other in a goroutine of its own, which
// ends when there is nothing left to tell: no lock of ours is held, and a slow
// owner does not hold up the disk.
type teller struct {
	mu    sync.Mutex
	queue []func()
	busy  bool
	wg    sync.WaitGroup
}

func (t *teller) tell(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, f)
	if !t.busy {
		t.busy = true
		t.wg.Go(t.run)
	}
}

func (t *teller) run() {
	for {
		t.mu.Lock()
		todo := t.queue
		t.queue = nil
		t.busy = len(todo) > 0
		t.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, f := range todo {
			f()
		}
	}
}

func (t *teller) wait() { t.wg.Wait() }
