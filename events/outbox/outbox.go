// Package outbox keeps events on our own disk before anyone is told of them:
// a sealed log in segments, group-committed, with the number of each event in
// its call and a cursor of what the bus has taken.
//
// It is the truth about what happened; the broker is transport. It knows no
// broker and no call: events/natsbus reads it, cmd asks it for the calls an
// earlier process left open. It refuses rather than loses: an event is on the
// disk, or its owner is told that it never will be, and those that close
// something are not refused as long as there is a disk.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ringdown/events"
)

var (
	// ErrFull refuses an event because the disk, the log's cap or the queue in
	// front of the disk is full.
	ErrFull = errors.New("outbox: full")
	// ErrClosed refuses an event because the outbox is closed.
	ErrClosed = errors.New("outbox: closed")
	// ErrPast refuses an event of a call that is older than the log: its number
	// is not known any more.
	ErrPast = errors.New("outbox: call is older than the log")
)

// Outbox is the log. Its methods may be called from any goroutine; Next is for
// one reader at a time.
type Outbox struct {
	cfg  Config
	d    disk
	key  []byte
	log  *slog.Logger
	wake chan struct{} // one token: look at the queue

	opened time.Time // with its monotonic reading

	// Of the goroutine of Run.
	app    *appender
	ledger *ledger
	body   []byte    // room for one envelope
	synced time.Time // end of the last group
	ticks  int

	unfinished []Unfinished
	teller     teller
	reader     reader

	mu          sync.Mutex
	queue       []*item
	queueBytes  int64
	segs        []*segment // ascending; the last may be growing
	used        int64
	spaceGone   bool // the volume is full, or the reserve is not whole again
	sick        bool // the last write failed
	warned      bool
	cursor      position
	cursorDirty bool
	flight      []flight
	changed     chan struct{} // closed and made anew when there is more to read
	stats       Stats
	running     bool
	closed      bool
	stop        chan struct{}
	stopped     chan struct{} // closed when Run has returned
	once        sync.Once
}

// Open reads the log of earlier processes and takes the folder for this one.
// key is 32 bytes and the same every time. It writes nothing but what repairs
// the end of the log, and takes nothing in: Run does.
func Open(cfg Config, key []byte, log *slog.Logger) (*Outbox, error) {
	cfg.Defaults()
	var faults []error
	cfg.Validate(func(path, msg string) { faults = append(faults, fmt.Errorf("outbox: %s: %s", path, msg)) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	d, err := openFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	o, err := open(cfg, key, log, d)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return o, nil
}

func open(cfg Config, key []byte, log *slog.Logger, d disk) (*Outbox, error) {
	c, lost := readCursor(d, key)
	s, err := scanAll(d, key, c.at(), log.Error)
	if err != nil {
		return nil, err
	}
	if lost != nil {
		log.Error("outbox: cursor lost: all that is kept is handed out again", "error", lost)
	}
	o := &Outbox{
		opened: time.Now(), cfg: cfg, d: d, key: key, log: log, ledger: s.ledger, segs: s.segments, cursor: c.at(), unfinished: s.unfinished(),
		wake: make(chan struct{}, 1), changed: make(chan struct{}), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	o.reader.at = o.cursor
	o.stats.Torn, o.stats.Quarantined, o.stats.Backlog = s.torn, s.damaged, s.backlog
	o.app = &appender{d: d, key: key, size: cfg.Segment, next: c.Segment + 1, process: true}
	for _, g := range s.segments {
		g.acked = unixOf(c.Acked[g.n])
		o.used += g.size
		o.app.next = max(o.app.next, g.n+1)
		o.app.fences = []fence{{g.n, g.records}} // of the last: the others have theirs
	}
	if err := d.reserve(cfg.Reserve); err != nil {
		if !spaceGone(err) {
			return nil, fmt.Errorf("outbox: reserve: %w", err)
		}
		o.spaceGone = true
		log.Error("outbox: no room for the reserve: new calls are refused", "bytes", cfg.Reserve)
	}
	return o, nil
}

// Publish is [events.Publisher]: it never blocks and tells durable the outcome
// from another goroutine. Numbers are given in the order of the calls.
func (o *Outbox) Publish(e events.Event, durable func(error)) {
	it := &item{event: e, durable: durable, record: events.RecordingOf(e.Data), queued: time.Now()}
	err := events.Check(e)
	if err == nil {
		var data events.Encoded
		data, err = events.MarshalData(e)
		it.event.Data, it.size = data, int64(len(data))+512
	}
	if err != nil {
		o.log.Error("outbox: event cannot be told", "call", e.Call, "type", e.Type, "error", err)
		o.refuse(it, err)
		return
	}
	if err := o.put(it); err != nil {
		o.refuse(it, err)
	}
}

// Beat notes in the log that the process lived at that time. After a crash the
// calls it left are taken to have lived until the last beat. Call it each second.
func (o *Outbox) Beat(at time.Time) {
	if o.put(&item{beat: at, size: 64}) != nil {
		o.count(func(s *Stats) { s.BeatsDropped++ })
	}
}

// put queues it, unless there is no room or no one to take it.
func (o *Outbox) put(it *item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if o.queueBytes+it.size > o.cfg.Queue && it.flushed == nil && !it.terminal() {
		if o.stats.QueueFull == 0 {
			o.log.Error("outbox: queue full: the disk does not follow", "bytes", o.queueBytes)
		}
		o.stats.QueueFull++
		return ErrFull
	}
	o.queue = append(o.queue, it)
	o.queueBytes += it.size
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// Flush waits until all that was published before is durable or refused.
func (o *Outbox) Flush(ctx context.Context) error {
	it := &item{flushed: make(chan struct{})}
	if err := o.put(it); err != nil {
		return err
	}
	select {
	case <-it.flushed:
		return nil
	case <-o.stopped:
		return nil // Run settles everything before it returns
	case <-ctx.Done():
		return fmt.Errorf("outbox: flush: %w", context.Cause(ctx))
	}
}

// Full reports whether new calls must be refused: their events could not be
// kept. Events of calls in progress may still be taken.
func (o *Outbox) Full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed || o.spaceGone || o.sick || o.used >= o.cfg.Cap-o.cfg.Reserve || o.queueBytes >= o.cfg.Queue
}

// Unfinished returns the calls that Open found received and not ended, the
// oldest first.
func (o *Outbox) Unfinished() []Unfinished { return o.unfinished }

// Close stops Run, refuses what is still queued if Run never ran, waits for
// every durable to have been told, and gives the folder back. It must not be
// called from a durable.
func (o *Outbox) Close() error {
	o.mu.Lock()
	o.closed = true
	running := o.running
	o.mu.Unlock()
	var err error
	o.once.Do(func() {
		close(o.stop)
		if running {
			<-o.stopped
		} else {
			close(o.stopped)
			o.settleAll(o.take(1 << 62))
		}
		o.saveCursor()
		o.reader.close()
		o.app.close()
		err = o.d.close()
	})
	o.teller.wait()
	return err
}

// settleAll refuses items at the very end.
func (o *Outbox) settleAll(items []*item) {
	for _, it := range items {
		switch {
		case it.flushed != nil:
			close(it.flushed)
		case it.isEvent():
			o.refuse(it, ErrClosed)
		}
	}
}

// take takes items off the queue, at most about n bytes of them.
func (o *Outbox) take(n int64) []*item {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, size := 0, int64(0)
	for i < len(o.queue) && (i == 0 || size+o.queue[i].size <= n) {
		size += o.queue[i].size
		i++
	}
	items := o.queue[:i:i]
	o.queue = o.queue[i:]
	if len(o.queue) == 0 {
		o.queue = nil
	}
	o.queueBytes -= size
	return items
}

func (o *Outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}
