package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
)

// A journal is a head
//
//	magic 8 | base 8 | CRC-32C 4
//
// and frames
//
//	length 4 | CRC-32C 4 | rows
//
// with the checks over what stands before and behind them. base is the length
// the file had when it was last written anew and put in place: up to there a
// crash cannot have touched it. Behind it, what one sync makes durable is one
// frame, and the next is written only after that sync; so a crash tears the last
// frame and no other. Anything else that is wrong is damage.
const (
	magicSize = 8
	headSize  = magicSize + 8 + 4
	frameHead = 8
	maxFrame  = 16 << 20
)

// journal appends rows to a file. Several goroutines that add rows at the same
// time share one sync: whoever finds nobody writing writes for all.
type journal struct {
	path  string
	magic string

	mu      sync.Mutex
	changed sync.Cond // durable, failed, busy or err changed
	f       file
	size    int64  // good bytes in the file
	pending []byte // rows not yet in the file
	added   uint64 // rows so far
	durable uint64 // rows on the disk
	failed  uint64 // rows that the last failed write would have covered
	failure error  // why it failed; it is tried again
	busy    bool   // somebody writes, without mu
	err     error  // a sync failed: nothing is known of the file any more. Final.
}

// file is what a journal needs of *os.File.
type file interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// openJournal opens a file that was read up to size and cuts off what is behind.
func openJournal(path, magic string, size int64) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, magic: magic, f: f, size: size}
	j.changed.L = &j.mu
	info, err := f.Stat()
	if err == nil && info.Size() > size {
		err = errors.Join(f.Truncate(size), f.Sync())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// createJournal makes a journal of the given rows, whole or not at all.
func createJournal(path, magic string, rows iter.Seq[row]) (*journal, error) {
	j := &journal{path: path, magic: magic}
	j.changed.L = &j.mu
	if _, err := j.rewrite(rows); err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// add takes rows for the next sync and returns what to [journal.wait] for. Where
// the last write failed, it tries again first and takes nothing if that fails,
// so a full disk does not fill the memory.
func (j *journal) add(rows ...row) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.busy && j.failure != nil {
		j.changed.Wait()
	}
	if j.failure != nil && j.err == nil {
		j.flush()
	}
	if err := errors.Join(j.err, j.failure); err != nil {
		return 0, fmt.Errorf("%s: %w", j.path, err)
	}
	size := len(j.pending)
	for _, r := range rows {
		j.pending = r.append(j.pending)
	}
	if len(j.pending) > maxFrame {
		j.pending = j.pending[:size]
		return 0, fmt.Errorf("%s: more than %d bytes at once", j.path, maxFrame)
	}
	j.added += uint64(len(rows))
	return j.added, nil
}

// wait returns when that many rows are on the disk, or could not be written. A
// row that could not be written stays, and goes with a later one.
func (j *journal) wait(added uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for tried := false; j.durable < added; tried = true {
		switch {
		case j.err != nil:
			return fmt.Errorf("%s: %w", j.path, j.err)
		case tried && j.failed >= added:
			return fmt.Errorf("%s: %w", j.path, j.failure)
		case j.busy:
			j.changed.Wait()
		default:
			j.flush()
		}
	}
	return nil
}

// flush writes what is pending as one frame and syncs. mu is held at entry and
// return, not in between.
func (j *journal) flush() {
	rows, target, at := j.pending, j.added, j.size
	j.pending, j.busy = nil, true
	j.mu.Unlock()
	frame := appendFrame(make([]byte, 0, frameHead+len(rows)), rows)
	_, werr := j.f.WriteAt(frame, at)
	var serr error
	if werr == nil {
		serr = j.f.Sync()
	} else if err := j.f.Truncate(at); err != nil {
		serr = errors.Join(werr, err)
	}
	j.mu.Lock()
	j.busy = false
	switch {
	case serr != nil:
		j.err = serr
	case werr != nil:
		j.pending = append(rows, j.pending...)
		j.failed, j.failure = target, werr
	default:
		j.size += int64(len(frame))
		j.durable, j.failure = target, nil
	}
	j.changed.Broadcast()
}

// rewrite replaces the file by one of these rows and no others. It reports
// whether the new file took the place of the old one: after an error it may have,
// and may not be there after a power cut.
func (j *journal) rewrite(rows iter.Seq[row]) (replaced bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.busy {
		j.changed.Wait()
	}
	if j.err != nil {
		return false, fmt.Errorf("%s: %w", j.path, j.err)
	}
	f, size, err := writeJournal(j.path+tempSuffix, j.magic, rows)
	if err != nil {
		// A file left behind would look like a first start cut short.
		os.Remove(j.path + tempSuffix)
		return false, err
	}
	if err := os.Rename(j.path+tempSuffix, j.path); err != nil {
		f.Close()
		os.Remove(j.path + tempSuffix)
		return false, err
	}
	if j.f != nil {
		j.f.Close()
	}
	j.f, j.size, j.pending, j.durable, j.failure = f, size, nil, j.added, nil
	j.changed.Broadcast()
	return true, syncDir(filepath.Dir(j.path))
}

const tempSuffix = ".tmp"

// writeJournal writes and syncs a whole journal.
func writeJournal(path, magic string, rows iter.Seq[row]) (_ *os.File, size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	size = headSize
	var frame, body []byte
	flush := func() {
		if err == nil && len(body) > 0 {
			frame = appendFrame(frame[:0], body)
			_, err = f.WriteAt(frame, size)
			size += int64(len(frame))
		}
		body = body[:0]
	}
	for r := range rows {
		if body = r.append(body); len(body) > 64<<10 {
			flush()
		}
	}
	flush()
	if err == nil {
		_, err = f.WriteAt(appendHead(nil, magic, size), 0)
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// close waits for the writer and closes the file. What is pending was never
// promised to anybody.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.busy {
		j.changed.Wait()
	}
	if j.err == nil {
		j.err = ErrClosed
	}
	if j.f == nil {
		return nil
	}
	return j.f.Close()
}

// last is the number of rows added so far.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.added
}

// length is the size of the file in bytes.
func (j *journal) length() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func appendHead(dst []byte, magic string, base int64) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(base))
	return binary.BigEndian.AppendUint32(dst, crc(dst[start:]))
}

func appendFrame(dst, rows []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(rows)))
	dst = binary.BigEndian.AppendUint32(dst, crc(dst[start:], rows))
	return append(dst, rows...)
}

func crc(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return sum
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
