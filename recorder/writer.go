package recorder

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
)

const (
	anchorEvery = 10 * time.Second
	retryAfter  = time.Second // between attempts to open another part
)

// errKey says that the key store gave no key for a part.
var errKey = errors.New("no key for the recording")

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// writer is the slow side of a recording: out of the queue, into segments, onto
// the disk. It belongs to the recording's goroutine.
type writer struct {
	r      *Recording
	seg    format.Writer
	since  time.Time // when the oldest record came into seg
	buf    []byte    // one record
	taken  uint64    // audio records taken out of the queue
	part   *part     // nil while no file can be written
	broken []*part   // parts before it that ended with a fault
	number int
	key    *partKey
	retry  time.Time
	maps   [2][]format.Record // what the payload types mean at the moment
	lost   [2]stretch         // packets that no part took
}

// shared is what others may see of a writer.
type shared struct {
	part   atomic.Pointer[part]
	oldest atomic.Int64 // arrival of the oldest record not yet written; -1: none
}

// work takes what has come, writes what is due, and returns how long it may
// sleep; 0 means until it is woken.
func (w *writer) work() time.Duration {
	w.check()
	w.drain()
	now := time.Now()
	flush := w.r.rec.cfg.Flush
	if !w.seg.Empty() && now.Sub(w.since) >= flush {
		w.seal()
	}
	w.arm()
	if w.seg.Empty() {
		return 0
	}
	return max(flush-now.Sub(w.since), time.Millisecond)
}

// drain moves everything out of the intake into segments.
func (w *writer) drain() {
	in := w.r.in
	t := in.take()
	notes := t.notes
	for {
		for len(notes) > 0 && notes[0].after <= w.taken {
			w.note(notes[0].rec, notes[0].at)
			notes = notes[1:]
		}
		rec := t.audio.next()
		if rec == nil {
			break
		}
		w.audio(rec)
		w.taken++
	}
	for i := range t.tally {
		w.leftOut(media.Side(i+1), &t.tally[i])
	}
	in.done(t.audio)
}

// arm asks to be woken when a segment can be filled.
func (w *writer) arm() {
	wakeAt := 1
	switch {
	case w.part == nil:
		wakeAt = nominal / 4
	case !w.seg.Empty():
		wakeAt = w.seg.Room()
	}
	if w.r.in.arm(wakeAt) {
		w.r.kick()
	}
}

// audio adds one packet as it lies in the queue.
func (w *writer) audio(rec []byte) {
	side, at := media.Side(rec[3]), format.AudioTime(rec)
	if !w.ready() || !w.add(rec, at) {
		w.lose(side, at)
	}
}

// lose counts a packet that no part took.
func (w *writer) lose(side media.Side, at time.Duration) {
	w.lost[side-1].add(at)
	w.r.rec.counters.dropped.Add(1)
}

// note adds any other record. What the payload types mean is remembered for
// the next part.
func (w *writer) note(rec format.Record, at time.Duration) {
	if f, ok := rec.(format.Formats); ok {
		if !f.More {
			w.maps[f.Side-1] = nil
		}
		w.maps[f.Side-1] = append(w.maps[f.Side-1], rec)
	}
	if !w.ready() {
		return
	}
	b, err := format.Append(w.buf[:0], rec)
	if err != nil {
		w.r.log.Error("record left out", "err", err)
		return
	}
	w.buf = b
	w.add(b, at)
}

// leftOut marks what did not get into the queue.
func (w *writer) leftOut(side media.Side, t *tally) {
	for _, x := range []struct {
		cause format.Cause
		what  stretch
	}{
		{format.CauseFull, t.full}, {format.CauseOversize, t.oversize}, {format.CauseUndescribed, t.ignored},
	} {
		if x.what.n == 0 {
			continue
		}
		if x.cause != format.CauseUndescribed {
			w.r.rec.counters.dropped.Add(uint64(x.what.n))
		}
		w.note(format.Gap{Side: side, Cause: x.cause, From: x.what.from, To: x.what.to, Packets: x.what.n}, x.what.to)
	}
	if t.digits > 0 {
		w.note(format.Mark{Kind: format.MarkDigits, Side: side, At: t.digitsAt, Count: t.digits}, t.digitsAt)
	}
}

// add puts a record into the segment, sealing the one before when it is full.
// It reports false when the disk refused that, and no other part was to be had.
func (w *writer) add(rec []byte, at time.Duration) bool {
	if len(rec) > w.seg.Room() {
		w.seal()
	}
	if w.part == nil {
		return false
	}
	if w.seg.Empty() {
		w.since = time.Now()
		w.r.shared.oldest.Store(int64(at))
		w.anchor(at)
	}
	return w.seg.Add(rec, at)
}

// anchor opens a segment with an ANCHOR when one is due.
func (w *writer) anchor(at time.Duration) {
	now := time.Now()
	if now.Sub(w.part.anchor) < anchorEvery {
		return
	}
	w.part.anchor = now
	b, err := format.Append(nil, format.Anchor{
		At: now.Sub(w.r.in.zero()), Wall: now, Segments: w.part.tree.Size(), Root: w.part.tree.Root(),
	})
	if err == nil {
		w.seg.Add(b, at)
	}
}

// seal writes the segment as it is.
func (w *writer) seal() {
	if w.seg.Empty() || w.part == nil {
		return
	}
	plain := w.seg.Take()
	if err := w.part.store(plain); err != nil {
		w.breaks(err, plain)
	}
	w.r.shared.oldest.Store(-1)
}

// check looks for a sync that failed.
func (w *writer) check() {
	if w.part != nil {
		if err := w.part.fault(); err != nil {
			w.breaks(err, nil)
		}
	}
}
