package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
)

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
	w.key, w.part, w.r.info.zero = nil, p, p.zero
	w.lost = [2]stretch{}
	w.r.shared.part.Store(p)
	return nil
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
