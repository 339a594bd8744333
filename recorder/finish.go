package recorder

import (
	"context"
	"errors"
	"slices"
	"time"

	"ringdown/recorder/format"
)

// finish closes what is open, tells what became of the recording and lets go of
// the files. The order makes a crash at any point harmless: a part with a
// manifest is whole, and one that is not renamed yet is told again.
func (w *writer) finish(ended time.Time) {
	w.check()
	w.drain()
	duration := max(ended.Sub(w.r.in.zero()), 0)
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
	salvaged := w.salvage()
	whole = slices.Concat(salvaged, whole)
	late, notes := w.r.in.leftovers()
	w.r.log.Info("recording closed", "parts", len(whole), "broken", len(w.broken), "late packets", late, "lost notes", notes)
	w.r.rec.conclude(w.r.id, w.r.info, whole, missing{
		parts: len(w.broken) - len(salvaged), broken: len(w.broken) > 0, lost: uint64(w.lost[0].n) + uint64(w.lost[1].n),
	})
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
