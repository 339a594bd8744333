package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// row is one tracking number during one time. There are millions of them, so it
// holds places for ids, and what few numbers have stands elsewhere.
type row struct {
	number      number
	from, until int64 // Unix seconds, until not included; beginless and endless where nothing was said
	account     place
	flow        place
	pool        place
	state       state
	listed      bool  // by its pool: it has no line of its own
	more        *more // nil: nothing
}

// before reports whether the row's key is before another one.
func (r *row) before(n number, from int64) bool {
	return cmp.Or(cmp.Compare(r.number, n), cmp.Compare(r.from, from)) < 0
}

// more is what a row has beyond the usual. Rows that say the same share it.
type more struct {
	attribution string // packed
	regulatory  string
	rare        *rare // nil: nothing
}

// rare is all else that a number may say: a TrackingNumber without what stands in
// its row, so that a key which is added there is kept, hashed and given back.
type rare struct {
	TrackingNumber
	sum digest
}

// state of a number: the place of its word in states.
type state uint8

const (
	active state = iota
	suspended
	unassigned
	portedOut
	quarantined
)

func stateOf(word string) state { return state(max(slices.Index(states, word), 0)) }

func (s state) String() string { return states[s] }

// pack writes an attribution as one string: it holds no control character.
func pack(all map[string]string) string {
	if len(all) == 0 {
		return ""
	}
	var few [8]string
	keys, size := few[:0], 0
	for key, value := range all {
		keys, size = append(keys, key), size+len(key)+len(value)+2
	}
	slices.Sort(keys)
	var b strings.Builder
	b.Grow(size) // and no byte more: it is kept
	for _, key := range keys {
		b.WriteString(key)
		b.WriteByte(0)
		b.WriteString(all[key])
		b.WriteByte(0)
	}
	return b.String()
}

func unpack(packed string) map[string]string {
	if packed == "" {
		return nil
	}
	all := make(map[string]string, strings.Count(packed, "\x00")/2)
	for packed != "" {
		var key, value string
		key, packed, _ = strings.Cut(packed, "\x00")
		value, packed, _ = strings.Cut(packed, "\x00")
		all[key] = value
	}
	return all
}

// entry is a row with what it refers to.
type entry struct {
	account     *account
	flow        *flow
	pool        *pool // nil: none
	state       state
	trunks      []string // empty: all
	recording   RecordingPolicy
	attribution string // packed
	limits      Limits
	codes       StarCodes
	sound       SoundPolicy
	screening   *Screening
	language    string
}

// Who stands where a number has no account or no flow.
var (
	noAccount = &account{agency: &agency{}}
	noFlow    = &flow{}
)

// entry resolves a row. It does not allocate.
func (t *Table) entry(r *row) entry {
	e := entry{account: t.accounts.at(r.account), flow: t.flows.at(r.flow), state: r.state}
	if m := r.more; m != nil {
		e.attribution = m.attribution
		if x := m.rare; x != nil {
			e.trunks, e.recording, e.limits, e.codes, e.sound = x.Trunks, x.Recording, x.Limits, x.StarCodes, x.Sound
			e.screening = x.Screening
			e.language = x.Language
		}
	}
	if p := t.pools.at(r.pool); p != nil {
		e.fillIn(p)
	}
	if e.account == nil {
		e.account = noAccount
	}
	if e.flow == nil {
		e.flow = noFlow
	}
	return e
}

// spec is a row as it was written.
func (t *Table) spec(r *row) TrackingNumber {
	var n TrackingNumber
	if r.more != nil {
		if r.more.rare != nil {
			n = r.more.rare.TrackingNumber
			n.Trunks = slices.Clone(n.Trunks)
		}
		n.Attribution, n.Regulatory = unpack(r.more.attribution), r.more.regulatory
	}
	n.Pool = t.pools.id(r.pool)
	n.Number, n.Account, n.Flow = r.number.e164(), t.accounts.id(r.account), t.flows.id(r.flow)
	n.ValidFrom, n.ValidUntil = instantAt(r.from), instantAt(r.until)
	if r.state != active {
		n.State = r.state.String()
	}
	return n
}

// place is where something with an id stands: the same in every table that came
// of a table by changes, so that rows need not be written again when what they
// refer to changes. 0: nothing.
type place uint32

// places holds what rows refer to.
type places[T any] struct {
	of  map[string]place
	ids []string // by place; empty: free
	all []*T
}

// with holds exactly what is in m, each where it was. A place that falls free now
// is not given away before the next time: a row may still say it.
func (p places[T]) with(m map[string]*T) places[T] {
	next := places[T]{of: make(map[string]place, len(m)), ids: slices.Clone(p.ids), all: make([]*T, len(p.all), len(p.all)+len(m))}
	if len(next.ids) == 0 {
		next.ids, next.all = []string{""}, []*T{nil}
	}
	var free []place
	for i, id := range next.ids[1:] {
		at := place(i + 1)
		if have, ok := m[id]; ok && id != "" {
			next.of[id], next.all[at] = at, have
			continue
		}
		if id == "" {
			free = append(free, at)
		}
		next.ids[at] = ""
	}
	for _, id := range slices.Sorted(maps.Keys(m)) {
		if _, ok := next.of[id]; ok || id == "" {
			continue
		}
		at := place(len(next.ids))
		if len(free) > 0 {
			at, free = free[0], free[1:]
			next.ids[at], next.all[at] = id, m[id]
		} else {
			next.ids, next.all = append(next.ids, id), append(next.all, m[id])
		}
		next.of[id] = at
	}
	return next
}

func (p *places[T]) at(i place) *T {
	if int(i) >= len(p.all) {
		return nil
	}
	return p.all[i]
}

func (p *places[T]) id(i place) string {
	if int(i) >= len(p.ids) {
		return ""
	}
	return p.ids[i]
}
