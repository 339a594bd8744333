package recorder

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
)

const (
	maxTail       = 8 // segments at the end that may not open after a power cut
	recoverAtOnce = 4
)

// wholePart is a part that has its final segment and its manifest.
type wholePart struct {
	name string
	m    Manifest
}

// Recover finishes every part that a crash left behind: cuts the torn tail,
// seals an end, signs a manifest, tells of it and renames the file. It is
// called before calls are admitted and may itself be killed at any point: the
// next one goes on. A part that it cannot finish (its key is gone or not the
// right one, its bytes are damaged beyond what a crash explains) stays as it is,
// is logged and counted in Stats.Left; it is no reason not to start, and no
// error. An error says that the store could not be read, or that ctx ended.
func (r *Recorder) Recover(ctx context.Context) error {
	faults, err := r.recoverAll(ctx)
	r.counters.left.Store(int64(len(faults)))
	if err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	return ctx.Err()
}

// recoverAll returns what could not be finished, one error each.
func (r *Recorder) recoverAll(ctx context.Context) (faults []error, err error) {
	left, err := r.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, recoverAtOnce)
	for recording, parts := range left {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			found := r.recoverOne(ctx, recording, parts)
			mu.Lock()
			faults = append(faults, found...)
			mu.Unlock()
		})
	}
	all.Wait()
	return faults, nil
}

// unfinished finds the parts that nobody writes to, by their recording's path.
func (r *Recorder) unfinished(ctx context.Context) (map[string][]string, error) {
	live := map[string]bool{}
	for _, rec := range r.live() {
		live[partName(rec.info.Account, rec.id, rec.info.Started, 1)] = true
	}
	left := map[string][]string{}
	return left, r.deps.Store.Walk("", func(name, ending string) error {
		if recording, _ := splitPart(name); ending == ".part" && !live[recording] {
			left[recording] = append(left[recording], name)
		}
		return ctx.Err()
	})
}

// splitPart takes the part's number off a name.
func splitPart(name string) (recording string, number int) {
	base := path.Base(name)
	if id, n, ok := strings.Cut(base, "."); ok {
		if number, err := strconv.Atoi(n); err == nil && number > 1 {
			return path.Join(path.Dir(name), id), number
		}
	}
	return name, 1
}

// recoverOne finishes the parts of one recording and tells of it once.
func (r *Recorder) recoverOne(ctx context.Context, recording string, parts []string) (faults []error) {
	id := path.Base(recording)
	var whole []wholePart
	for _, name := range parts {
		p, err := r.finishPart(ctx, name)
		switch {
		case ctx.Err() != nil:
			return faults // the next start goes on: nothing is wrong with it
		case errors.Is(err, ErrEmpty):
			r.log.Warn("recording was begun and holds nothing: removed", "recording", id)
			if err := r.deps.Store.Remove(name); err != nil {
				faults = append(faults, fmt.Errorf("recording %s: %w", id, err))
			}
		case err != nil:
			r.log.Error("recording cannot be finished and stays as it is", "recording", id, "err", err)
			faults = append(faults, fmt.Errorf("recording %s: %w", id, err))
		default:
			whole = append(whole, p)
		}
	}
	if len(whole) == 0 {
		return faults
	}
	switch told, err := r.told(recording); {
	case err != nil:
		faults = append(faults, fmt.Errorf("recording %s: %w", id, err))
	case told: // when its other parts were finished
		r.rename(id, whole, nil)
	default:
		m := whole[0].m
		r.conclude(id, Info{Call: m.Call, Account: m.Account}, whole, missing{parts: len(faults)})
	}
	return faults
}

// told reports whether a part of the recording has its final name: that comes
// after the event.
func (r *Recorder) told(recording string) (told bool, err error) {
	err = r.deps.Store.Walk(path.Dir(recording), func(name, ending string) error {
		if base, _ := splitPart(name); base == recording && ending == ".ctr" {
			told = true
			return fs.SkipAll
		}
		return nil
	})
	return told, err
}

// finishPart makes a part whole that nobody writes to any more.
func (r *Recorder) finishPart(ctx context.Context, name string) (wholePart, error) {
	src, err := r.deps.Store.Open(name)
	if err != nil {
		return wholePart{}, err
	}
	defer src.Close()
	f, err := parseFile(src, src.Size())
	if err != nil {
		return wholePart{}, err
	}
	if err := f.named(name); err != nil {
		return wholePart{}, err
	}
	recording, number := splitPart(name)
	id := path.Base(recording)
	if err := f.unlock(r.deps.Keys); err != nil {
		return wholePart{}, err
	}
	keep, err := f.tail()
	if err != nil {
		return wholePart{}, err
	}
	c, err := f.survey(ctx, keep)
	if err != nil {
		return wholePart{}, err
	}
	if c.sum.about.Account == "" {
		return wholePart{}, fmt.Errorf("first segment: %w", seal.ErrSegment)
	}
	if !c.final {
		if err := r.seal(name, f, c, keep); err != nil {
			return wholePart{}, err
		}
		r.counters.recovered.Add(1)
		r.log.Info("recording finished after a crash", "recording", id, "part", number,
			"torn bytes", f.size-format.Offset(len(f.prefix), keep), "damaged segments", c.damaged)
	}
	m := f.manifest(id, number, c)
	return wholePart{name, m}, r.sign(name, m)
}

// ErrMismatch says that a file is not what its name or its manifest says.
var ErrMismatch = errors.New("file is not the one that was signed")

// tail finds how many segments to keep: up to the last that opens. After a
// power cut some that were not synced are damaged or all zero; more damaged
// ones than a crash explains are not for us to cut off.
func (f *sealedFile) tail() (keep int64, err error) {
	segment, plain := make([]byte, format.Segment), make([]byte, 0, format.Plain)
	damaged := 0
	for keep = f.whole; keep > 0; keep-- {
		s, err := f.read(segment, keep-1)
		if err != nil {
			return 0, err
		}
		if _, final, err := f.decrypt(plain, keep-1, s); err == nil {
			if final && (keep < f.whole || f.torn > 0) {
				return 0, fmt.Errorf("bytes behind the final segment: %w", ErrMismatch)
			}
			return keep, nil
		}
		if allZero(s) {
			continue
		}
		if damaged++; damaged > maxTail {
			return 0, fmt.Errorf("last %d segments: %w", damaged, seal.ErrSegment)
		}
	}
	return 0, fmt.Errorf("no segment opens: %w", seal.ErrSegment)
}

// seal cuts a file behind the segments to keep and appends the final one.
func (r *Recorder) seal(name string, f *sealedFile, c *contents, keep int64) error {
	sealer, err := seal.ResumeSealer(f.key, format.AAD(f.prefix), f.header, uint64(keep))
	if err != nil {
		return err
	}
	size := format.Offset(len(f.prefix), keep)
	plain, err := c.ending(time.Now(), f.size-size)
	if err != nil {
		return err
	}
	segment, err := sealer.Final(nil, plain)
	if err != nil {
		return err
	}
	out, err := r.deps.Store.Resume(name, size)
	if err != nil {
		return err
	}
	_, err = out.Write(segment)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	c.tree.Add(segment)
	c.hash.Write(segment)
	f.size, f.whole, f.torn = size+format.Segment, keep+1, 0
	return c.sum.segment(plain)
}

// ending is the last segment of a part whose process died. The recording is as
// long as the last packet kept, never longer: when the call ended is not known.
func (c *contents) ending(now time.Time, torn int64) ([]byte, error) {
	var w format.Writer
	last := c.sum.last
	gap := format.Gap{Cause: format.CauseCrash, From: last, To: max(now.Sub(c.sum.zero), last)}
	counted := c.sum
	counted.record(gap)
	end := counted.finished(format.ReasonRecovered, last)
	for _, rec := range []format.Record{
		gap,
		format.Mark{Kind: format.MarkRecovered, At: last, Count: uint32(min(torn, 1<<32-1))},
		end,
	} {
		b, err := format.Append(nil, rec)
		if err != nil {
			return nil, err
		}
		w.Add(b, last)
	}
	return bytes.Clone(w.Take()), nil
}

// manifest describes a part that was read.
func (f *sealedFile) manifest(id string, number int, c *contents) Manifest {
	root := c.tree.Root()
	m := Manifest{
		Recording: id, Part: number, KeyRef: f.preamble.KeyRef, Size: f.size, Segments: int64(c.tree.Size()),
		Root: hex.EncodeToString(root[:]), SHA256: hex.EncodeToString(c.hash.Sum(nil)),
	}
	end := format.End{}
	if c.sum.end != nil {
		end = *c.sum.end
	}
	if c.damaged > 0 {
		c.sum.degraded = true
	}
	return m.of(&c.sum, end)
}
