package outbox

import (
	"errors"
	"fmt"
	"io"
	"time"

	"ringdown/privacy/seal"
)

// appender writes the log: one segment at a time, never one that it did not
// begin itself. After any error nothing is known of what the disk holds, so the
// segment is left where it was last sure of, fenced, and another begun
// (a sync that succeeds after one that failed proves nothing).
type appender struct {
	d    disk
	key  []byte
	size int64 // of a segment

	next    uint64 // number of the next segment
	process bool   // no segment of this process has been begun yet
	fences  []fence
	seg     *segment // the current one, nil when there is none
	f       file
	log     *seal.LogWriter
	buf     []byte // what write will write
	plain   []byte // room for one record
}

// add seals one record for the next write.
func (a *appender) add(record []byte) error {
	b, err := a.log.Append(a.buf, record)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	a.buf = b
	return nil
}

// ready makes sure that there is a segment to add to. begun is the new one, if
// it had to begin one; it is on the disk with the next write.
func (a *appender) ready(now time.Time, maxAge time.Duration) (begun *segment, err error) {
	a.buf = a.buf[:0]
	if a.seg != nil && a.seg.size < a.size && (a.seg.records < 2 || now.Sub(a.seg.begun) < maxAge) {
		return nil, nil
	}
	if a.seg != nil {
		a.fences = append(a.fences, fence{a.seg.n, a.seg.records})
		a.close()
	}
	g := &segment{n: a.next, begun: now}
	a.next++
	f, err := a.d.create(g.name())
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	log, header, err := seal.NewLogWriter(a.key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("outbox: %w", err), f.Close())
	}
	a.seg, a.f, a.log = g, f, log
	a.buf = append(a.buf, header...)
	return g, a.add(start{process: a.process, at: now, fences: a.fences}.append(a.plain[:0]))
}

// write puts what was added on the disk and is sure of it when it returns nil.
func (a *appender) write() error {
	if len(a.buf) == 0 {
		return nil
	}
	n, err := a.f.Write(a.buf)
	if err == nil && n < len(a.buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = a.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	a.process, a.fences = false, nil
	return nil
}

// written returns where the current segment stands with what was added.
func (a *appender) written() (size int64, records uint64) {
	return a.seg.size + int64(len(a.buf)), a.log.Index()
}

// abandon leaves the current segment at what was last sure. It reports whether
// the file is gone altogether.
func (a *appender) abandon() (removed bool) {
	if a.seg == nil {
		return false
	}
	g := a.seg
	// Whether it succeeds does not matter: the fence stands.
	if a.f.Truncate(g.size) == nil {
		a.f.Sync()
	}
	a.close()
	if g.records == 0 && a.d.remove(g.name()) == nil {
		// The next one takes its number, and with the name its place should a power
		// cut bring the file back. A fence for each try would make the first record
		// of the next segment longer and longer, until no segment could be begun.
		a.next = g.n
		return true
	}
	a.fences = append(a.fences, fence{g.n, g.records})
	return false
}

func (a *appender) close() {
	if a.f != nil {
		a.f.Close()
	}
	a.seg, a.f, a.log = nil, nil, nil
}
