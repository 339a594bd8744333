package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// writer is the slow side of a recording: out of the ring, into segments, onto
// the disk. It belongs to the recording's goroutine.
type writer struct {
	r      *Recording
	seg    format.Writer
	since  time.Time // when the oldest record came into seg
	buf    []byte    // one record
	taken  uint64    // audio records taken out of the ring
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
	size := t.audio.left
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
	in.done(size, t.audio)
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

// audio adds one packet as it lies in the ring.
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

// leftOut marks what did not get into the ring.
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
		At: now.Sub(w.r.info.Started), Wall: now, Segments: w.part.tree.Size(), Root: w.part.tree.Root(),
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

// ready reports whether there is a part to write to, and tries to open one when
// there is none and it is time.
func (w *writer) ready() bool {
	if w.part != nil {
		return true
	}
	if now := time.Now(); now.Before(w.retry) {
		return false
	}
	if err := w.nextPart(nil); err != nil {
		w.r.log.Warn("no other part", "err", err)
		return false
	}
	w.r.log.Info("recording goes on", "part", w.part.number)
	w.r.degraded("resumed")
	return true
}

// breaks gives up the part and goes on in another, beginning with the segment
// that the old one did not take.
func (w *writer) breaks(err error, plain []byte) {
	w.abandon(w.part)
	next := w.nextPart(plain)
	if next != nil {
		w.r.log.Error("no other part", "err", next)
		w.discard(plain)
		w.discard(w.seg.Bytes())
		w.seg.Take()
	}
	w.r.down(err, next != nil)
}

// discard counts the packets of a segment that nobody takes.
func (w *writer) discard(plain []byte) {
	for c := format.Walk(plain); ; {
		rec, err := c.Next()
		if err != nil {
			return
		}
		if a, ok := rec.(format.Audio); ok {
			w.lose(a.Side, a.At)
		}
	}
}

// abandon leaves a part as it is. Closing may take as long as the disk likes
// and is waited for by nobody.
func (w *writer) abandon(p *part) {
	w.broken = append(w.broken, p)
	w.part = nil
	w.r.shared.part.Store(nil)
	go p.close()
}

// nextPart opens a part. It begins with what the payload types mean and what
// was lost; plain, when not nil, is a segment that belongs into it.
func (w *writer) nextPart(plain []byte) error {
	w.number++
	w.retry = time.Now().Add(retryAfter)
	if w.key == nil {
		info := w.r.info
		dek, ref, err := w.r.rec.deps.Keys.NewRecordingKey(info.Account, info.Subject, w.r.id)
		if err != nil {
			w.number--
			return fmt.Errorf("%w: %w", errKey, err)
		}
		w.key = &partKey{dek, ref}
	}
	p, err := w.r.rec.newPart(w.r.info, w.r.id, w.number, *w.key, w.preface())
	if err != nil {
		if !errors.Is(err, fs.ErrExist) {
			w.number--
		}
		return err
	}
	if plain != nil {
		if err := p.store(plain); err != nil {
			return errors.Join(err, p.close(), w.r.rec.deps.Store.Remove(p.name))
		}
	}
	w.key, w.part = nil, p
	w.lost = [2]stretch{}
	w.r.shared.part.Store(p)
	return nil
}

// finish closes what is open, tells what became of the recording and lets go of
// the files. The order makes a crash at any point harmless: a part with a
// manifest is whole, and one that is not renamed yet is told again.
func (w *writer) finish(ended time.Time) {
	w.check()
	w.drain()
	duration := max(ended.Sub(w.r.info.Started), 0)
	if w.part == nil {
		w.retry = time.Time{} // the last chance
		w.ready()
	}
	var whole []wholePart
	if w.part != nil {
		p, err := w.close(duration)
		if err != nil {
			w.abandon(w.part)
			w.r.down(err, true)
		} else {
			whole = append(whole, p)
		}
	}
	whole = append(w.salvage(), whole...)
	late, notes := w.r.in.leftovers()
	w.r.log.Info("recording closed", "parts", len(whole), "broken", len(w.broken), "late packets", late, "lost notes", notes)
	w.r.rec.conclude(w.r.id, w.r.info, whole, len(w.broken) == 0 && w.lost == [2]stretch{})
}

// close seals the end of the part and signs for it.
func (w *writer) close(duration time.Duration) (wholePart, error) {
	p := w.part
	if err := p.sum.segment(w.seg.Bytes()); err != nil && !w.seg.Empty() {
		return wholePart{}, err
	}
	end := p.sum.finished(format.ReasonClosed, duration)
	b, err := format.Append(nil, end)
	if err != nil {
		return wholePart{}, err
	}
	if len(b) > w.seg.Room() {
		if err := p.write(w.seg.Take(), false); err != nil {
			return wholePart{}, err
		}
	}
	w.seg.Add(b, duration)
	if err := p.write(w.seg.Take(), true); err != nil {
		return wholePart{}, err
	}
	w.r.shared.oldest.Store(-1)
	if err := errors.Join(p.sync(), p.fault(), p.close()); err != nil {
		return wholePart{}, err
	}
	w.r.shared.part.Store(nil)
	m := p.manifest(w.r.id, end)
	return wholePart{p.name, m}, w.r.rec.sign(p.name, m)
}

// salvage finishes the parts that a write broke. Those that a sync broke wait
// for the next start: what can be read of them now need not be on the disk.
func (w *writer) salvage() (whole []wholePart) {
	for _, p := range w.broken {
		err := p.close()
		if !p.unsafe {
			var done wholePart
			if done, err = w.r.rec.finishPart(context.Background(), p.name); err == nil {
				whole = append(whole, done)
				continue
			}
		}
		w.r.log.Warn("part left for recovery", "part", p.number, "err", err)
	}
	return whole
}

// preface is what a further part says first.
func (w *writer) preface() []format.Record {
	var out []format.Record
	for _, maps := range w.maps {
		out = append(out, maps...)
	}
	for i, l := range w.lost {
		if l.n > 0 {
			out = append(out, format.Gap{Side: media.Side(i + 1), Cause: format.CauseFault, From: l.from, To: l.to, Packets: l.n})
		}
	}
	return out
}
