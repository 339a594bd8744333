package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// day n of 2026, for validities.
func day(n int) Instant {
	return InstantOf(time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC))
}

// draft is a Spec as a model holds it.
type draft struct {
	trunks   map[string]Trunk
	accounts map[string]Account
	agencies map[string]Agency
	flows    map[string]Flow
	pools    map[string]Pool
	numbers  map[string]TrackingNumber // by number and beginning
}

func newDraft() draft {
	return draft{map[string]Trunk{}, map[string]Account{}, map[string]Agency{}, map[string]Flow{}, map[string]Pool{}, map[string]TrackingNumber{}}
}

func (d draft) clone() draft {
	return draft{maps.Clone(d.trunks), maps.Clone(d.accounts), maps.Clone(d.agencies), maps.Clone(d.flows), maps.Clone(d.pools), maps.Clone(d.numbers)}
}

// shuffled is the draft as a Spec, in any order.
func (d draft) shuffled(t *rapid.T) Spec {
	var s Spec
	for _, id := range rapid.Permutation(slices.Sorted(maps.Keys(d.trunks))).Draw(t, "trunks in order") {
		s.Trunks = append(s.Trunks, d.trunks[id])
	}
	for _, id := range rapid.Permutation(slices.Sorted(maps.Keys(d.accounts))).Draw(t, "accounts in order") {
		s.Accounts = append(s.Accounts, d.accounts[id])
	}
	for _, id := range rapid.Permutation(slices.Sorted(maps.Keys(d.agencies))).Draw(t, "agencies in order") {
		s.Agencies = append(s.Agencies, d.agencies[id])
	}
	for _, key := range rapid.Permutation(slices.Sorted(maps.Keys(d.numbers))).Draw(t, "numbers in order") {
		s.Numbers = append(s.Numbers, d.numbers[key])
	}
	if len(d.flows) > 0 {
		s.Flows = maps.Clone(d.flows)
	}
	if len(d.pools) > 0 {
		s.Pools = maps.Clone(d.pools)
	}
	return s
}

// drawChange draws a change and carries it out on the draft.
func drawChange(t *rapid.T, d draft) Change {
	c := Change{Remove: Removal{}}
	ids := rapid.SampledFrom([]string{"a", "b", "c"})
	draw := func(what string, put func(id string), has func(id string) bool, drop func(id string)) {
		for _, id := range rapid.SliceOfNDistinct(ids, 0, 2, rapid.ID[string]).Draw(t, what) {
			switch rapid.IntRange(0, 3).Draw(t, "does") {
			case 0:
				if has(id) {
					c.Remove[what] = append(c.Remove[what], id)
					drop(id)
				}
			default:
				put(id)
			}
		}
	}
	draw("trunks", func(id string) {
		spec := Trunk{ID: id, Sources: []string{"192.0.2." + fmt.Sprint(len(id)+int(id[0])%8)}, DelayedOffer: rapid.Bool().Draw(t, "delayed")}
		if rapid.Bool().Draw(t, "targets") {
			spec.Targets = []TrunkTarget{{URI: "sip:192.0.2.1"}}
		}
		c.Put.Trunks, d.trunks[id] = append(c.Put.Trunks, spec), spec
	}, func(id string) bool { _, ok := d.trunks[id]; return ok }, func(id string) { delete(d.trunks, id) })
	draw("agencies", func(id string) {
		spec := Agency{ID: id, Limits: Limits{Calls: rapid.IntRange(0, 3).Draw(t, "calls")}}
		c.Put.Agencies, d.agencies[id] = append(c.Put.Agencies, spec), spec
	}, func(id string) bool { _, ok := d.agencies[id]; return ok }, func(id string) { delete(d.agencies, id) })
	draw("accounts", func(id string) {
		spec := Account{ID: id, Agency: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "agency"), Limits: Limits{CPS: rapid.IntRange(0, 3).Draw(t, "cps")}}
		c.Put.Accounts, d.accounts[id] = append(c.Put.Accounts, spec), spec
	}, func(id string) bool { _, ok := d.accounts[id]; return ok }, func(id string) { delete(d.accounts, id) })
	draw("flows", func(id string) {
		to := Destination{URI: "sip:agent@192.0.2.7"}
		if rapid.Bool().Draw(t, "by trunk") {
			to = Destination{Number: "+4722334455", Trunk: ids.Draw(t, "trunk")}
		}
		if c.Put.Flows == nil {
			c.Put.Flows = map[string]Flow{}
		}
		spec := Flow{{Dial: &Dial{Targets: []Destination{to}}}}
		c.Put.Flows[id], d.flows[id] = spec, spec
	}, func(id string) bool { _, ok := d.flows[id]; return ok }, func(id string) { delete(d.flows, id) })
	draw("pools", func(id string) {
		spec := Pool{Account: ids.Draw(t, "account of pool"), Flow: ids.Draw(t, "flow of pool"), Attribution: map[string]string{"pool": id}}
		if rapid.Bool().Draw(t, "lists numbers") {
			first := rapid.IntRange(0, 3).Draw(t, "first")
			spec.Numbers = []string{fmt.Sprintf("+472100000%d-+472100000%d", first, min(first+1, 3))}
		}
		if c.Put.Pools == nil {
			c.Put.Pools = map[string]Pool{}
		}
		c.Put.Pools[id], d.pools[id] = spec, spec
	}, func(id string) bool { _, ok := d.pools[id]; return ok }, func(id string) { delete(d.pools, id) })
	drawNumbers(t, d, &c)
	return c
}

func drawNumbers(t *rapid.T, d draft, c *Change) {
	ids := rapid.SampledFrom([]string{"a", "b", "c"})
	seen := map[string]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "numbers") {
		spec := TrackingNumber{Number: fmt.Sprintf("+472100000%d", rapid.IntRange(0, 3).Draw(t, "number"))}
		if from := rapid.IntRange(0, 3).Draw(t, "from"); from > 0 {
			spec.ValidFrom = day(from)
		}
		key := spec.Number + "@" + spec.ValidFrom.String()
		if seen[key] {
			continue
		}
		seen[key] = true
		if rapid.IntRange(0, 3).Draw(t, "goes") == 0 {
			if _, ok := d.numbers[key]; ok {
				c.Remove["numbers"] = append(c.Remove["numbers"], key)
				delete(d.numbers, key)
			}
			continue
		}
		if until := rapid.IntRange(0, 4).Draw(t, "until"); until > 0 {
			spec.ValidUntil = day(until)
		}
		spec.Account, spec.Flow = ids.Draw(t, "account"), ids.Draw(t, "flow")
		if rapid.IntRange(0, 3).Draw(t, "pooled") == 0 {
			spec.Account, spec.Pool = "", ids.Draw(t, "pool")
		}
		if rapid.IntRange(0, 3).Draw(t, "papers") == 0 {
			spec.Regulatory = "case " + ids.Draw(t, "case")
		}
		if rapid.Bool().Draw(t, "attributed") {
			spec.Attribution = map[string]string{"source": ids.Draw(t, "source")}
		}
		if rapid.Bool().Draw(t, "rare") {
			spec.Trunks = rapid.SliceOfNDistinct(ids, 1, 2, rapid.ID[string]).Draw(t, "only by")
		}
		c.Put.Numbers, d.numbers[key] = append(c.Put.Numbers, spec), spec
	}
}

// answers are what a table says of a set of questions.
func answers(table *Table) string {
	var b strings.Builder
	for _, trunk := range []string{"a", "b", "c"} {
		for n := range 4 {
			for at := range 5 {
				b.WriteString(show(table.Decide(Request{Trunk: trunk, To: fmt.Sprintf("+472100000%d", n), At: day(at).Time()})))
			}
		}
	}
	return b.String()
}

// Whatever is changed, step by step, is what is built of the whole at once: the
// same version, the same answers, refused for the same content. A table that was
// changed stays what it was.
func TestApplyIsBuildingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, faults := NewTable(Spec{})
		if faults != nil {
			t.Fatal(faults)
		}
		held := newDraft()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			next := held.clone()
			c := drawChange(t, next)
			was, said := table.Version(), answers(table)
			changed, faults := table.Apply(c)
			whole, wrong := NewTable(next.shuffled(t))
			if (faults == nil) != (wrong == nil) || (changed == nil) != (faults != nil) {
				t.Fatalf("change: %v\nwhole: %v", faults, wrong)
			}
			if table.Version() != was || answers(table) != said {
				t.Fatal("a change has changed the table it was made from")
			}
			for _, f := range faults {
				if head, _, _ := strings.Cut(f.Path, "."); strings.Contains(head, "[") {
					t.Fatalf("a fault tells of a place that nobody knows: %v", f)
				}
			}
			if faults != nil {
				continue
			}
			if changed.Version() != whole.Version() || changed.Len() != whole.Len() {
				t.Fatalf("%s of %d numbers, want %s of %d", changed.Version(), changed.Len(), whole.Version(), whole.Len())
			}
			if got, want := answers(changed), answers(whole); got != want {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
			if a, b := len(changed.Warnings()), len(whole.Warnings()); a > b {
				t.Fatalf("%d warnings: %v\nwant %d: %v", a, changed.Warnings(), b, whole.Warnings())
			}
			table, held = changed, next
		}
	})
}

// What is wrong with a change is told by its path in the change.
func TestFaultsOfAChange(t *testing.T) {
	base := good()
	base.Numbers = append(base.Numbers, TrackingNumber{Number: "+4721000002", Account: "demo", Flow: "sales", ValidFrom: day(10), ValidUntil: day(20), Trunks: []string{"carrier-a"}})
	table, faults := NewTable(base)
	if faults != nil {
		t.Fatal(faults)
	}
	number := func(s string) TrackingNumber { return TrackingNumber{Number: s, Account: "demo", Flow: "sales"} }
	for _, tt := range []struct {
		name   string
		change Change
		want   []string
	}{
		{"an unknown reference", Change{Put: Spec{Numbers: []TrackingNumber{{Number: "+4721000003", Account: "domo", Flow: "sales"}}}},
			[]string{`put.numbers[0].account: there is no account "domo"; did you mean "demo"?`}},
		{"twice in one change", Change{Put: Spec{Numbers: []TrackingNumber{number("+4721000003"), number("+4721000003")}}},
			[]string{"put.numbers[1].number: is the number of put.numbers[0] already"}},
		{"over a validity", Change{Put: Spec{Numbers: []TrackingNumber{{Number: "+4721000002", Account: "demo", Flow: "sales", ValidFrom: day(15)}}}},
			[]string{"put.numbers[0]: is valid while the number is account demo's, until 2026-01-21T00:00:00Z"}},
		{"under a validity", Change{Put: Spec{Numbers: []TrackingNumber{number("+4721000002")}}},
			[]string{"put.numbers[0]: is valid while the number is account demo's, from 2026-01-11T00:00:00Z"}},
		{"removing what is used", Change{Remove: Removal{"accounts": {"demo"}, "flows": {"sales"}, "trunks": {"carrier-b", "carrier-a"}}}, []string{
			"remove.accounts[0]: 2 numbers belong to this account",
			"remove.flows[0]: 2 numbers start this flow",
			`numbers(+47*****02).trunks[0]: there is no trunk "carrier-a"`,
		}},
		{"removing a trunk of a flow", Change{Remove: Removal{"trunks": {"carrier-b"}}}, []string{`flows.sales[0].dial.targets[1].trunk: there is no trunk "carrier-b"; did you mean "carrier-a"?`}},
		{"removing an account", Change{Remove: Removal{"accounts": {"demo"}}}, []string{"remove.accounts[0]: 2 numbers belong to this account"}},
		{"removing a trunk of a number", Change{Remove: Removal{"trunks": {"carrier-a"}}}, []string{`numbers(+47*****02).trunks[0]: there is no trunk "carrier-a"; did you mean "carrier-b"?`}},
		{"removing what is not there", Change{Remove: Removal{"accounts": {"domo"}, "numbers": {"+4721000009", "+4721000002@2026-01-01", "21000002", "+4721000001@noon"}, "flow": nil}}, []string{
			`remove.flow: is not a section; did you mean "flows"?`,
			`remove.accounts[0]: there is no account "domo"; did you mean "demo"?`,
			"remove.numbers[0]: is not in the table",
			"remove.numbers[1]: is not in the table",
			"remove.numbers[2]: is not E.164: a + and 7 to 15 digits, the first not 0, nothing between them",
			`remove.numbers[3]: has a beginning that is not a time such as "2026-01-31T12:00:00Z" nor a date such as "2026-01-31", which is its midnight in UTC`,
		}},
		{"putting and removing", Change{Put: Spec{Accounts: []Account{{ID: "demo"}}, Numbers: []TrackingNumber{number("+4721000001")}},
			Remove: Removal{"accounts": {"demo"}, "numbers": {"+4721000001@"}}}, []string{
			"remove.accounts[0]: is put as well",
			"remove.numbers[0]: is put or removed as well",
		}},
		{"a trunk's prefix", Change{Put: Spec{Trunks: []Trunk{{ID: "carrier-c", Sources: []string{"192.0.2.0/24"}}}}},
			[]string{"put.trunks[0].sources[0]: 192.0.2.0/24 is at trunks.carrier-a.sources[0] already; a prefix belongs to one trunk, once"}},
		{"a flow", Change{Put: Spec{Flows: map[string]Flow{"sales": {{Dial: &Dial{}}}}}},
			[]string{"put.flows.sales[0].dial.targets: is empty: a dial step needs somebody to ring"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next, faults := table.Apply(tt.change)
			var got []string
			for _, f := range faults {
				got = append(got, f.Path+": "+f.Msg)
			}
			if next != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

// Numbers go from a flow that is removed to another one in one change.
func TestChangeMovesNumbers(t *testing.T) {
	table, _ := NewTable(good())
	moved := good().Numbers[0]
	moved.Flow = "support"
	next, faults := table.Apply(Change{
		Put:    Spec{Flows: map[string]Flow{"support": good().Flows["sales"]}, Numbers: []TrackingNumber{moved}},
		Remove: Removal{"flows": {"sales"}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	if d := next.Decide(Request{Trunk: "carrier-a", To: "21000001"}); d.Flow != "support" || d.Attribution["source"] != "ads" {
		t.Errorf("%s", d.Text())
	}
	if d := table.Decide(Request{Trunk: "carrier-a", To: "21000001"}); d.Flow != "sales" {
		t.Errorf("before: %s", d.Text())
	}
}

// Decisions go on in a table while others are made of it.
func TestDecideBesideChanges(t *testing.T) {
	table := large(t, 2000)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 200 {
				if d := table.Decide(Request{Trunk: "carrier-a", To: fmt.Sprintf("+472%07d", n)}); d.Account != "demo" {
					t.Errorf("%s", d.Text())
					return
				}
			}
		})
		wg.Go(func() {
			mine := table
			for n := range 100 {
				next, faults := mine.Apply(Change{Put: Spec{Numbers: []TrackingNumber{{Number: fmt.Sprintf("+472%07d", n), Account: "demo", Flow: "sales", State: Suspended}}},
					Remove: Removal{"numbers": {fmt.Sprintf("+472%07d", 1000+100*i+n)}}})
				if faults != nil {
					t.Error(faults)
					return
				}
				next.Warnings()
				mine = next
			}
			if mine.Len() != 1900 {
				t.Errorf("%d numbers", mine.Len())
			}
		})
	}
	wg.Wait()
	if table.Len() != 2000 {
		t.Errorf("%d numbers", table.Len())
	}
}
