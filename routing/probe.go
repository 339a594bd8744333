package routing

import (
	"iter"
	"maps"
	"slices"
	"strconv"
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

// caller stands for a class of callers.
type caller struct {
	number   number
	private  bool
	attested Attested
	headers  map[string]string
}

// callers are one of each class that the table tells apart: by the countries,
// areas, lists and prefixes that steps and invariants name, who withholds his
// number, and one of whom none of it holds.
func (t *Table) callers() (all []caller) {
	seen := map[number]bool{}
	add := func(n number) {
		if n != 0 && !seen[n] {
			seen[n] = true
			all = append(all, caller{number: n})
		}
	}
	of := slices.Clone(t.mentions.countries)
	slices.Sort(of)
	for _, iso := range slices.Compact(of) {
		add(numberOf(iso))
	}
	for _, head := range slices.Sorted(maps.Keys(t.areas.of)) {
		add(t.within(head))
	}
	heads := slices.Clone(t.mentions.heads)
	slices.Sort(heads)
	for _, head := range slices.Compact(heads) {
		add(t.within(head))
	}
	for _, id := range slices.Sorted(maps.Keys(t.lists)) {
		for _, n := range slices.Sorted(maps.Keys(t.lists[id].numbers))[:min(8, len(t.lists[id].numbers))] {
			add(n)
		}
		for _, head := range slices.Sorted(maps.Keys(t.lists[id].heads.of)) {
			add(t.within(head))
		}
	}
	for _, n := range []number{4799999999, 12125550100, 6834001, 8819999999} { // where nothing else is said
		add(n)
	}
	all = append(all, caller{}, caller{number: 4799999998, private: true})
	return t.attestedCallers(all)
}

// attestedCallers adds those whom the steps tell apart by attestation and
// headers.
func (t *Table) attestedCallers(all []caller) []caller {
	of := len(all)
	for _, a := range t.mentions.attested {
		for _, c := range all[:of] {
			c.attested = a
			all = append(all, c)
		}
	}
	for _, h := range t.mentions.headers {
		for _, c := range all[:of] {
			c.headers = map[string]string{h[0]: h[1]}
			all = append(all, c)
		}
	}
	return all
}

// numberOf is a number of a country.
func numberOf(iso string) number {
	for _, head := range slices.Sorted(maps.Keys(grounds().of)) {
		if grounds().of[head] != iso {
			continue
		}
		if n := fillUp(head, func(n number) bool { return n.ground() == iso }); n != 0 {
			return n
		}
	}
	return 0
}

// within is a number that begins with the prefix, and with no longer one that the
// table knows, where there is such a number.
func (t *Table) within(head number) number {
	return fillUp(head, func(n number) bool {
		area, _ := t.areas.of[head]
		got, _ := t.areas.find(n)
		return area == "" || got == area
	})
}

// fillUp makes a number of eleven digits, or more where the prefix is longer, that
// is right; 0 when there is none.
func fillUp(head number, right func(number) bool) number {
	for _, digits := range [...]string{"2", "5", "9", "1", "3", "7", "0"} {
		s := strconv.FormatUint(uint64(head), 10)
		if n, ok := parseE164(s + strings.Repeat(digits, max(0, 11-len(s)))); ok && right(n) {
			return n
		}
	}
	return 0
}

// moments are the instants from then on for a year at which the calendars of the
// table stand to each other as they did not before. Between them nothing that a
// decision goes by changes.
func (t *Table) moments(from time.Time) []time.Time {
	ids := slices.Sorted(maps.Keys(t.calendars))
	until := from.AddDate(1, 0, 0)
	edges := []time.Time{from}
	for _, id := range ids {
		for at, more := t.calendars[id].next(from, until); more; at, more = t.calendars[id].next(at, until) {
			edges = append(edges, at)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	seen := map[string]bool{}
	return slices.DeleteFunc(edges, func(at time.Time) bool {
		var states strings.Builder
		for _, id := range ids {
			state, _ := t.calendars[id].at(at)
			states.WriteString(state + " ")
		}
		known := seen[states.String()]
		seen[states.String()] = true
		return known
	})
}

// probes calls f for one call of each kind (of some numbers only): each way in which numbers are set up,
// at each of the moments, by each caller, until it returns false.
func (t *Table) probes(from time.Time, only []string, f func(probe) bool) {
	type kind struct {
		account, flow place
		from, until   int64
		more          *more
	}
	moments, callers, seen := t.moments(from), t.callers(), map[kind]bool{}
	begin, end := from.Unix(), from.AddDate(1, 0, 0).Unix()
	for r := range t.rowsOf(only) {
		k := kind{r.account, r.flow, max(r.from, begin), min(r.until, end), r.more}
		if seen[k] || r.state != active || k.from >= k.until {
			continue
		}
		seen[k] = true
		e := t.entry(r)
		for _, trunk := range t.entries(e) {
			for _, at := range moments {
				for _, c := range callers {
					if !f(probe{r, e, trunk, c, at}) {
						return
					}
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

// entries are the trunks that calls of a number come by: all where steps ask for
// the trunk, else the first.
func (t *Table) entries(e entry) (all []*trunk) {
	for _, id := range slices.Sorted(maps.Keys(t.trunks)) {
		if trunk := t.trunks[id]; trunk.spec.CallsIn() && (len(e.trunks) == 0 || slices.Contains(e.trunks, id)) {
			all = append(all, trunk)
		}
	}
	if !t.mentions.trunks && len(all) > 1 {
		return all[:1]
	}
	return all
}

// decide decides a probe; false when the call is refused before its flow begins.
func (t *Table) decide(p *probe) (m moment, begun bool) {
	d := t.Decide(Request{
		Trunk: p.trunk.id, From: p.caller.number.e164(), To: p.trunk.spec.NumberFormat.Strip + p.row.number.e164(), At: p.at,
		Attested: p.caller.attested, Private: p.caller.private, Headers: p.caller.headers,
	})
	return moment{walk: d.Walk, next: d.First}, d.Walk != nil
}
