package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Pool is what many numbers share. What a number says goes before what its pool
// says, key by key; the pool before flow and account.
type Pool struct {
	Account string `yaml:"account"`
	Flow    string `yaml:"flow"`
	// Numbers are those of the pool that need no line of their own, without end:
	// "+4721000001", or from one to another, "+4721000001-+4721000099".
	Numbers     []string          `yaml:"numbers"`
	Trunks      []string          `yaml:"trunks"` // the trunks they may be called through; empty: all
	Recording   RecordingPolicy   `yaml:"recording"`
	Attribution map[string]string `yaml:"attribution"`
	Limits      Limits            `yaml:"limits"` // of each of its numbers
}

// pool is one of a table.
type pool struct {
	id          string
	account     *account
	flow        *flow
	trunks      []string
	recording   RecordingPolicy
	attribution map[string]string
	limits      Limits
	numbers     []run
}

// run is numbers in a row, the last one included.
type run struct{ first, last number }

// maxRun is the most numbers that a pool lists.
const maxRun = 100_000

func (b *builder) addPools(all map[string]Pool) {
	b.pools = make(map[string]*pool, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "pools")
		}
		b.pools[id] = b.pool(id, all[id], "pools."+id)
	}
}

func (b *builder) pool(id string, spec Pool, path string) *pool {
	b.refer("account", spec.Account, path+".account", b.hasAccount, b.accountIDs)
	b.refer("flow", spec.Flow, path+".flow", b.hasFlow, b.flowIDs)
	for i, trunk := range spec.Trunks {
		b.refer("trunk", trunk, fmt.Sprintf("%s.trunks[%d]", path, i), b.hasTrunk, b.trunkIDs)
	}
	b.recording(spec.Recording, path)
	b.attribution(spec.Attribution, path+".attribution")
	b.limits(spec.Limits, path)
	p := &pool{id: id, account: b.accounts[spec.Account], flow: b.flows[spec.Flow], trunks: slices.Clone(spec.Trunks),
		recording: spec.Recording, attribution: maps.Clone(spec.Attribution), limits: spec.Limits}
	count := number(0)
	for i, s := range spec.Numbers {
		r, msg := parseRun(s)
		b.fault(msg, "%s.numbers[%d]", path, i)
		p.numbers = append(p.numbers, r) // a faulty one too: they stand where they were written
		count += r.last - r.first + 1
	}
	if count > maxRun {
		b.fault(fmt.Sprintf("hold more than %d numbers in all", maxRun), "%s.numbers", path)
		p.numbers = nil
	}
	return p
}

// parseRun reads a number, or two with a - between them.
func parseRun(s string) (run, string) {
	from, to, two := strings.Cut(s, "-")
	first, msg := checkE164(from)
	if msg != "" || !two {
		return run{first, first}, msg
	}
	last, msg := checkE164(to)
	switch {
	case msg != "":
	case len(from) != len(to):
		msg = "runs from a number of one length to one of another"
	case first > last:
		msg = "runs backwards"
	default:
		return run{first, last}, ""
	}
	return run{first, first}, msg
}

func (r run) String() string {
	if r.first == r.last {
		return r.first.e164()
	}
	return r.first.e164() + "-" + r.last.e164()
}

// canonicalPools are pools that are valid, written in one way: trunks in order,
// and numbers in as few runs as there can be.
func canonicalPools(all map[string]Pool) map[string]Pool {
	out := make(map[string]Pool, len(all))
	for id, p := range all {
		p.Trunks = slices.Sorted(slices.Values(p.Trunks))
		runs := make([]run, len(p.Numbers))
		for i, s := range p.Numbers {
			runs[i], _ = parseRun(s)
		}
		slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
		p.Numbers = nil
		for i := 0; i < len(runs); {
			r := runs[i]
			for i++; i < len(runs) && runs[i].first == r.last+1 && len(runs[i].last.e164()) == len(r.first.e164()); i++ {
				r.last = runs[i].last
			}
			p.Numbers = append(p.Numbers, r.String())
		}
		out[id] = p
	}
	return out
}

// poolNumbers makes rows of the numbers that pools list.
func (b *builder) poolNumbers(ids []string) (ops []op) {
	for _, id := range ids {
		p := b.pools[id]
		for i, r := range p.numbers {
			path := fmt.Sprintf("pools.%s.numbers[%d]", id, i)
			for n := r.first; n <= r.last && n != 0; n++ {
				ops = append(ops, op{row: row{number: n, from: beginless, until: endless, pool: b.table.pools.of[id], listed: true}, path: path})
			}
		}
	}
	return ops
}

// fillIn completes what a number says with what its pool says.
func (e *entry) fillIn(p *pool) {
	e.pool = p
	if e.account == nil {
		e.account = p.account
	}
	if e.flow == nil {
		e.flow = p.flow
	}
	if len(e.trunks) == 0 {
		e.trunks = p.trunks
	}
	own, shared := &e.limits, p.limits
	own.Calls, own.CPS = cmp.Or(own.Calls, shared.Calls), cmp.Or(own.CPS, shared.CPS)
	own.Duration, own.Ring, own.PreAnswer = cmp.Or(own.Duration, shared.Duration), cmp.Or(own.Ring, shared.Ring), cmp.Or(own.PreAnswer, shared.PreAnswer)
}

// attributed is the attribution of a call: the pool's, and over it the number's.
func (e entry) attributed() map[string]string {
	own := unpack(e.attribution)
	if e.pool == nil || len(e.pool.attribution) == 0 {
		return own
	}
	all := maps.Clone(e.pool.attribution)
	maps.Copy(all, own)
	return all
}

func (b *builder) hasPool(id string) bool { return has(b.pools, id) }
func (b *builder) poolIDs() []string      { return slices.Collect(maps.Keys(b.pools)) }
