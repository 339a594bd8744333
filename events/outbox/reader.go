package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/privacy/seal"
)

// Record is an event on its way to the bus.
type Record struct {
	Account, Call, Type string
	Seq                 uint64
	Time                time.Time
	Body                []byte // the envelope; the reader's own
	at                  position
}

// ID is the event's id.
func (r Record) ID() string { return events.ID(r.Call, r.Seq) }

// Subject is where the event is published.
func (r Record) Subject() string {
	return events.Subject(events.Event{Account: r.Account, Call: r.Call, Type: r.Type})
}

// flight is a record handed out and not acked, or acked behind one that is not.
type flight struct {
	at    position
	time  time.Time
	acked bool
}

// reader goes through the log behind the writer.
type reader struct {
	mu  sync.Mutex
	at  position // of the next record
	f   io.ReadCloser
	log *seal.LogReader
	n   uint64 // segment of log
}

// Next returns the next event in the order of the log, from the cursor on; it
// waits for one, and while Window of them are not acked.
func (o *Outbox) Next(ctx context.Context) (Record, error) {
	for {
		o.mu.Lock()
		changed, room, closed := o.changed, len(o.flight) < o.cfg.Window, o.closed
		o.mu.Unlock()
		if room {
			r, ok, err := o.read()
			if ok || err != nil {
				return r, err
			}
			if closed {
				return Record{}, ErrClosed
			}
		}
		select {
		case <-changed:
		case <-o.stopped:
			if closed {
				return Record{}, ErrClosed
			}
		case <-ctx.Done():
			return Record{}, context.Cause(ctx)
		}
	}
}

// Ack says that the bus has r. Acks may come in any order; the cursor moves
// over what is acked without a gap.
func (o *Outbox) Ack(r Record) {
	at := o.reader.position()
	o.mu.Lock()
	defer o.mu.Unlock()
	i := sort.Search(len(o.flight), func(i int) bool { return !o.flight[i].at.before(r.at) })
	if i == len(o.flight) || o.flight[i].at != r.at || o.flight[i].acked {
		return // of before a Rewind
	}
	o.flight[i].acked = true
	o.stats.Acked++
	o.stats.Backlog--
	n := 0
	for n < len(o.flight) && o.flight[n].acked {
		n++
	}
	if n == 0 {
		return
	}
	if o.flight = o.flight[n:]; len(o.flight) > 0 {
		at = o.flight[0].at
	}
	o.advance(at)
}

// advance moves the cursor, never back; o.mu is held.
func (o *Outbox) advance(at position) {
	if !o.cursor.before(at) {
		return
	}
	o.cursor, o.cursorDirty = at, true
	for _, g := range o.segs {
		if g.n < at.segment && g.acked.IsZero() {
			g.acked = time.Now()
		}
	}
	o.notify()
}

// Rewind starts handing out again from the cursor: what a bus that stopped had
// taken and not acked comes once more.
func (o *Outbox) Rewind() {
	o.reader.mu.Lock()
	defer o.reader.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	// Those acked behind one that is not come again as well.
	for _, f := range o.flight {
		if f.acked {
			o.stats.Backlog++
		}
	}
	o.flight = nil
	o.reader.drop()
	o.reader.at = o.cursor
}

// saveCursor writes the cursor if it moved.
func (o *Outbox) saveCursor() {
	o.mu.Lock()
	c := cursor{Segment: o.cursor.segment, Index: o.cursor.index, Acked: make(map[uint64]int64)}
	for _, g := range o.segs {
		if !g.acked.IsZero() {
			c.Acked[g.n] = g.acked.Unix()
		}
	}
	dirty := o.cursorDirty
	o.cursorDirty = false
	o.mu.Unlock()
	if !dirty {
		return
	}
	if err := writeCursor(o.d, o.key, c); err != nil {
		o.log.Error("outbox: cursor not saved", "error", err)
		o.mu.Lock()
		o.cursorDirty = true
		o.mu.Unlock()
	}
}

// read returns the next event that is on the disk, false when there is none yet.
func (o *Outbox) read() (Record, bool, error) {
	r := &o.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		g, limit := o.segmentAt(r)
		if g == nil {
			return Record{}, false, nil
		}
		e, at, ok, err := r.next(o, g.name(), limit)
		if err != nil {
			r.drop()
			return Record{}, false, fmt.Errorf("outbox: %s: %w", g.name(), err)
		}
		if !ok {
			continue
		}
		o.mu.Lock()
		o.flight = append(o.flight, flight{at: at, time: e.at})
		o.mu.Unlock()
		return Record{Account: e.account, Call: e.call, Type: e.kind, Seq: e.seq, Time: e.at, Body: e.body, at: at}, true, nil
	}
}

// segmentAt returns the segment with the record that r stands before and how
// many records count in it, after moving r on to where there is one.
func (o *Outbox) segmentAt(r *reader) (*segment, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.segs {
		if g.n < r.at.segment {
			continue
		}
		if g.n > r.at.segment {
			r.at = position{g.n, 0}
		}
		if r.at.index < g.records {
			return g, g.records
		}
	}
	// Nothing unread: the cursor may follow over what is no event.
	if len(o.flight) == 0 {
		o.advance(r.at)
	}
	return nil, 0
}

// next reads one record; false when it is no event. Damage is passed over.
func (r *reader) next(o *Outbox, name string, limit uint64) (e entry, at position, ok bool, err error) {
	if r.log == nil || r.n != r.at.segment {
		if err := r.open(o, name); err != nil {
			return entry{}, position{}, false, err
		}
	}
	b, _, err := r.log.Next()
	index := r.log.Index()
	switch {
	case err == nil:
		index--
	case errors.Is(err, seal.ErrRecord):
		o.damage(r.at.segment)
		r.at.index = max(r.at.index, index)
		return entry{}, position{}, false, nil
	case errors.Is(err, seal.ErrTorn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// Less is there than was written. More may come behind it.
		o.damage(r.at.segment)
		r.drop()
		r.at.index = limit
		return entry{}, position{}, false, nil
	default:
		return entry{}, position{}, false, err
	}
	if index < r.at.index { // on the way to the cursor
		return entry{}, position{}, false, nil
	}
	at = position{r.at.segment, index}
	r.at.index = index + 1
	v, err := parse(b)
	if err != nil {
		o.damage(at.segment)
		return entry{}, position{}, false, nil
	}
	e, ok = v.(entry)
	return e, at, ok, nil
}

func (r *reader) open(o *Outbox, name string) error {
	r.drop()
	f, err := o.d.open(name)
	if err != nil {
		return err
	}
	log, err := seal.NewLogReader(o.key, f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.log, r.n = f, log, r.at.segment
	return nil
}

// damage notes that a segment does not read as it was written.
func (o *Outbox) damage(n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.segs {
		if g.n == n && !g.damaged {
			g.damaged = true
			o.stats.Quarantined++
			o.log.Error("outbox: segment damaged", "segment", n)
		}
	}
}

func (r *reader) position() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// drop closes the file; r.mu is held.
func (r *reader) drop() {
	if r.f != nil {
		r.f.Close()
	}
	r.f, r.log = nil, nil
}

func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}
