package natsbus

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/events/outbox"
)

// Run delivers what box holds, from its ack cursor on, until ctx ends, the
// outbox is closed or the bus is. It returns nil then: what is not delivered
// stays in the outbox.
func (b *Bus) Run(ctx context.Context, box *outbox.Outbox) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	if b.closed || b.box != nil {
		b.mu.Unlock()
		return errors.New("natsbus: runs already or is closed")
	}
	b.box, b.cancel = box, cancel
	b.done.Add(1)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.box = nil
		b.notify()
		b.mu.Unlock()
		b.done.Done()
	}()
	if !b.prepare(ctx) {
		return nil
	}
	box.Rewind()
	// One goroutine a lane; a call is always in the same one, so its events are
	// delivered one after the other. They end when their channel does.
	lanes := make([]chan outbox.Record, b.cfg.Workers)
	var wg sync.WaitGroup
	stored := make(chan outbox.Record, 8192) // what comes between two syncs
	var settled sync.WaitGroup
	settled.Go(func() { b.settle(box, stored) }) // ends when the lanes have
	for i := range lanes {
		lanes[i] = make(chan outbox.Record, 16)
		wg.Go(func() { b.lane(ctx, lanes[i], stored) })
	}
	b.spread(ctx, box, lanes)
	for _, l := range lanes {
		close(l)
	}
	wg.Wait()
	close(stored)
	settled.Wait()
	return nil
}

// spread hands each record to the lane of its call.
func (b *Bus) spread(ctx context.Context, box *outbox.Outbox, lanes []chan outbox.Record) {
	for {
		r, err := box.Next(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, outbox.ErrClosed):
			return
		default: // the disk: the record comes again
			b.log.Error("nats: outbox not read", "error", err)
			if !pause(ctx, maxBackoff) {
				return
			}
			continue
		}
		h := fnv.New32a()
		h.Write([]byte(r.Call))
		select {
		case lanes[h.Sum32()%uint32(len(lanes))] <- r:
		case <-ctx.Done():
			return
		}
	}
}

// maxKnown bounds what a lane remembers; what it forgot it reads again.
const maxKnown = 4096

// standing is what is known of a call's last message in the stream.
type standing struct {
	number uint64 // in the stream; 0: there is none
	seq    uint64 // in the call
}

// lane delivers the records of its calls one after the other and tells stored.
func (b *Bus) lane(ctx context.Context, in <-chan outbox.Record, stored chan<- outbox.Record) {
	known := make(map[string]standing)
	for r := range in {
		var last *standing
		if s, ok := known[r.Call]; ok || r.Seq == 1 {
			last = &s
		}
		now, ok := b.deliver(ctx, r, last)
		if !ok {
			continue // stopped: it stays in the outbox
		}
		if len(known) >= maxKnown {
			clear(known)
		}
		if now == nil || r.Type == events.CallEnded && now.seq == r.Seq {
			delete(known, r.Call) // not known, or likely the last of it
		} else {
			known[r.Call] = *now
		}
		r.Body = nil // it may wait for a while
		stored <- r
	}
}

// deliver brings r into the stream, once. last is where the call stands there,
// nil when that is not known. It returns where it stands then, nil again when
// it is not known; false when ctx ended first.
//
// Every publish names the number that the call's last message must have, so a
// message can be stored by at most one try, also when an earlier one arrives
// late. After each try whose outcome is not known the stream is read: if it
// holds r, an ack was lost. The broker's own memory of ids is not relied on.
func (b *Bus) deliver(ctx context.Context, r outbox.Record, last *standing) (*standing, bool) {
	filter := events.CallSubject(r.Account, r.Call) + ">"
	for backoff := minBackoff; ; {
		if ctx.Err() != nil {
			return nil, false
		}
		var err error
		if last == nil {
			last, err = b.look(ctx, r, filter)
		}
		if err == nil && last.seq >= r.Seq {
			b.counts.found.Add(1)
			return last, true
		}
		if err == nil {
			var n uint64
			n, err = b.wire.publish(ctx, r.Subject(), r.ID(), r.Body, filter, last.number)
			if err == nil {
				b.counts.published.Add(1)
				b.flows()
				return &standing{n, r.Seq}, true
			}
		}
		last = nil
		if errors.Is(err, errStored) {
			b.counts.found.Add(1)
			return nil, true
		}
		if errors.Is(err, errMoved) {
			b.counts.refused.Add(1)
			if backoff == minBackoff { // the first time, read at once
				backoff *= 2
				continue
			}
		} else {
			b.counts.retries.Add(1)
			b.stalled(err)
		}
		if !pause(ctx, backoff) {
			return nil, false
		}
		if backoff = min(2*backoff, maxBackoff); backoff == maxBackoff {
			b.check(ctx) // perhaps there is no stream any more
		}
	}
}

// flows notes that an event was taken; what settle has found stays.
func (b *Bus) flows() {
	if !b.fatal.Load() && b.stall.Load() != nil {
		b.stall.Store(nil)
	}
}

// stalled notes why an event was not taken: a stream that is there and looks
// right may still be full. It is logged once until something is taken again.
func (b *Bus) stalled(err error) {
	why := err.Error()
	if b.fatal.Load() {
		return
	}
	if b.stall.Swap(&why) == nil {
		b.log.Warn("nats: event not taken: it waits in the outbox", "error", why)
	}
}

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// look reads where the call stands in the stream.
func (b *Bus) look(ctx context.Context, r outbox.Record, filter string) (*standing, error) {
	b.counts.doubts.Add(1)
	number, body, err := b.wire.last(ctx, filter)
	if err != nil {
		return nil, err
	}
	if number == 0 {
		return &standing{}, nil
	}
	e, err := events.Decode(body)
	if err != nil {
		// Someone else wrote there. Ours goes behind it.
		b.log.Error("nats: foreign message among a call's events", "call", r.Call, "number", number)
		return &standing{number: number, seq: r.Seq - 1}, nil
	}
	if e.Seq == r.Seq && !bytes.Equal(body, r.Body) {
		b.counts.conflicts.Add(1)
		b.log.Error("nats: another event with the same id is in the stream", "id", r.ID(), "theirs", e.Type, "ours", r.Type)
	}
	return &standing{number, e.Seq}, nil
}

// prepare waits for the stream; false when ctx ended.
func (b *Bus) prepare(ctx context.Context) bool {
	for backoff := minBackoff; !b.check(ctx); backoff = min(2*backoff, maxBackoff) {
		if !pause(ctx, backoff) {
			return false
		}
	}
	return true
}

// check looks at the stream and notes what Ready says of it.
func (b *Bus) check(ctx context.Context) bool {
	why := ""
	if err := b.wire.ready(ctx); err != nil {
		why = err.Error()
	}
	if old := b.stream.Swap(&why); why != "" && (old == nil || *old != why) {
		b.log.Warn("nats: stream cannot be used: events wait in the outbox", "error", why)
	}
	return why == ""
}

// pause waits d; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// notify tells Flush that something was acked; b.mu is held.
func (b *Bus) notify() {
	close(b.acked)
	b.acked = make(chan struct{})
}
