package routing

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Pages hold what a map holds after the same changes, in order, and the ones
// before a change hold what they held.
func TestPagesAreAMap(t *testing.T) {
	type key struct {
		number number
		from   int64
	}
	rapid.Check(t, func(t *rapid.T) {
		var p pages
		want := map[key]place{}
		holds := func(p pages, want map[key]place, when string) {
			keys := slices.SortedFunc(maps.Keys(want), func(a, b key) int {
				return compareOps(op{row: row{number: a.number, from: a.from}}, op{row: row{number: b.number, from: b.from}})
			})
			var got []key
			for r := range p.from(0, beginless) {
				got = append(got, key{r.number, r.from})
				if want[key{r.number, r.from}] != r.account {
					t.Fatalf("%s: %d from %d is %d, not %d", when, r.number, r.from, r.account, want[key{r.number, r.from}])
				}
			}
			if !slices.Equal(got, keys) || p.len() != len(keys) {
				t.Fatalf("%s: %d rows %v, want %d %v", when, p.len(), got, len(keys), keys)
			}
			for i, page := range p.rows {
				if len(page) == 0 || len(page) > pageRows || page[0].number != p.firsts[i] {
					t.Fatalf("%s: page %d of %d rows from %d", when, i, len(page), p.firsts[i])
				}
			}
		}
		for round := range rapid.IntRange(1, 6).Draw(t, "rounds") {
			before, held := p, maps.Clone(want)
			changes := map[key]op{}
			for range rapid.SampledFrom([]int{1, 5, 300, 1500}).Draw(t, "changes") {
				k := key{number(rapid.IntRange(1, 900).Draw(t, "number")), int64(rapid.IntRange(0, 3).Draw(t, "from"))}
				changes[k] = op{row: row{number: k.number, from: k.from, until: k.from + 1, account: place(round + 1)}, remove: rapid.Bool().Draw(t, "remove")}
			}
			ops := slices.SortedFunc(maps.Values(changes), compareOps)
			wantGone, missed := 0, 0
			for k, o := range changes {
				_, there := want[k]
				switch {
				case there:
					wantGone++
				case o.remove:
					missed++
				}
				if delete(want, k); !o.remove {
					want[k] = o.account
				}
			}
			gone := 0
			next, missing := p.merge(ops, func(*row) { gone++ })
			if gone != wantGone || len(missing) != missed {
				t.Fatalf("%d gone and %d missing, want %d and %d", gone, len(missing), wantGone, missed)
			}
			p = next
			holds(p, want, "after")
			holds(before, held, "before")
		}
		for range 20 {
			n, at := number(rapid.IntRange(0, 901).Draw(t, "called")), int64(rapid.IntRange(-1, 4).Draw(t, "at"))
			account, known := want[key{n, at}]
			r, ok := p.at(n, at)
			if ok != known || ok && r.account != account {
				t.Fatalf("%d at %d: %v, want %v", n, at, ok, known)
			}
		}
	})
}

func TestAttributionPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.StringMatching(`[a-z0-9]{1,8}`), rapid.StringMatching(`[ -~æøå]{0,12}`)).Draw(t, "attribution")
		if got := unpack(pack(want)); !maps.Equal(got, want) {
			t.Fatalf("%v became %v", want, got)
		}
	})
}
