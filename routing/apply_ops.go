package routing

import (
	"maps"
	"slices"
)

// rowKey is what no two rows of a table share.
type rowKey struct {
	number number
	from   int64
}

func (r *row) key() rowKey { return rowKey{r.number, r.from} }

// ops collects what becomes of the numbers. A row may take the place of another
// one with its key: a line that of the line before it, and anything that of what
// the same change takes away. Else a pool and a line, or two pools, would hold one
// number, and which of them it is would depend on who came last.
func (a *applying) ops() {
	changed := slices.Sorted(maps.Keys(a.change.Put.Pools))
	a.all = a.b.addNumbers(a.change.Put.Numbers, a.b.poolNumbers(changed))
	put := make(map[rowKey]bool, len(a.all)) // by key: whether a pool lists it
	for i := range a.all {
		put[a.all[i].key()] = a.all[i].listed
	}
	before := len(a.all)
	freed := a.removed(put)
	leaving := slices.Concat(changed, a.change.Remove["pools"])
	a.displaced(a.all[:before], freed, leaving)
	a.unlisted(put, leaving)
	if len(a.all) > before {
		slices.SortFunc(a.all, compareOps)
	}
}

// removed adds the lines that go, and returns their keys.
func (a *applying) removed(put map[rowKey]bool) map[rowKey]bool {
	freed := map[rowKey]bool{}
	for i, s := range a.change.Remove["numbers"] {
		n, from, msg := parseRemoval(s)
		if a.b.fault(msg, "remove.numbers[%d]", i) {
			continue
		}
		found := false
		for r := range a.old.numbers.from(n, beginless) {
			if r.number != n {
				break
			}
			if r.listed || from != nil && *from != r.from { // what is listed goes with its pool
				continue
			}
			found = true
			key := r.key()
			listed, stays := put[key]
			switch {
			case freed[key] || stays && !listed:
				if from != nil {
					a.b.fault("is put or removed as well", "remove.numbers[%d]", i)
				}
				continue
			case !stays: // else a pool's row takes its place
				a.all = append(a.all, op{row: row{number: n, from: r.from}, remove: true, index: i})
			}
			freed[key] = true
		}
		if !found {
			a.b.fault("is not in the table", "remove.numbers[%d]", i)
		}
	}
	return freed
}

// displaced looks for rows that would take the place of one that is not theirs
// to take.
func (a *applying) displaced(put []op, freed map[rowKey]bool, leaving []string) {
	for i := range put {
		o := &put[i]
		old, ok := a.old.numbers.exactly(o.number, o.from)
		if !ok || !old.listed && !o.listed {
			continue
		}
		if id := a.old.pools.id(old.pool); old.listed {
			if !slices.Contains(leaving, id) {
				a.b.fault("is a number of pools."+id+" already", "%s", o.itself())
			}
			continue
		}
		if !freed[old.key()] {
			a.b.fault("holds a number that has a line of its own, "+a.old.whose(old), "%s", o.itself())
		}
	}
}

// unlisted adds the numbers that leave their pool.
func (a *applying) unlisted(put map[rowKey]bool, leaving []string) {
	for _, id := range leaving {
		p := a.old.pools.at(a.old.pools.of[id])
		if p == nil {
			continue
		}
		for _, r := range p.numbers {
			for n := r.first; n <= r.last; n++ {
				key := rowKey{n, beginless}
				if _, stays := put[key]; !stays {
					put[key] = true
					a.all = append(a.all, op{row: row{number: n, from: beginless}, remove: true})
				}
			}
		}
	}
}

// itself is the path of what names the number.
func (o *op) itself() string {
	if o.path != "" {
		return o.path
	}
	return o.at() + ".number"
}
