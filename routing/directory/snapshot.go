package directory

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"ringdown/routing"
)

// snapshot is everything that one commit holds, sealed. It never changes, and
// shares the pages with the one it came of.
type snapshot struct {
	head  *head
	value []byte // of the head, as it is in the bucket
	pages [Pages]page
}

// page is one part of a snapshot, as it is in the bucket. The zero page is empty.
type page struct {
	name  string
	value []byte
}

// nothing is what an empty bucket holds.
func nothing() *snapshot {
	return &snapshot{head: &head{Pages: make([]string, Pages), Counts: map[string]int{}}}
}

func pagePlace(name string) string { return "page " + name }

const headPlace = "head"

// objects opens one page.
func (k *keyring) objects(s *snapshot, i int) ([]object, error) {
	if s.pages[i].name == "" {
		return nil, nil
	}
	text, err := k.open(pagePlace(s.pages[i].name), s.pages[i].value)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", i, err)
	}
	all, err := unpackPage(text, i)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", i, err)
	}
	return all, nil
}

// each calls f for every page of the list at once on all processors; the first
// error is returned. f gets the pages in any order.
func each(pages []int, f func(i int) error) error {
	workers := min(runtime.GOMAXPROCS(0), len(pages))
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := w; n < len(pages) && errs[w] == nil; n += workers {
				errs[w] = f(pages[n])
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// everyPage is a list of all of them.
func everyPage() []int {
	all := make([]int, Pages)
	for i := range all {
		all[i] = i
	}
	return all
}

// differing are the pages in which two snapshots are not the same.
func differing(a, b *snapshot) (all []int) {
	for i := range a.pages {
		if a.pages[i].name != b.pages[i].name {
			all = append(all, i)
		}
	}
	return all
}

// delta is what leads from one snapshot to another.
type delta struct {
	put  []object
	gone []key
}

// between compares two snapshots page by page.
func (k *keyring) between(from, to *snapshot) (delta, error) {
	pages := differing(from, to)
	parts := make([]delta, Pages)
	err := each(pages, func(i int) error {
		old, err := k.objects(from, i)
		if err != nil {
			return err
		}
		now, err := k.objects(to, i)
		if err != nil {
			return err
		}
		parts[i].put, parts[i].gone = difference(old, now)
		return nil
	})
	var d delta
	for _, i := range pages {
		d.put, d.gone = append(d.put, parts[i].put...), append(d.gone, parts[i].gone...)
	}
	return d, err
}

// with makes the snapshot of the next commit, without its head. Objects that are
// as they were change nothing. missing are keys that were to go and are not
// there. With whole, what is not put goes.
func (k *keyring) with(s *snapshot, d delta, whole bool) (next *snapshot, counted Changes, missing []key, err error) {
	next = &snapshot{head: &head{Counts: maps.Clone(s.head.Counts), Pages: slices.Clone(s.head.Pages)}, pages: s.pages}
	edits := map[int]*delta{}
	at := func(i int) *delta {
		if edits[i] == nil {
			edits[i] = &delta{}
		}
		return edits[i]
	}
	for _, o := range d.put {
		e := at(o.key().place())
		e.put = append(e.put, o)
	}
	for _, gone := range d.gone {
		e := at(gone.place())
		e.gone = append(e.gone, gone)
	}
	if whole {
		for i := range s.pages {
			if s.pages[i].name != "" {
				at(i)
			}
		}
	}
	places := slices.Sorted(maps.Keys(edits))
	done := make([]edited, Pages)
	err = each(places, func(i int) (err error) {
		done[i], err = k.edit(s, i, *edits[i], whole)
		return err
	})
	if err != nil {
		return nil, Changes{}, nil, err
	}
	for _, i := range places {
		next.pages[i], next.head.Pages[i] = done[i].page, done[i].page.name
		counted.add(done[i].counted)
		missing = append(missing, done[i].missing...)
	}
	counted.apply(next.head.Counts)
	return next, counted, missing, nil
}

// edited is what became of one page.
type edited struct {
	page    page
	counted Changes
	missing []key
}

func (k *keyring) edit(s *snapshot, i int, d delta, whole bool) (edited, error) {
	old, err := k.objects(s, i)
	if err != nil {
		return edited{}, err
	}
	all := make(map[key]object, len(old)+len(d.put)) // of one page
	var out edited
	if !whole {
		for _, o := range old {
			all[o.key()] = o
		}
	}
	for _, gone := range d.gone {
		there := len(all)
		maps.DeleteFunc(all, func(k key, _ object) bool { return gone.means(k) })
		if len(all) == there {
			out.missing = append(out.missing, gone)
		}
	}
	for _, o := range d.put {
		all[o.key()] = o
	}
	now := sorted(slices.Collect(maps.Values(all)))
	put, gone := difference(old, now)
	if len(put) == 0 && len(gone) == 0 {
		out.page = s.pages[i]
		return out, nil
	}
	out.counted.count(old, put, gone)
	out.page, err = k.page(now)
	return out, err
}

// page seals sorted objects under the name of what they are.
func (k *keyring) page(all []object) (page, error) {
	text := packPage(all)
	if text == nil {
		return page{}, nil
	}
	if len(text) > maxPage {
		return page{}, fmt.Errorf("directory: a page of %d bytes is larger than %d", len(text), maxPage)
	}
	name := k.name(text)
	value, err := k.seal(pagePlace(name), text)
	return page{name, value}, err
}

func (c *Changes) count(old, put []object, gone []key) {
	had := make(map[key]bool, len(old))
	for _, o := range old {
		had[o.key()] = true
	}
	for _, o := range put {
		if had[o.key()] {
			increase(&c.Changed, o.kind, 1)
		} else {
			increase(&c.Added, o.kind, 1)
		}
	}
	for _, g := range gone {
		increase(&c.Removed, g.kind, 1)
	}
}

func increase(m *map[string]int, kind string, by int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[kind] += by
}

func (c *Changes) add(o Changes) {
	for _, pair := range []struct{ to, from *map[string]int }{{&c.Added, &o.Added}, {&c.Changed, &o.Changed}, {&c.Removed, &o.Removed}} {
		for kind, n := range *pair.from {
			increase(pair.to, kind, n)
		}
	}
}

// apply brings counts of objects up to date.
func (c Changes) apply(counts map[string]int) {
	for kind, n := range c.Added {
		counts[kind] += n
	}
	for kind, n := range c.Removed {
		if counts[kind] -= n; counts[kind] <= 0 {
			delete(counts, kind)
		}
	}
}

// spec opens pages of a snapshot and takes the sections that are asked for.
func (k *keyring) spec(s *schema, from *snapshot, pages []int, wanted func(kind string) bool) (routing.Spec, error) {
	parts := make([]routing.Spec, Pages)
	err := each(pages, func(i int) error {
		all, err := k.objects(from, i)
		if err != nil {
			return err
		}
		for _, o := range all {
			if !wanted(o.kind) {
				continue
			}
			if err := s.put(&parts[i], o); err != nil {
				return fmt.Errorf("page %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		return routing.Spec{}, err
	}
	var all routing.Spec
	for i := range parts {
		s.join(&all, &parts[i])
		parts[i] = routing.Spec{}
	}
	return all, nil
}

// trackingNumbers opens the tracking numbers of pages. They are decoded in place: a
// number as routing takes it is 500 bytes.
func (k *keyring) trackingNumbers(s *schema, from *snapshot, pages []int) ([]routing.TrackingNumber, error) {
	found := make([][]object, Pages)
	err := each(pages, func(i int) error {
		all, err := k.objects(from, i)
		for _, o := range all {
			if o.kind == numbers {
				found[i] = append(found[i], o)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	begins := make([]int, Pages)
	count := 0
	for _, i := range pages {
		begins[i] = count
		count += len(found[i])
	}
	out := make([]routing.TrackingNumber, count)
	return out, each(pages, func(i int) error {
		for n, o := range found[i] {
			if err := s.number(&out[begins[i]+n], o); err != nil {
				return fmt.Errorf("page %d: %w", i, err)
			}
		}
		found[i] = nil
		return nil
	})
}
