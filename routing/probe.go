package routing

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// probe is a call that is looked at: a number that stands for all that are set
// up like it, and a caller that stands for all who are treated like him.
type probe struct {
	row    *row
	entry  entry
	trunk  *trunk
	caller caller
	at     time.Time
}

// constellation is an instant from which on they stand to each other as
// they did not before.
type constellation struct {
	at     time.Time
	states string
}

// constellations are how the calendars of the table stand to each other from then
// on until then: as they do first, and at each of their changes. Between two of
// them nothing that a decision goes by changes.
func (t *Table) constellations(from, until time.Time) (all []constellation) {
	ids := slices.Sorted(maps.Keys(t.calendars))
	edges := []time.Time{from}
	for _, id := range ids {
		for at, more := t.calendars[id].next(from, until); more; at, more = t.calendars[id].next(at, until) {
			edges = append(edges, at)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	for _, at := range slices.CompactFunc(edges, time.Time.Equal) {
		var states strings.Builder
		for _, id := range ids {
			state, _ := t.calendars[id].at(at)
			states.WriteString(state + " ")
		}
		all = append(all, constellation{at, states.String()})
	}
	return all
}

// within are those of the year that fall into a time, but for known ones: the one
// that it begins in, and those that begin in it.
func within(year []constellation, from, until int64, known map[string]bool) (out []time.Time) {
	first := 0
	for i, c := range year {
		if c.at.Unix() <= from {
			first = i
		}
	}
	for i, c := range year[first:] {
		at := c.at
		if i == 0 && at.Unix() < from {
			at = time.Unix(from, 0)
		}
		if at.Unix() >= until {
			break
		}
		if !known[c.states] {
			known[c.states] = true
			out = append(out, at)
		}
	}
	return out
}

// kind is a way in which numbers are set up.
type kind struct {
	account, flow, pool place
	more                *more
}

// lived is what was looked at of a kind.
type lived struct {
	times  map[[2]int64]bool
	states map[string]bool // of constellations
}

// group is calls of one kind of number by one kind of trunk, at the moments that
// no group before it has had.
type group struct {
	row     *row
	entry   entry
	trunk   *trunk
	moments []time.Time
	callers iter.Seq[caller]
	cannot  string // why its callers cannot be told
}

// groups are all calls within a year from then on: of each way in which numbers (some
// only, if any is named) are set up, by each kind of trunk.
func (t *Table) groups(from time.Time, only []string) iter.Seq[group] {
	return func(yield func(group) bool) {
		year := t.constellations(from, from.AddDate(1, 0, 0))
		begin, end := from.Unix(), from.AddDate(1, 0, 0).Unix()
		classes, known := t.line().classes(), map[kind]lived{}
		for r := range t.rowsOf(only) {
			since, until := max(r.from, begin), min(r.until, end)
			if r.state != active || since >= until {
				continue
			}
			k := kind{r.account, r.flow, r.pool, r.more}
			was, met := known[k]
			if !met {
				was = lived{map[[2]int64]bool{}, map[string]bool{}}
				known[k] = was
			}
			if was.times[[2]int64{since, until}] {
				continue
			}
			was.times[[2]int64{since, until}] = true
			moments := within(year, since, until, was.states)
			if len(moments) == 0 {
				continue
			}
			e := t.entry(r)
			by := t.entries(e)
			if len(by) == 0 && !yield(group{row: r, entry: e, cannot: "no trunk takes its calls"}) {
				return
			}
			for _, trunk := range by {
				g := group{row: r, entry: e, trunk: trunk, moments: moments}
				var a askedOf
				a, g.cannot = t.asks(e, trunk)
				if g.callers = t.callers(classes, a); !yield(g) {
					return
				}
			}
		}
	}
}

// probes are the calls of a group.
func (g group) probes() iter.Seq[probe] {
	return func(yield func(probe) bool) {
		for _, at := range g.moments {
			for c := range g.callers {
				if !yield(probe{g.row, g.entry, g.trunk, c, at}) {
					return
				}
			}
		}
	}
}

// rowsOf are the rows of some numbers; of all when none is named.
func (t *Table) rowsOf(only []string) iter.Seq[*row] {
	if len(only) == 0 {
		return t.numbers.from(0, beginless)
	}
	return func(yield func(*row) bool) {
		for _, s := range only {
			n, _ := checkE164(s)
			for r := range t.numbers.from(n, beginless) {
				if r.number != n {
					break
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// entries are the trunks that calls of a number come by, one of each kind: as far
// as flows can tell them apart.
func (t *Table) entries(e entry) (all []*trunk) {
	known := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(t.trunks)) {
		trunk := t.trunks[id]
		if !trunk.spec.CallsIn() || len(e.trunks) > 0 && !slices.Contains(e.trunks, id) {
			continue
		}
		kind := strings.ToLower(cmp.Or(trunk.spec.STIR.Require, RequireNone) + " " + strings.Join(slices.Sorted(slices.Values(trunk.spec.Headers.In)), " "))
		if t.mentions.trunks {
			kind = id
		}
		if !known[kind] {
			known[kind] = true
			all = append(all, trunk)
		}
	}
	return all
}

// decide decides a probe; false when the call is refused before its flow begins.
func (t *Table) decide(p *probe) (m moment, begun bool) {
	d := t.Decide(Request{
		Trunk: p.trunk.id, From: p.caller.from(), To: p.trunk.spec.NumberFormat.Strip + p.row.number.e164(), At: p.at,
		Attested: p.caller.attested, Private: p.caller.private, Headers: p.caller.headers,
	})
	return moment{walk: d.Walk, next: d.First}, d.Walk != nil
}
