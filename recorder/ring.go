package recorder

import "ringdown/recorder/format"

// Size of the ring between relay and recorder: two seconds at four times what
// two sides of G.711 in packets of 20 ms make.
const (
	nominal  = 2 * 50 * (format.AudioHeader + 160) // bytes a second
	ringSize = 2 * 4 * nominal
)

// skip stands where the end of the buffer is left empty, because the record
// that came did not fit there.
const skip = 0xFF

// ring holds whole records in the order they came. It does no locking: intake
// does. Between take and done the bytes taken stay as they are.
type ring struct {
	buf  []byte
	r, w int // next to read, next to write
	used int // bytes between them, skipped ones included
}

func newRing(size int) ring { return ring{buf: make([]byte, size)} }

// put returns room for a record of n bytes, or nil when there is none.
func (q *ring) put(n int) []byte {
	if q.used == 0 {
		q.r, q.w = 0, 0
	}
	tail := 0 // bytes to skip at the end
	if q.w+n > len(q.buf) {
		tail = len(q.buf) - q.w
	}
	if q.used+tail+n > len(q.buf) {
		return nil
	}
	if tail > 0 {
		q.buf[q.w] = skip
	}
	if q.w+n > len(q.buf) {
		q.w = 0
	}
	q.used += tail + n
	slot := q.buf[q.w : q.w+n]
	q.w += n
	return slot
}

// batch is a stretch of the ring taken out to be read.
type batch struct {
	buf  []byte
	pos  int
	left int
}

// take returns what is in the ring. It stays there until done.
func (q *ring) take() batch { return batch{buf: q.buf, pos: q.r, left: q.used} }

// done frees a batch that was read to its end. An empty one frees nothing: the
// ring may have begun anew since.
func (q *ring) done(taken, pos int) {
	if taken == 0 {
		return
	}
	q.used -= taken
	q.r = pos
}

// next returns the next record of a batch, nil at its end.
func (b *batch) next() []byte {
	if b.left == 0 {
		return nil
	}
	if b.pos == len(b.buf) || b.buf[b.pos] == skip {
		b.left -= len(b.buf) - b.pos
		b.pos = 0
	}
	n := format.RecordSize(b.buf[b.pos:])
	rec := b.buf[b.pos : b.pos+n]
	b.pos += n
	b.left -= n
	return rec
}
