package directory

import (
	"context"
	"time"
)

// keepAgain is how soon a save that failed is tried again.
const keepAgain = 10 * time.Second

// sweepLag is how many commits a page stays in the bucket after the last head
// that names it: time for slow readers.
const sweepLag = 8

// keep brings the disk and the bucket up to date behind the table, until ctx ends.
func (d *Directory) keep(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-d.dirty:
		case <-again:
		case <-d.sweep:
			d.clean(ctx)
			continue
		case <-ctx.Done():
			select {
			case <-d.dirty: // what took effect last is kept too
				d.save()
			default:
			}
			return
		}
		again = nil
		if !d.save() {
			again = time.After(keepAgain)
		}
	}
}

// save writes the table in effect to the disk.
func (d *Directory) save() bool {
	now := d.now.Load()
	if now == nil || now.head.Commit == 0 {
		return true
	}
	if err := d.disk.save(now); err != nil {
		d.counts.saveFaults.Add(1)
		d.log.Error("directory: the table is not on the disk: a start without the broker would use an older one", "commit", now.head.Commit, "on_disk", d.saved.Load(), "error", err)
		return false
	}
	d.counts.saves.Add(1)
	d.saved.Store(now.head.Commit)
	return true
}

// drop notes pages that a commit no longer names. mu is held.
func (d *Directory) drop(before, next *snapshot) {
	names := map[string]bool{}
	for _, i := range differing(before, next) {
		names[before.pages[i].name] = true
	}
	d.dropped = append(d.dropped, names)
	if len(d.dropped) > sweepLag {
		d.dropped = d.dropped[len(d.dropped)-sweepLag:]
	}
}

// clean takes pages out of the bucket that no head of late names. One that could
// not be taken away is found by the next commit's turn. A node that has not seen
// sweepLag commits yet does not know which those are, and leaves it to a later turn.
func (d *Directory) clean(ctx context.Context) {
	d.mu.Lock()
	if len(d.dropped) < sweepLag {
		d.mu.Unlock()
		return
	}
	now := d.now.Load()
	keep := map[string]bool{}
	for _, p := range now.pages {
		keep[p.name] = true
	}
	for _, names := range d.dropped {
		for name := range names {
			keep[name] = true
		}
	}
	d.mu.Unlock()
	if err := d.bucket.sweep(ctx, keep, now.seq); err != nil && ctx.Err() == nil {
		d.log.Warn("directory: old pages stay in the bucket for now", "error", err)
	}
}
