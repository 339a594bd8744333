package routing

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// addNumbers checks numbers and makes rows of them, in the order of their keys.
// Those that pools list come along.
func (b *builder) addNumbers(all []TrackingNumber, listed []op) []op {
	ops := make([]op, 0, len(all)+len(listed))
	b.shared = sharing{more: map[more]*more{}, rare: map[digest]*rare{}}
	before := len(b.faults)
	for i := range all {
		ops = append(ops, op{row: b.number(&all[i], i), index: i})
	}
	ops = append(ops, listed...)
	faulty := len(b.faults) > before
	if faulty { // what has no number has no key
		ops = slices.DeleteFunc(ops, func(o op) bool { return o.number == 0 })
	}
	if !slices.IsSortedFunc(ops, compareOps) {
		slices.SortStableFunc(ops, compareOps)
	}
	for i := 1; i < len(ops); i++ {
		b.overlap(&ops[i-1], &ops[i])
	}
	return ops
}

// overlap compares two rows that follow each other.
func (b *builder) overlap(x, y *op) {
	if x.number != y.number || x.until <= y.from {
		return
	}
	first, second := x, y
	if x.path == "" == (y.path == "") && x.index > y.index || x.path != "" && y.path == "" {
		first, second = y, x // the one that was written later is to blame
	}
	switch {
	case second.path != "":
		b.fault("holds a number that is at "+first.at()+" already", "%s", second.path)
	case x.from == y.from:
		b.fault("is the number of "+first.at()+" already", "%s.number", second.at())
	default:
		b.fault("is valid while "+first.at()+" is, which is the same number", "%s", second.at())
	}
}

// maxShared is how many different things are remembered to be shared: where each
// number has its own, looking for the same costs more than it saves.
const maxShared = 1 << 14

// attributable reports whether an attribution is right, without writing paths.
func attributable(all map[string]string) bool {
	for key, value := range all {
		if checkID(key) != "" || checkText(value, attributionLimit) != "" {
			return false
		}
	}
	return len(all) <= attributionLimit
}

// sharing finds rows that say the same.
type sharing struct {
	more map[more]*more
	rare map[digest]*rare
}

// number checks one. There may be a million of them, so that paths are only
// written where something is wrong or rare.
func (b *builder) number(spec *TrackingNumber, i int) row {
	t := b.table
	path := func(key string) string { return fmt.Sprintf("numbers[%d]%s", i, key) }
	n, msg := checkE164(spec.Number)
	if msg != "" {
		b.fault(msg, "%s", path(".number"))
	}
	r := row{number: n, state: stateOf(spec.State), from: spec.ValidFrom.or(beginless), until: spec.ValidUntil.or(endless)}
	if r.from >= r.until {
		b.fault("is not behind valid_from", "%s", path(".valid_until"))
	}
	var known bool
	idle := spec.State != "" && r.state.idle()
	r.pool, known = t.pools.of[spec.Pool]
	if spec.Pool != "" && !known {
		b.refer("pool", spec.Pool, path(".pool"), b.hasPool, b.poolIDs)
	}
	idle = idle || spec.Pool != "" // then it need not say either
	if r.account, known = t.accounts.of[spec.Account]; !known && !(idle && spec.Account == "") {
		b.refer("account", spec.Account, path(".account"), b.hasAccount, b.accountIDs)
	}
	if r.flow, known = t.flows.of[spec.Flow]; !known && !(idle && spec.Flow == "") {
		b.refer("flow", spec.Flow, path(".flow"), b.hasFlow, b.flowIDs)
	}
	if spec.State != "" {
		if msg := checkWord(spec.State, states); msg != "" {
			b.fault(msg, "%s", path(".state"))
		}
	}
	r.more = b.more(spec, path)
	return r
}

// more checks what a number has beyond the usual; nil: nothing.
func (b *builder) more(spec *TrackingNumber, path func(string) string) *more {
	var m more
	if len(spec.Attribution) > 0 {
		if !attributable(spec.Attribution) {
			b.attribution(spec.Attribution, path(".attribution"))
		}
		m.attribution = pack(spec.Attribution)
	}
	if spec.Regulatory != "" {
		b.fault(checkText(spec.Regulatory, attributionLimit), "%s", path(".regulatory_ref"))
		m.regulatory = strings.Clone(spec.Regulatory) // not the whole line it was read from
	}
	rest := *spec
	rest.Number, rest.Account, rest.Flow, rest.State, rest.Attribution = "", "", "", "", nil
	rest.Pool, rest.Regulatory = "", ""
	rest.ValidFrom, rest.ValidUntil = Instant{}, Instant{}
	if len(rest.Trunks) == 0 {
		rest.Trunks = nil
	}
	if !reflect.ValueOf(&rest).Elem().IsZero() {
		b.rare(&rest, path(""))
		rest.Trunks = slices.Sorted(slices.Values(rest.Trunks))
		sum := hashed("number", &rest)
		if b.shared.rare[sum] == nil {
			b.shared.rare[sum] = &rare{rest, sum}
		}
		m.rare = b.shared.rare[sum]
	}
	if m == (more{}) {
		return nil
	}
	if b.shared.more[m] == nil {
		kept := m // m itself stays off the heap
		if len(b.shared.more) >= maxShared {
			return &kept
		}
		b.shared.more[m] = &kept
	}
	return b.shared.more[m]
}

// rare checks the keys that few numbers have.
func (b *builder) rare(spec *TrackingNumber, path string) {
	b.soundPolicy(spec.Sound, path, false)
	for j, id := range spec.Trunks {
		b.refer("trunk", id, fmt.Sprintf("%s.trunks[%d]", path, j), b.hasTrunk, b.trunkIDs)
	}
	b.recording(spec.Recording, path)
	b.limits(spec.Limits, path)
	b.screening(spec.Screening, path+".screening")
	b.starCodes(spec.StarCodes, path)
	b.fault(checkLanguage(spec.Language), "%s.language", path)
}

// tally counts what numbers there are and what they refer to, by place.
type tally struct {
	numbers         int
	accounts, flows []uint32
	pools           []uint32
	heads           *[1000]uint32 // by the first three digits
}

func (t *tally) of(counts []uint32, at place) uint32 {
	if int(at) >= len(counts) {
		return 0
	}
	return counts[at]
}

// clone returns a tally to be changed, with room for all places.
func (t *tally) clone(accounts, flows, pools int) tally {
	c := tally{numbers: t.numbers, accounts: make([]uint32, accounts), flows: make([]uint32, flows), pools: make([]uint32, pools), heads: new([1000]uint32)}
	copy(c.accounts, t.accounts)
	copy(c.flows, t.flows)
	copy(c.pools, t.pools)
	if t.heads != nil {
		*c.heads = *t.heads
	}
	return c
}

func (t *tally) count(r *row, by int) {
	t.numbers += by
	t.accounts[r.account] += uint32(by)
	t.flows[r.flow] += uint32(by)
	t.pools[r.pool] += uint32(by)
	t.heads[r.number.head()] += uint32(by)
}

// enter carries out ops on a table that nobody else has yet and that has the
// numbers of old, and gives it its version. missing are those that were to
// remove what is not there.
func (t *Table) enter(ops []op, old *Table) (missing []op) {
	t.tally = t.tally.clone(len(t.accounts.all), len(t.flows.all), len(t.pools.all))
	t.numbers, missing = old.numbers.merge(ops, func(r *row) {
		t.tally.count(r, -1)
		if !r.listed { // else it belongs to the pool, which is hashed with the rest
			t.total.sub(old.digest(r))
		}
	})
	for i := range ops {
		if !ops[i].remove {
			t.tally.count(&ops[i].row, 1)
			if !ops[i].listed {
				t.total.add(t.digest(&ops[i].row))
			}
		}
	}
	t.countries = t.plans()
	t.version = versionOf(t.restDigest, t.total)
	return missing
}

// plans are the countries that trunks write numbers in or numbers belong to.
func (t *Table) plans() []*country {
	var out []*country
	enter := func(c *country) {
		if c != nil && !slices.ContainsFunc(out, func(have *country) bool { return have.code == c.code }) {
			out = append(out, c)
		}
	}
	for _, id := range t.Trunks() {
		enter(t.trunks[id].country)
	}
	for head, n := range t.tally.heads {
		if n > 0 {
			enter(countryOfHead(number(head)))
		}
	}
	return out
}
