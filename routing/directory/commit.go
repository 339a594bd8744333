package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"ringdown/routing"
)

// Change is what somebody wants of the table. It takes effect whole or not at all.
type Change struct {
	// Base is the commit that it was made for; 0: whichever is in use.
	Base int64 `yaml:"base"`
	// Put are objects that come, or take the place of those of the same id.
	Put routing.Spec `yaml:"put"`
	// Remove are ids by section, numbers as [whichNumber] reads them. A section
	// that holds one thing without an id goes with an empty list.
	Remove map[string][]string `yaml:"remove"`
	// Replace: what is not put goes.
	Replace bool   `yaml:"replace"`
	By      string `yaml:"by"`   // who asks, an id
	Note    string `yaml:"note"` // why
}

// Result is what became of a change.
type Result struct {
	Commit, Previous uint64 // equal: nothing changed
	Table, Before    string // versions
	Changed          Changes
}

// Errors of [Directory.Commit] that callers tell apart.
var (
	// ErrConflict: somebody else's commit was first. The change may be made
	// again on what holds now.
	ErrConflict = errors.New("directory: the table has changed meanwhile")
	// ErrUnavailable: the broker or its bucket cannot take a change now.
	ErrUnavailable = errors.New("directory: no change can be taken now")
	// ErrDoubt: the broker did not say whether it took the change.
	ErrDoubt = errors.New("directory: not known whether the change takes effect: look at the newest commit")
)

// Invalid is a change that makes no valid table: everything that is wrong with
// it, with paths in the change.
type Invalid []routing.Fault

func (f Invalid) Error() string {
	return fmt.Sprintf("directory: the change has %d faults, the first at %s: %s", len(f), f[0].Path, f[0].Msg)
}

// tries is how often a change without a base is made for a newer table when
// others are faster.
const tries = 8

// Commit checks a change as a whole and puts it into effect, first in the bucket
// and then here; when it returns without an error, this node uses it. With dry
// nothing is written. Of changes without a base that are made at the same time
// all take effect, one after the other.
func (d *Directory) Commit(ctx context.Context, c Change, dry bool) (Result, error) {
	objects, faults := d.schema.objects(&c.Put, "put.")
	change, more := d.remove(c)
	faults = append(append(faults, more...), checkWords(c)...)
	if len(faults) > 0 {
		return Result{}, Invalid(faults)
	}
	change.put = objects
	for range tries {
		r, err := d.attempt(ctx, c, change, dry)
		if !errors.Is(err, errMoved) {
			return r, err
		}
		d.counts.conflicts.Add(1)
		if c.Base != 0 {
			return Result{}, fmt.Errorf("%w: it was made for commit %d, %d holds", ErrConflict, c.Base, d.commit())
		}
	}
	return Result{}, fmt.Errorf("%w: %d times in a row", ErrConflict, tries)
}

func (d *Directory) remove(c Change) (change delta, faults []routing.Fault) {
	for kind, ids := range c.Remove {
		if !d.schema.known(kind) {
			faults = append(faults, routing.Fault{Path: "remove." + shown(kind), Msg: "there is no section of that name"})
			continue
		}
		whole := d.schema.shapes[d.schema.byKind[kind]].how == asWhole
		switch {
		case whole && len(ids) > 0:
			faults = append(faults, routing.Fault{Path: "remove." + kind, Msg: "has no ids: an empty list removes it"})
		case whole:
			change.gone = append(change.gone, key{kind, ""})
		}
		for _, id := range ids {
			change.gone = append(change.gone, removal(kind, id))
		}
	}
	slices.SortFunc(change.gone, compareKeys)
	return change, faults
}

func removal(kind, id string) key {
	if kind == numbers {
		return whichNumber(id)
	}
	return key{kind, id}
}

// maxNote bounds what is said about a change, in bytes.
const maxNote = 200

func checkWords(c Change) (faults []routing.Fault) {
	if c.Base < 0 {
		faults = append(faults, routing.Fault{Path: "base", Msg: "is not the number of a commit"})
	}
	if c.By != "" && !routing.ValidID(c.By) {
		faults = append(faults, routing.Fault{Path: "by", Msg: "is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit"})
	}
	if len(c.Note) > maxNote || !utf8.ValidString(c.Note) || slices.ContainsFunc([]rune(c.Note), unicode.IsControl) {
		faults = append(faults, routing.Fault{Path: "note", Msg: "is not a line of text of up to 200 bytes"})
	}
	return faults
}

// attempt makes one commit on the table in use. errMoved: another was first.
func (d *Directory) attempt(ctx context.Context, c Change, change delta, dry bool) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := d.base(ctx, c)
	if err != nil {
		return Result{}, err
	}
	next, counted, missing, err := d.ring.with(&now.snapshot, change, c.Replace)
	if err != nil {
		return Result{}, err
	}
	if len(missing) > 0 {
		return Result{}, absent(c, missing)
	}
	r := Result{Commit: now.head.Commit, Previous: now.head.Commit, Table: now.table.Version(), Before: now.table.Version(), Changed: counted}
	if counted.Total() == 0 {
		return r, nil
	}
	table, faults, err := d.judge(now, next, c)
	if err != nil {
		return Result{}, err
	}
	if len(faults) > 0 {
		return Result{}, Invalid(faults)
	}
	r.Commit, r.Table = now.head.Commit+1, table.Version()
	if dry {
		return r, nil
	}
	h := next.head
	h.Commit, h.At, h.Node, h.By, h.Note = r.Commit, time.Now().UTC(), d.deps.Node, c.By, c.Note
	h.Table, h.Changed = r.Table, counted
	return r, d.write(ctx, now, next, table)
}

// base is the state that a change is made on: the one in use, which must be the
// newest there is.
func (d *Directory) base(ctx context.Context, c Change) (*state, error) {
	id, err := d.bucket.ready(ctx)
	var e entry
	if err == nil {
		e, err = d.bucket.head(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	d.seeLocked(ctx, id, e)
	now := d.now.Load()
	switch t := d.fault.Load(); {
	case t != nil && t.kind != FaultBroker:
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, t.text)
	case now == nil || now.bucket != id || now.seq != e.seq:
		return nil, fmt.Errorf("%w: the newest commit is not in use here", ErrUnavailable)
	case c.Base != 0 && uint64(c.Base) != now.head.Commit:
		return nil, fmt.Errorf("%w: it was made for commit %d, %d holds", ErrConflict, c.Base, now.head.Commit)
	}
	return now, nil
}

// write puts pages and head into the bucket and the table into effect here.
func (d *Directory) write(ctx context.Context, now *state, next *snapshot, table *routing.Table) error {
	known := map[string]bool{"": true}
	for _, p := range now.pages {
		known[p.name] = true
	}
	var pages []page
	for _, p := range next.pages {
		if !known[p.name] {
			known[p.name] = true
			pages = append(pages, p)
		}
	}
	return d.publish(ctx, now, next, table, pages)
}

// publish puts these pages and the head of next into the bucket, where now's
// head is the newest.
func (d *Directory) publish(ctx context.Context, now *state, next *snapshot, table *routing.Table, pages []page) error {
	var err error
	if next.value, err = d.ring.seal(headPlace, next.head.encode()); err != nil {
		return err
	}
	if err := d.bucket.put(ctx, pages); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	seq, err := d.bucket.swap(ctx, next.value, now.seq)
	if err != nil && !errors.Is(err, errMoved) {
		if seq, err = d.settle(next.value, now.seq, err); err == nil {
			d.log.Warn("directory: the broker took a commit without saying so", "commit", next.head.Commit)
		}
	}
	if err != nil {
		return err
	}
	if d.deps.Sync != nil {
		if err := d.deps.Sync(); err != nil { // it is in effect; the disk of this node gets its own copy
			d.log.Error("directory: the broker's files are not synced: a power cut could lose the commit there", "commit", next.head.Commit, "error", err)
		}
	}
	d.counts.committed.Add(1)
	d.take(&state{snapshot: *next, table: table, seq: seq, bucket: now.bucket, source: SourceNATS})
	d.log.Info("directory: change in effect", "commit", next.head.Commit, "table", table.Version(), "by", next.head.By, "objects", next.head.Changed.Total())
	if next.head.Commit%sweepLag == 0 {
		poke(d.sweep)
	}
	return nil
}

// settle finds out whether a head was taken whose answer was lost. The caller
// may have given up, the doubt has not.
func (d *Directory) settle(value []byte, expect uint64, why error) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.Timeout)
	defer cancel()
	e, err := d.bucket.head(ctx)
	switch {
	case err == nil && string(e.value) == string(value):
		return e.seq, nil
	case err == nil && e.seq != expect:
		return 0, errMoved
	}
	return 0, fmt.Errorf("%w: %w", ErrDoubt, why)
}

// absent tells which of the ids that were to go are not there, by their places
// in the change.
func absent(c Change, missing []key) Invalid {
	var faults Invalid
	gone := map[key]bool{}
	for _, k := range missing {
		gone[k] = true
	}
	for kind, ids := range c.Remove {
		for i, id := range ids {
			if gone[removal(kind, id)] {
				faults = append(faults, routing.Fault{Path: "remove." + kind + "[" + strconv.Itoa(i) + "]", Msg: "is not there"})
			}
		}
	}
	slices.SortFunc(faults, func(a, b routing.Fault) int { return compareKeys(key{a.Path, ""}, key{b.Path, ""}) })
	return faults
}
