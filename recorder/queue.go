package recorder

import (
	"sync"

	"ringdown/recorder/format"
)

// What may wait between relay and recorder: two seconds at four times what two
// sides of G.711 in packets of 20 ms make.
const (
	nominal   = 2 * 50 * (format.AudioHeader + 160) // bytes a second
	queueSize = 2 * 4 * nominal
)

// chunk is a page of a queue. Its size is that of an allocation class, and the
// longest record fits.
type chunk struct {
	next *chunk
	n    int
	buf  [4096 - 16]byte
}

// chunks lends pages to all queues of a recorder: a recording holds what waits
// at the moment, a page or two, and not what might wait once.
type chunks struct{ free sync.Pool }

func (c *chunks) take() *chunk {
	if p, ok := c.free.Get().(*chunk); ok {
		return p
	}
	return new(chunk)
}

func (c *chunks) put(p *chunk) {
	p.next, p.n = nil, 0
	c.free.Put(p)
}

// queue holds whole records in the order they came, up to size bytes. It does no
// locking: intake does. What was taken counts until it is done.
type queue struct {
	chunks      *chunks
	size        int
	used        int
	first, last *chunk
}

// put returns room for a record of n bytes, or nil when there is none.
func (q *queue) put(n int) []byte {
	if q.used+n > q.size || n > len(chunk{}.buf) {
		return nil
	}
	if q.last == nil || q.last.n+n > len(q.last.buf) {
		fresh := q.chunks.take()
		if q.last == nil {
			q.first = fresh
		} else {
			q.last.next = fresh
		}
		q.last = fresh
	}
	q.used += n
	c := q.last
	c.n += n
	return c.buf[c.n-n : c.n]
}

// batch is what was taken out of a queue to be read.
type batch struct {
	first, at *chunk
	pos       int // in at
	size      int // bytes of all
}

// take hands over all there is; nothing that comes later is added to it.
func (q *queue) take() batch {
	b := batch{first: q.first, at: q.first}
	for c := q.first; c != nil; c = c.next {
		b.size += c.n
	}
	q.first, q.last = nil, nil
	return b
}

// done gives the pages of a batch back.
func (q *queue) done(b batch) {
	q.used -= b.size
	for c := b.first; c != nil; {
		next := c.next
		q.chunks.put(c)
		c = next
	}
}

// next returns the next record of a batch, nil at its end.
func (b *batch) next() []byte {
	if b.at != nil && b.pos == b.at.n {
		b.at, b.pos = b.at.next, 0
	}
	if b.at == nil {
		return nil
	}
	n := format.RecordSize(b.at.buf[b.pos:])
	rec := b.at.buf[b.pos : b.pos+n]
	b.pos += n
	return rec
}
