package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pooled is a table whose pool "a" lists ten, and who else has a line.
func pooled(t *testing.T, lines ...TrackingNumber) (*Table, Spec) {
	t.Helper()
	s := good()
	s.Numbers = lines
	s.Pools = map[string]Pool{"a": {Account: "demo", Flow: "sales", Numbers: []string{"+4721000010"}}}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	return table, s
}

// A number is a pool's, or has a line of its own: whoever comes second is
// refused, in a change as in a whole.
func TestPoolAndLineOfOneNumber(t *testing.T) {
	ten := TrackingNumber{Number: "+4721000010", Account: "demo", Flow: "sales"}
	one := TrackingNumber{Number: "+4721000001", Account: "demo", Flow: "sales"}
	pool := func(numbers ...string) Pool { return Pool{Account: "demo", Flow: "sales", Numbers: numbers} }
	for name, tt := range map[string]struct {
		change Change
		want   string // a fault; empty: it takes effect
	}{
		"a line over a pool": {Change{Put: Spec{Numbers: []TrackingNumber{ten}}},
			"put.numbers[0].number: is a number of pools.a already"},
		"a pool over a line": {Change{Put: Spec{Pools: map[string]Pool{"b": pool("+4721000000-+4721000002")}}},
			"put.pools.b.numbers[0]: holds a number that has a line of its own, account demo's"},
		"a pool over a pool": {Change{Put: Spec{Pools: map[string]Pool{"b": pool("+4721000010")}}},
			"put.pools.b.numbers[0]: is a number of pools.a already"},
		"both at once": {Change{Put: Spec{Numbers: []TrackingNumber{one}, Pools: map[string]Pool{"b": pool("+4721000001")}}},
			"put.pools.b.numbers[0]: holds a number that is at put.numbers[0] already"},
		"a line goes into a pool": {Change{Put: Spec{Pools: map[string]Pool{"b": pool("+4721000001")}}, Remove: Removal{"numbers": {"+4721000001@"}}}, ""},
		"a line of a pool's":      {Change{Put: Spec{Numbers: []TrackingNumber{ten}}, Remove: Removal{"pools": {"a"}}}, ""},
		"from pool to pool":       {Change{Put: Spec{Pools: map[string]Pool{"a": pool(), "b": pool("+4721000010")}}}, ""},
		"from a pool that goes":   {Change{Put: Spec{Pools: map[string]Pool{"b": pool("+4721000010")}}, Remove: Removal{"pools": {"a"}}}, ""},
		"out of a pool":           {Change{Put: Spec{Numbers: []TrackingNumber{ten}, Pools: map[string]Pool{"a": pool()}}}, ""},
		"twice into a pool":       {Change{Put: Spec{Pools: map[string]Pool{"b": pool("+4721000001")}}, Remove: Removal{"numbers": {"+4721000001", "+4721000001@"}}}, "remove.numbers[1]: is put or removed as well"},
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := pooled(t, one)
			next, faults := table.Apply(tt.change)
			var got []string
			for _, f := range faults {
				got = append(got, f.Path+": "+f.Msg)
			}
			if tt.want != "" {
				if next != nil || !slices.Contains(got, tt.want) {
					t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), tt.want)
				}
				return
			}
			if next == nil {
				t.Fatal(got)
			}
			whole, faults := NewTable(next.spoken())
			if faults != nil {
				t.Fatal(faults)
			}
			if next.Version() != whole.Version() || next.Len() != whole.Len() {
				t.Errorf("%s of %d numbers, want %s of %d", next.Version(), next.Len(), whole.Version(), whole.Len())
			}
		})
	}
}

// spoken is the Spec that a table was built from.
func (t *Table) spoken() Spec {
	s := t.rest
	for r := range t.numbers.from(0, beginless) {
		if !r.listed {
			s.Numbers = append(s.Numbers, t.spec(r))
		}
	}
	return s
}

// Pools and lines that come, go and change hands among few numbers: what a change
// makes, or refuses, is what the whole makes or refuses.
func TestApplyOfPoolsAndLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := good()
		base.Numbers = nil
		table, faults := NewTable(base)
		if faults != nil {
			t.Fatal(faults)
		}
		held := newDraft()
		numbers := rapid.IntRange(0, 3)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			next, c := held.clone(), Change{Remove: Removal{}, Put: Spec{Pools: map[string]Pool{}}}
			for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2, rapid.ID[string]).Draw(t, "pools") {
				if _, there := next.pools[id]; there && rapid.Bool().Draw(t, "goes") {
					c.Remove["pools"] = append(c.Remove["pools"], id)
					delete(next.pools, id)
					continue
				}
				spec := Pool{Account: "demo", Flow: "sales"}
				for _, n := range rapid.SliceOfNDistinct(numbers, 0, 2, rapid.ID[int]).Draw(t, "lists") {
					spec.Numbers = append(spec.Numbers, fmt.Sprintf("+472100000%d", n))
				}
				c.Put.Pools[id], next.pools[id] = spec, spec
			}
			for _, n := range rapid.SliceOfNDistinct(numbers, 0, 2, rapid.ID[int]).Draw(t, "lines") {
				spec := TrackingNumber{Number: fmt.Sprintf("+472100000%d", n), Account: "demo", Flow: "sales"}
				if rapid.IntRange(0, 3).Draw(t, "begins") == 0 {
					spec.ValidFrom = day(1)
				}
				key := spec.Number + "@" + spec.ValidFrom.String()
				if _, there := next.numbers[key]; there && rapid.Bool().Draw(t, "goes") {
					c.Remove["numbers"] = append(c.Remove["numbers"], key)
					delete(next.numbers, key)
					continue
				}
				c.Put.Numbers, next.numbers[key] = append(c.Put.Numbers, spec), spec
			}
			whole := base
			whole.Pools = maps.Clone(next.pools)
			for _, key := range slices.Sorted(maps.Keys(next.numbers)) {
				whole.Numbers = append(whole.Numbers, next.numbers[key])
			}
			want, wrong := NewTable(whole)
			changed, faults := table.Apply(c)
			if (faults == nil) != (wrong == nil) {
				t.Fatalf("change: %v\nwhole: %v", faults, wrong)
			}
			if faults != nil {
				continue
			}
			if changed.Version() != want.Version() || changed.Len() != want.Len() {
				t.Fatalf("%s of %d numbers, want %s of %d", changed.Version(), changed.Len(), want.Version(), want.Len())
			}
			table, held = changed, next
		}
	})
}

// How a pool's numbers and trunks are written is no other table.
func TestPoolInOneWay(t *testing.T) {
	version := func(trunks []string, numbers ...string) string {
		t.Helper()
		s := good()
		s.Pools = map[string]Pool{"a": {Account: "demo", Flow: "sales", Trunks: trunks, Numbers: numbers}}
		table, faults := NewTable(s)
		if faults != nil {
			t.Fatal(faults)
		}
		return table.Version()
	}
	one := []string{"carrier-a", "carrier-b"}
	want := version(one, "+4721000010-+4721000012")
	for _, same := range []string{
		version([]string{"carrier-b", "carrier-a"}, "+4721000010-+4721000012"),
		version(one, "+4721000012", "+4721000010", "+4721000011"),
		version(one, "+4721000011-+4721000012", "+4721000010"),
	} {
		if same != want {
			t.Error("the same pool makes another version")
		}
	}
	for _, other := range []string{version(one[:1], "+4721000010-+4721000012"), version(one, "+4721000010-+4721000011"), version(one, "+4721000010", "+4721000012")} {
		if other == want {
			t.Error("another pool makes the same version")
		}
	}
}
