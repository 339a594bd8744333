package seal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Writer seals a stream into a container. What does not fill a segment waits
// for more or for Close. The first error stays.
type Writer struct {
	w      io.Writer
	sealer *Sealer
	plain  []byte // less than a segment, or a full one that may be the final
	out    []byte
	err    error
}

// NewWriter writes the header to w at once. Segments are [Segment] bytes.
func NewWriter(w io.Writer, key, aad []byte) (*Writer, error) {
	sealer, header, err := NewSealer(key, aad, Segment)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(header); err != nil {
		return nil, fmt.Errorf("container: write header: %w", err)
	}
	return &Writer{w: w, sealer: sealer, plain: make([]byte, 0, sealer.PlaintextSize()), out: make([]byte, 0, Segment)}, nil
}

// Write seals and writes each segment that p fills.
func (w *Writer) Write(p []byte) (int, error) {
	total := len(p)
	for w.err == nil && len(p) > 0 {
		if len(w.plain) == cap(w.plain) {
			w.flush(w.sealer.Seal)
			continue
		}
		n := min(len(p), cap(w.plain)-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p = p[n:]
	}
	return total - len(p), w.err
}

// Close writes the final segment; it does not close the writer below. A second
// call returns what the first did.
func (w *Writer) Close() error {
	if w.err == nil {
		w.flush(w.sealer.Final)
		if w.err == nil {
			w.err = ErrSealed
			return nil
		}
	}
	if errors.Is(w.err, ErrSealed) {
		return nil
	}
	return w.err
}

func (w *Writer) flush(seal func(dst, plaintext []byte) ([]byte, error)) {
	out, err := seal(w.out[:0], w.plain)
	if err == nil {
		_, err = w.w.Write(out)
	}
	if err != nil {
		w.err = fmt.Errorf("container: %w", err)
	}
	w.plain = w.plain[:0]
}

// Reader opens a container from its beginning to its end. It gives out nothing
// that was not checked, ends with io.EOF only after a final segment with
// nothing behind it, and with [ErrTruncated] after the last whole segment where
// there is none. The first error stays.
type Reader struct {
	r        *bufio.Reader
	opener   *Opener
	position uint64
	plain    []byte // opened, not yet read
	buf      []byte
	err      error
}

// NewReader reads the header from r.
func NewReader(r io.Reader, key, aad []byte) (*Reader, error) {
	header := make([]byte, HeaderSize)
	if n, err := io.ReadFull(r, header); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("header of %d bytes: %w", n, ErrHeader)
		}
		return nil, fmt.Errorf("container: %w", err)
	}
	opener, err := NewOpener(key, aad, header)
	if err != nil {
		return nil, err
	}
	return newReader(r, opener), nil
}

func newReader(r io.Reader, opener *Opener) *Reader {
	// One byte more than a segment, to see whether anything follows the final one.
	return &Reader{r: bufio.NewReaderSize(r, opener.SegmentSize()+1), opener: opener, buf: make([]byte, 0, opener.PlaintextSize())}
}

// Read gives out what the segments hold.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 && r.err == nil {
		r.next()
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// next opens one segment into plain, or sets err.
func (r *Reader) next() {
	size := r.opener.SegmentSize()
	seg, err := r.r.Peek(size + 1)
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("container: segment %d: %w", r.position, err)
		return
	}
	last := len(seg) <= size
	switch {
	case len(seg) == 0:
		r.err = fmt.Errorf("container: after %d segments: %w", r.position, ErrTruncated)
		return
	case last && IsFinal(seg):
		r.plain, err = r.opener.OpenFinal(r.buf, r.position, seg)
		r.err = io.EOF
	default: // a final segment with something behind it does not open as another
		seg = seg[:min(len(seg), size)]
		r.plain, err = r.opener.Open(r.buf, r.position, seg)
	}
	if err != nil {
		r.plain, r.err = nil, fmt.Errorf("container: %w", err)
		return
	}
	r.position++
	r.r.Discard(len(seg))
}
