package directory

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Restore writes the table in use back into a bucket that has lost it: one that
// is empty, whose head was overwritten or deleted, or that misses pages. It is a
// commit like any other, with everything written anew. Where the bucket holds a
// commit that could be used, or a newer Ringdown's, it refuses.
func (d *Directory) Restore(ctx context.Context, by string) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, err := d.bucket.ready(ctx)
	var e entry
	if err == nil {
		e, err = d.bucket.head(ctx)
	}
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	d.seeLocked(ctx, id, e)
	now, t := d.now.Load(), d.fault.Load()
	switch {
	case now == nil || now.head.Commit == 0:
		return Result{}, fmt.Errorf("%w: this node has no table to restore", ErrUnavailable)
	case t == nil || t.kind == FaultBroker:
		if missing, err := d.lost(ctx, now); err != nil || len(missing) == 0 {
			return Result{}, errors.Join(ErrWhole, err)
		}
	case t.kind == FaultTable:
		return Result{}, fmt.Errorf("%w: %s", ErrWhole, t.text)
	case e.value != nil && !d.ours(e.value):
		return Result{}, fmt.Errorf("%w: %s", ErrWhole, errNewer)
	}
	next := now.snapshot
	h := *now.head
	next.head = &h
	h.Commit = now.head.Commit + 1
	if newest, err := d.ring.readHead(e.value); err == nil {
		h.Commit = max(h.Commit, newest.Commit+1)
	}
	h.At, h.Node, h.By, h.Note, h.Changed = time.Now().UTC(), d.deps.Node, by, "restored", Changes{}
	at := *now
	at.bucket, at.seq = id, e.seq
	seen := map[string]bool{"": true}
	var pages []page
	for _, p := range next.pages {
		if !seen[p.name] {
			seen[p.name] = true
			pages = append(pages, p)
		}
	}
	r := Result{Commit: h.Commit, Previous: now.head.Commit, Table: now.table.Version(), Before: now.table.Version()}
	if err := d.publish(ctx, &at, &next, now.table, pages); err != nil {
		if errors.Is(err, errMoved) {
			err = ErrConflict
		}
		return Result{}, err
	}
	d.calm()
	return r, nil
}

// ErrWhole refuses to restore what is not lost.
var ErrWhole = errors.New("directory: the bucket has not lost its table")

// ours reports whether a head may be overwritten: whatever is not a newer
// Ringdown's.
func (d *Directory) ours(value []byte) bool {
	_, err := d.ring.open(headPlace, value)
	return !errors.Is(err, errNewer)
}

// lost counts the pages of the table in use that the bucket does not have.
func (d *Directory) lost(ctx context.Context, now *state) (missing []string, err error) {
	for _, p := range now.pages {
		if p.name == "" {
			continue
		}
		value, err := d.bucket.page(ctx, p.name)
		if err != nil && !errors.Is(err, errNoPage) {
			return nil, err
		}
		if _, damaged := d.ring.open(pagePlace(p.name), value); err != nil || damaged != nil {
			missing = append(missing, p.name)
		}
	}
	return missing, nil
}
