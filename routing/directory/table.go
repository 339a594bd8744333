package directory

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringdown/routing"
)

// together is how many pages are made into rows at once when a table is built:
// numbers as routing takes them are ten times what a table keeps of them.
const together = Pages / 12

// whole builds the table of a snapshot from nothing: first all but the numbers,
// which then come a part at a time.
func (d *Directory) whole(s *snapshot) (*routing.Table, []routing.Fault, error) {
	if faults := d.overlaps(slices.Sorted(maps.Keys(s.head.Counts))); len(faults) > 0 {
		return nil, faults, nil
	}
	rest, err := d.ring.spec(d.schema, s, everyPage(), func(kind string) bool { return kind != numbers })
	if err != nil {
		return nil, nil, err
	}
	d.schema.join(&rest, &d.deps.Base)
	table, faults := routing.NewTable(rest)
	if len(faults) > 0 {
		return nil, faults, nil
	}
	for part := range d.parts(s) {
		if part.err != nil {
			return nil, nil, part.err
		}
		if table, faults = table.Apply(routing.Change{Put: routing.Spec{Numbers: part.numbers}}); len(faults) > 0 {
			return nil, faults, nil
		}
	}
	return table, nil, nil
}

// part is some of the numbers of a snapshot.
type part struct {
	numbers []routing.TrackingNumber
	err     error
}

// parts opens the numbers of a snapshot, the next part while one is in use.
func (d *Directory) parts(s *snapshot) iter.Seq[part] {
	return func(yield func(part) bool) {
		if s.head.Counts[numbers] == 0 {
			return
		}
		next, enough := make(chan part), make(chan struct{})
		defer close(enough)
		go func() { // ends with the last part, or when nobody wants more
			defer close(next)
			for pages := range slices.Chunk(everyPage(), together) {
				all, err := d.ring.trackingNumbers(d.schema, s, pages)
				select {
				case next <- part{all, err}:
				case <-enough:
					return
				}
			}
		}()
		for p := range next {
			if (p.err != nil || len(p.numbers) > 0) && !yield(p) {
				return
			}
		}
	}
}

// overlaps refuses sections that stand in the node's own file too: two places
// for one truth.
func (d *Directory) overlaps(kinds []string) (faults []routing.Fault) {
	own := d.schema.sections(&d.deps.Base)
	for _, kind := range kinds {
		if slices.Contains(own, kind) {
			faults = append(faults, routing.Fault{Path: kind, Msg: fmt.Sprintf("stand in the file of node %s too; a section is in one place", d.deps.Node)})
		}
	}
	return faults
}

// judge makes the table that a change leads to of the one in effect, and holds
// its invariants: only who takes a change does that, for what is in the bucket
// has taken effect. Faults are told by their paths in the change.
func (d *Directory) judge(now *state, next *snapshot, c Change) (*routing.Table, []routing.Fault, error) {
	table, faults, err := d.made(now, next, c)
	if err != nil || len(faults) > 0 {
		return table, faults, err
	}
	return table, table.Violations(time.Now(), numbersOnly(c)...), nil
}

// numbersOnly are the numbers that a change is about, put or removed; none when
// it is about anything else, because then every call may go otherwise.
func numbersOnly(c Change) (only []string) {
	put := c.Put
	put.Numbers = nil
	if c.Replace || !reflect.ValueOf(put).IsZero() {
		return nil
	}
	for kind := range c.Remove {
		if kind != numbers {
			return nil
		}
	}
	for _, n := range c.Put.Numbers {
		only = append(only, n.Number)
	}
	for _, id := range c.Remove[numbers] { // what stays of them
		n, _, _ := strings.Cut(id, "@")
		only = append(only, n)
	}
	return only
}

func (d *Directory) made(now *state, next *snapshot, c Change) (*routing.Table, []routing.Fault, error) {
	if c.Replace {
		change, err := d.ring.between(&now.snapshot, next)
		if err != nil {
			return nil, nil, err
		}
		table, faults, err := d.follow(now, next, change)
		for i, f := range faults {
			faults[i] = d.schema.renamed(f, &c.Put, change)
		}
		return table, faults, err
	}
	return d.apply(now, next, routing.Change{Put: c.Put, Remove: c.Remove})
}

// follow makes the table that a delta leads to of the one in effect.
func (d *Directory) follow(now *state, next *snapshot, change delta) (*routing.Table, []routing.Fault, error) {
	c := routing.Change{Remove: routing.Removal{}}
	for _, o := range change.put {
		if err := d.schema.put(&c.Put, o); err != nil {
			return nil, nil, err
		}
	}
	for _, k := range change.gone {
		ids := c.Remove[k.kind]
		switch {
		case k.id == "":
			ids = []string{}
		case k.kind == numbers && !strings.Contains(k.id, "@"):
			ids = append(ids, k.id+"@") // this validity and no other
		default:
			ids = append(ids, k.id)
		}
		c.Remove[k.kind] = ids
	}
	return d.apply(now, next, c)
}

func (d *Directory) apply(now *state, next *snapshot, c routing.Change) (*routing.Table, []routing.Fault, error) {
	if faults := d.overlaps(slices.Sorted(maps.Keys(next.head.Counts))); len(faults) > 0 {
		return nil, faults, nil
	}
	table, faults := now.table.Apply(c)
	if len(faults) > 0 {
		return nil, faults, nil
	}
	return table, nil, nil
}

var inChange = regexp.MustCompile(`\b(put|remove)\.([a-z]+)\[(\d+)\]`)

// renamed words a fault of a delta in terms of the change it came of: what was
// put by its place there, what goes by its id, unless that is a number.
func (s *schema) renamed(f routing.Fault, put *routing.Spec, change delta) routing.Fault {
	places := map[key]int{}
	all, _ := s.objects(put, "")
	count := map[string]int{}
	for _, o := range all {
		places[o.key()] = count[o.kind]
		count[o.kind]++
	}
	nth := func(kind string, n int, each func(yield func(key) bool)) (key, bool) {
		for k := range each {
			if k.kind == kind {
				if n == 0 {
					return k, true
				}
				n--
			}
		}
		return key{}, false
	}
	words := func(text string) string {
		return inChange.ReplaceAllStringFunc(text, func(m string) string {
			part := inChange.FindStringSubmatch(m)
			kind := part[2]
			n, err := strconv.Atoi(part[3])
			if err != nil {
				return m
			}
			if part[1] == "put" {
				if k, ok := nth(kind, n, func(yield func(key) bool) { eachKey(change.put, yield) }); ok {
					return fmt.Sprintf("put.%s[%d]", kind, places[k])
				}
				return m
			}
			if k, ok := nth(kind, n, slices.Values(change.gone)); ok && kind != numbers {
				return kind + "." + shown(k.id)
			}
			return kind
		})
	}
	return routing.Fault{Path: words(f.Path), Msg: words(f.Msg)}
}

func eachKey(all []object, yield func(key) bool) {
	for _, o := range all {
		if !yield(o.key()) {
			return
		}
	}
}
