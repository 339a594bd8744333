package recorder

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
)

// part is one file of a recording. All but sync is for the recording's own
// goroutine. After the first error of the file nothing is written to it again.
type part struct {
	number int
	name   string // in the store
	keyRef string

	file    StoreFile
	sealer  *seal.Sealer
	tree    seal.Tree
	hash    hash.Hash
	size    int64
	head    []byte     // prefix and seal header, until the first write
	outs    *sync.Pool // of *[]byte: room for a sealed segment
	sum     summary
	zero    time.Time // of the recording, the same in all parts
	anchor  time.Time // of the last ANCHOR
	written *atomic.Uint64

	mu      sync.Mutex // held during a sync, so that close waits for it
	dirty   atomic.Bool
	syncing atomic.Bool // the Recorder's sync is under way
	closed  bool
	failed  atomic.Pointer[error] // of a sync in the background
	unsafe  bool                  // a sync failed: what the kernel shows need not be on the disk
}

// partName is where a part is kept: by account and day, under the recording's id.
func partName(account, recording string, started time.Time, number int) string {
	base := recording
	if number > 1 {
		base += "." + strconv.Itoa(number)
	}
	return path.Join(account, started.UTC().Format("2006/01/02"), base)
}

// partKey is the key of a part that is not yet made; when making it fails, the
// next attempt takes the same.
type partKey struct {
	dek []byte
	ref string
}

// newPart makes the file of a part: prefix, seal header, a first segment that
// says what it is, and what else is to stand at its beginning. All of it is
// durable when it returns; on an error nothing of it stays.
func (r *Recorder) newPart(info Info, recording string, number int, key partKey, first []format.Record) (*part, error) {
	prefix, err := format.Preamble{
		ID: format.FileID(recording), Part: uint64(number), KeyRef: key.ref, Region: r.deps.Region,
		Suite: format.Suite, Version: format.Version,
	}.Prefix()
	if err != nil {
		return nil, err
	}
	sealer, header, err := seal.NewSealer(key.dek, format.AAD(prefix), format.Segment)
	if err != nil {
		return nil, err
	}
	p := &part{
		number: number, name: partName(info.Account, recording, info.Started, number), keyRef: key.ref,
		sealer: sealer, hash: sha256.New(), head: append(prefix, header...), outs: &r.outs, written: &r.counters.written,
	}
	if p.file, err = r.deps.Store.Create(p.name); err != nil {
		return nil, fmt.Errorf("recording file: %w", err)
	}
	if p.zero = info.zero; p.zero.IsZero() { // the first part
		p.zero = time.Now()
		info.zero = p.zero
	}
	err = p.begin(append(opening(info, recording, r.deps.Node, &p.tree), first...))
	if err == nil {
		err = p.sync()
	}
	if err != nil {
		return nil, errors.Join(err, p.close(), r.deps.Store.Remove(p.name))
	}
	p.anchor = time.Now()
	return p, nil
}

// opening is what each part begins with. Its ANCHOR gives the recording's time
// zero; the later ones give the wall clock as it is then.
func opening(info Info, recording, node string, empty *seal.Tree) []format.Record {
	at := max(time.Since(info.zero), 0).Truncate(time.Microsecond)
	records := []format.Record{
		format.Anchor{At: at, Wall: info.zero.Add(at), Root: empty.Root()},
		format.About{
			Recording: recording, Call: info.Call, Account: info.Account, Node: node,
			Mode: info.Mode, Channels: info.Channels,
		},
		format.Place{Segment: info.Segment, Previous: info.Previous, Caller: info.Caller, Callee: info.Callee},
	}
	if info.Source != "" {
		records = append(records, format.Purpose{Source: info.Source, Mailbox: info.Mailbox})
	}
	return records
}

// begin writes the first records, in as many segments as they need.
func (p *part) begin(records []format.Record) error {
	var w format.Writer
	at := records[0].(format.Anchor).At
	for _, rec := range records {
		b, err := format.Append(nil, rec)
		if err != nil {
			return err
		}
		if !w.Add(b, at) {
			if err := p.write(w.Take(), false); err != nil {
				return err
			}
			w.Add(b, at)
		}
		p.sum.record(rec)
	}
	return p.write(w.Take(), false)
}

// store writes a segment and counts what is in it.
func (p *part) store(plain []byte) error {
	if err := p.write(plain, false); err != nil {
		return err
	}
	return p.sum.segment(plain)
}

// write seals a segment and hands it to the file in one write.
func (p *part) write(plain []byte, final bool) (err error) {
	room, _ := p.outs.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	defer p.outs.Put(room)
	out := append((*room)[:0], p.head...)
	start := len(out)
	if final {
		out, err = p.sealer.Final(out, plain)
	} else {
		out, err = p.sealer.Seal(out, plain)
	}
	*room = out
	if err != nil {
		return err
	}
	p.head = nil
	p.dirty.Store(true)
	n, err := p.file.Write(out)
	if err == nil && n < len(out) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("recording file: %w", err)
	}
	p.tree.Add(out[start:])
	p.hash.Write(out)
	p.size += int64(len(out))
	p.written.Add(uint64(len(out)))
	return nil
}

// sync forces what is written to the disk. It is called by the recording and by
// the Recorder; the first error is final.
func (p *part) sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.dirty.Swap(false) {
		return nil
	}
	if err := p.file.Sync(); err != nil {
		p.unsafe = true
		err = fmt.Errorf("recording file: sync: %w", err)
		p.failed.CompareAndSwap(nil, &err)
		return err
	}
	return nil
}

// close closes the file, once no sync is under way.
func (p *part) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.file.Close()
}

// fault is the error of a sync in the background, if there was one.
func (p *part) fault() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}
