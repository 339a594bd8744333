package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ringdown/routing"
)

// How often a broker that is away is tried, and how often one that answers is
// asked anyway: a watch may die without a word.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
	lookEvery  = 5 * time.Second
)

// fetchers bounds the pages that are asked for at once.
const fetchers = 16

// Run follows the bucket and keeps the disk up to date until ctx ends. To be
// called once. A broker that is away, or a commit that cannot be used, does not
// end it: the last good table stays.
func (d *Directory) Run(ctx context.Context) error {
	var keeping sync.WaitGroup
	keeping.Go(func() { d.keep(ctx) })
	defer keeping.Wait()
	for wait := retryFirst; ctx.Err() == nil; {
		began := time.Now()
		err := d.listen(ctx)
		if ctx.Err() != nil {
			break
		}
		d.tell("", 0, FaultBroker, err)
		if time.Since(began) > retryMost {
			wait = retryFirst
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, retryMost, d.look)
	}
	return nil
}

// listen takes what the bucket has and what comes, until something breaks.
func (d *Directory) listen(ctx context.Context) error {
	id, err := d.bucket.ready(ctx)
	if err != nil {
		return err
	}
	e, err := d.bucket.head(ctx)
	if err != nil {
		return err
	}
	d.see(ctx, id, e)
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		cancel(d.bucket.watch(ctx, e.seq, func(e entry) { d.see(ctx, id, e) }))
	})
	look := time.NewTicker(d.look)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
			now, err := d.bucket.ready(ctx)
			if err == nil && now != id {
				err = errors.New("bucket was made anew")
			}
			if err == nil {
				e, err = d.bucket.head(ctx)
			}
			if err != nil {
				return err
			}
			d.see(ctx, id, e)
		}
	}
}

// see takes up a head of the bucket, whoever wrote it. What cannot be used is
// told, and the table stays.
func (d *Directory) see(ctx context.Context, id string, e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seeLocked(ctx, id, e)
}

func (d *Directory) seeLocked(ctx context.Context, id string, e entry) {
	now := d.now.Load()
	if now != nil && now.bucket == id && e.seq < now.seq {
		return // told late: a newer one is in use
	}
	if t := d.fault.Load(); t != nil && t.bucket == id && t.seq == e.seq && t.seq != 0 && t.kind != FaultPages {
		return // looked at before
	}
	kind, err := d.adopt(ctx, id, e, now)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errNoPage) && d.overtaken(ctx, e) {
		return // the watch tells of the newer one
	}
	if err != nil {
		d.tell(id, e.seq, kind, err)
		return
	}
	d.calm()
}

// overtaken reports whether a head is no longer the newest: its pages may go.
func (d *Directory) overtaken(ctx context.Context, e entry) bool {
	newest, err := d.bucket.head(ctx)
	return err == nil && newest.seq > e.seq
}

// adopt makes the table of a head and puts it into effect. mu is held.
func (d *Directory) adopt(ctx context.Context, id string, e entry, now *state) (kind string, err error) {
	if e.value == nil {
		return d.vacant(id, e, now)
	}
	h, err := d.ring.readHead(e.value)
	if err != nil {
		return FaultHead, fmt.Errorf("the newest commit %w", err)
	}
	if now != nil && now.bucket == id && e.seq == now.seq {
		d.confirm(now, id, e)
		return "", nil
	}
	if now != nil && now.bucket != id && string(now.value) == string(e.value) { // the same commit, in a bucket that was made anew
		d.confirm(now, id, e)
		return "", nil
	}
	if now != nil && h.Commit <= now.head.Commit { // in whatever bucket: time does not go back
		return FaultHead, fmt.Errorf("commit %d was written again behind commit %d: ringdown directory restore writes the latter back", h.Commit, now.head.Commit)
	}
	next, err := d.fetch(ctx, h, e.value, now)
	if err != nil {
		return FaultPages, fmt.Errorf("commit %d: %w", h.Commit, err)
	}
	table, faults, err := d.make(now, next)
	if errors.Is(err, errForeign) || errors.Is(err, errPage) {
		return FaultPages, fmt.Errorf("commit %d: %w", h.Commit, err)
	}
	if err == nil {
		err = d.refusal(faults)
	}
	if err != nil {
		return FaultTable, fmt.Errorf("commit %d cannot be used here: %w", h.Commit, err)
	}
	if now != nil && now.bucket != "" && now.bucket != id {
		d.log.Warn("directory: the bucket is another one than before", "commit", h.Commit, "before", now.head.Commit)
	}
	d.take(&state{snapshot: *next, table: table, seq: e.seq, bucket: id, source: SourceNATS})
	d.log.Info("directory: commit in effect", "commit", h.Commit, "table", table.Version(), "by_node", h.Node, "objects", h.Changed.Total())
	return "", nil
}

// vacant is a bucket without a head. It is the beginning of a table where there
// is none; where there is one, somebody has lost the bucket, and nobody's
// numbers are dropped for that.
func (d *Directory) vacant(id string, e entry, now *state) (string, error) {
	if now != nil && now.head.Commit > 0 {
		return FaultEmpty, fmt.Errorf("the bucket is empty, and commit %d is in use here: ringdown directory restore writes it back", now.head.Commit)
	}
	if e.seq > 0 {
		return FaultEmpty, errors.New("the newest commit was deleted")
	}
	if now != nil {
		d.confirm(now, id, e)
		return "", nil
	}
	empty := nothing()
	table, faults, err := d.whole(empty)
	if err == nil {
		err = d.refusal(faults)
	}
	if err != nil {
		return FaultTable, err
	}
	d.take(&state{snapshot: *empty, table: table, bucket: id, source: SourceNATS})
	return "", nil
}

// confirm notes that the table in use is the one in the bucket.
func (d *Directory) confirm(now *state, id string, e entry) {
	if now.source == SourceNATS && now.bucket == id && now.seq == e.seq {
		return
	}
	next := *now
	next.source, next.bucket, next.seq = SourceNATS, id, e.seq
	d.now.Store(&next)
	poke(d.dirty)
}

// make builds the table of a snapshot: of the one in use where there is one.
func (d *Directory) make(now *state, next *snapshot) (*routing.Table, []routing.Fault, error) {
	if now == nil {
		return d.whole(next)
	}
	change, err := d.ring.between(&now.snapshot, next)
	if err != nil {
		return nil, nil, err
	}
	return d.follow(now, next, change)
}

// fetch gets the pages of a head that are not here.
func (d *Directory) fetch(ctx context.Context, h *head, value []byte, now *state) (*snapshot, error) {
	next := &snapshot{head: h, value: value}
	have := map[string]page{}
	if now != nil {
		for _, p := range now.pages {
			have[p.name] = p
		}
	}
	var missing []int
	for i, name := range h.Pages {
		if p, ok := have[name]; ok || name == "" {
			next.pages[i] = p
			continue
		}
		missing = append(missing, i)
	}
	errs := make([]error, fetchers)
	var all sync.WaitGroup
	for w := range min(fetchers, len(missing)) {
		all.Go(func() {
			for n := w; n < len(missing) && errs[w] == nil; n += fetchers {
				i := missing[n]
				value, err := d.bucket.page(ctx, h.Pages[i])
				next.pages[i] = page{h.Pages[i], value}
				errs[w] = err
			}
		})
	}
	all.Wait()
	return next, errors.Join(errs...)
}
