package routing

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Apply returns the table that a change makes of this one, which stays as it is
// and shares with it what is the same. Every fault is told at once, by its path
// in the change, or by the id of what stays and does not fit any more; with any,
// there is no new table. A change of numbers costs by their count; one of
// anything else builds all but the numbers again.
func (t *Table) Apply(c Change) (*Table, []Fault) {
	m := merging{}
	rest := m.merge(t.rest, c)
	a := applying{old: t, change: c, merging: &m}
	if m.any {
		a.b = newBuilder()
		a.build(rest)
	} else {
		a.b = t.builder.again(t)
	}
	a.ops()
	if a.faulty() {
		return nil, a.faults()
	}
	next := a.b.table
	missing := next.enter(a.all, t) // nobody else changes a table that is being made
	for _, o := range missing {
		a.b.fault("is not there to be removed", "remove.numbers[%d]", o.index)
	}
	a.meet()
	if m.any {
		a.recheck()
	}
	if a.faulty() {
		return nil, a.faults()
	}
	b, said := a.b, next.rest
	said.Numbers = c.Put.Numbers
	next.warnings = sync.OnceValue(func() (out []Fault) {
		for _, f := range b.warn(said) {
			out = append(out, m.renamed(f))
		}
		return out
	})
	return next, nil
}

// applying is one change under way.
type applying struct {
	old     *Table
	change  Change
	merging *merging
	b       *builder
	all     []op
}

func (a *applying) faulty() bool { return len(a.merging.faults)+len(a.b.faults) > 0 }

// faults are those of the change itself and those of what came of it.
func (a *applying) faults() []Fault {
	out := a.merging.faults
	for _, f := range a.b.faults {
		if f = a.merging.renamed(f); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// again is a builder that checks numbers against what stands.
func (b *builder) again(t *Table) *builder {
	c, next := *b, *t
	c.faults, c.used, c.usedBefore, c.table = nil, map[string]bool{}, b.used, &next
	return &c
}

// keep is the builder as a table keeps it, for the next change.
func (b *builder) keep() *builder {
	c := *b
	c.table = nil // its pages would stay as long as any table that came of it
	return &c
}

// build builds what is not numbers anew.
func (a *applying) build(rest Spec) {
	rest = a.b.build(rest)
	t := a.b.table
	a.b.place(a.old)
	t.numbers, t.tally, t.total = a.old.numbers, a.old.tally, a.old.total
	t.rest = rest
	if !a.faulty() {
		t.restDigest = digestOf(rest)
	}
	t.builder = a.b.keep()
}

// parseRemoval reads a number of a Removal; from is nil for all its validities.
func parseRemoval(s string) (n number, from *int64, msg string) {
	s, at, one := strings.Cut(s, "@")
	if n, msg = checkE164(s); msg != "" || !one {
		return n, nil, msg
	}
	var i Instant
	if at != "" {
		if err := i.UnmarshalText([]byte(at)); err != nil {
			return n, nil, "has a beginning that " + err.Error()
		}
	}
	unix := i.or(beginless)
	return n, &unix, ""
}

// meet looks for rows that were put beside ones that stay and are valid together
// with them.
func (a *applying) meet() {
	t := a.b.table
	for i := range a.all {
		o := &a.all[i]
		if o.remove {
			continue
		}
		page, at := t.numbers.floor(o.number, o.from)
		_, behind := t.numbers.around(o.number, o.from)
		if behind != nil && behind.from < o.until {
			a.b.fault(fmt.Sprintf("is valid while the number is %s, from %s", t.whose(behind), instantAt(behind.from)), "%s", o.at())
		}
		if before := t.numbers.previous(page, at); before != nil && before.number == o.number && before.until > o.from {
			a.b.fault(fmt.Sprintf("is valid while the number is %s, %s", t.whose(before), until(before)), "%s", o.at())
		}
	}
}

func until(r *row) string {
	if r.until == endless {
		return "without end"
	}
	return "until " + instantAt(r.until).String()
}

// recheck asks of the numbers that stay whether what they refer to does. Their
// accounts and flows are counted, so only what few numbers have is looked at.
func (a *applying) recheck() {
	t := a.b.table
	for _, kind := range []struct {
		name, does string
		old        map[string]place
		counts     []uint32
	}{
		{"accounts", "belong to this account", a.old.accounts.of, t.tally.accounts},
		{"flows", "start this flow", a.old.flows.of, t.tally.flows},
		{"pools", "belong to this pool", a.old.pools.of, t.tally.pools},
	} {
		for i, id := range a.change.Remove[kind.name] {
			if n := t.tally.of(kind.counts, kind.old[id]); n > 0 && kind.old[id] != 0 {
				a.b.fault(plural(int(n), "number")+" "+kind.does, "remove.%s[%d]", kind.name, i)
			}
		}
	}
	seen := map[*rare]bool{}
	for _, x := range a.b.shared.rare {
		seen[x] = true // was put, and is checked
	}
	for r := range t.numbers.from(0, beginless) {
		if r.more == nil || r.more.rare == nil || seen[r.more.rare] {
			continue
		}
		seen[r.more.rare] = true
		a.b.rare(&r.more.rare.TrackingNumber, "numbers("+r.number.String()+")")
	}
}
