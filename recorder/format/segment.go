package format

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Writer fills one segment after the other with whole records. It is not safe
// for use from several goroutines.
type Writer struct {
	buf [Plain]byte
	n   int
}

// Empty reports whether the segment holds nothing yet.
func (w *Writer) Empty() bool { return w.n == 0 }

// Room is how long a record may be to fit the segment as it stands.
func (w *Writer) Room() int {
	if w.n == 0 {
		return Plain - headSize
	}
	return Plain - w.n
}

// Add copies a record, as Append and PutAudio make them, into the segment and
// reports whether it fitted. at is its time; it becomes the segment's when it
// is the first.
func (w *Writer) Add(record []byte, at time.Duration) bool {
	if len(record) > w.Room() {
		return false
	}
	if w.n == 0 {
		w.n = len(must(Append(w.buf[:0], Head{At: at})))
	}
	w.n += copy(w.buf[w.n:], record)
	return true
}

// must is for records of fixed size, which fit by construction.
func must(b []byte, err error) []byte {
	if err != nil {
		panic("format: " + err.Error())
	}
	return b
}

// Bytes is what the segment holds so far, without padding; valid until the next
// Add or Take.
func (w *Writer) Bytes() []byte { return w.buf[:w.n] }

// Take returns the segment's plaintext, padded with zeros, and starts the next.
// The bytes are valid until the next Add.
func (w *Writer) Take() []byte {
	clear(w.buf[w.n:])
	w.n = 0
	return w.buf[:]
}

// Reader reads the records of segment after segment.
type Reader struct {
	next func() ([]byte, error)
	cur  *Cursor
	n    int
}

// NewReader reads segments from next, which returns their plaintexts in order
// and io.EOF after the last one. A plaintext is used until next is called again.
func NewReader(next func() ([]byte, error)) *Reader { return &Reader{next: next} }

// Next returns the next record, or io.EOF. A payload is valid until the next
// call. After an error of next or a malformed segment it goes on with the
// segment that follows, if it is called again.
func (r *Reader) Next() (Record, error) {
	for {
		if r.cur == nil {
			plain, err := r.next()
			if err != nil {
				return nil, err
			}
			r.cur = Walk(plain)
			r.n++
		}
		rec, err := r.cur.Next()
		if err == nil {
			return rec, nil
		}
		r.cur = nil
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("segment %d: %w", r.n-1, err)
		}
	}
}
