package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringdown/routing"
)

// Pages of the list hold every number once, whatever the size of a page and
// whatever changes meanwhile elsewhere; marks hold no number and cannot be made.
func TestNumbersInPages(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	spec := someSpec(500)
	spec.Accounts = append(spec.Accounts, routing.Account{ID: "other"})
	for i := range spec.Numbers {
		if i%5 == 0 {
			spec.Numbers[i].Account = "other"
		}
		if i%7 == 0 {
			spec.Numbers[i].State = routing.Suspended
		}
	}
	commit(t, d, Change{Put: spec})
	for _, c := range []struct {
		filter NumberFilter
		want   int
	}{{NumberFilter{}, 500}, {NumberFilter{Account: "other"}, 100}, {NumberFilter{State: routing.Suspended}, 72},
		{NumberFilter{State: routing.Active, Account: "demo", Flow: "sales"}, 343}, {NumberFilter{Flow: "none"}, 0}} {
		for _, limit := range []int{1, 7, 100, 1000} {
			seen := map[string]bool{}
			f := c.filter
			f.Limit = limit
			for turn := 0; ; turn++ {
				page, mark, err := d.Numbers(f)
				if err != nil || len(page) > limit {
					t.Fatalf("%d in a page of %d: %v", len(page), limit, err)
				}
				for _, n := range page {
					if seen[n.Number] {
						t.Errorf("twice in pages of %d", limit)
					}
					seen[n.Number] = true
				}
				if strings.Contains(mark, "4721") {
					t.Errorf("mark %s", mark)
				}
				if mark == "" {
					break
				}
				f.After = mark
				if turn == 3 {
					commit(t, d, Change{Put: routing.Spec{Accounts: []routing.Account{{ID: "other", Agency: fmt.Sprintf("agency-%d", limit)}}}})
				}
			}
			if len(seen) != c.want {
				t.Errorf("%+v in pages of %d: %d numbers, want %d", c.filter, limit, len(seen), c.want)
			}
		}
	}
	for _, mark := range []string{"x", "+4721100000", strings.Repeat("A", 80)} {
		if _, _, err := d.Numbers(NumberFilter{After: mark, Limit: 1}); !errors.Is(err, ErrMark) {
			t.Errorf("%s: %v", mark, err)
		}
	}
}

// What is exported is the table: put into an empty directory it makes the same.
func TestExportIsTheTable(t *testing.T) {
	d, _ := newNode(t, newMemory(), t.TempDir())
	r := commit(t, d, Change{Put: someSpec(100)})
	var out strings.Builder
	if err := d.Export(&out); err != nil {
		t.Fatal(err)
	}
	spec, faults := mustText(t).Spec([]byte(out.String()))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	other, _ := newNode(t, newMemory(), t.TempDir())
	if got := commit(t, other, Change{Put: spec}); got.Table != r.Table {
		t.Errorf("%s, want %s", got.Table, r.Table)
	}
	fixed, err := NewFixed(spec, testKey)
	if err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	if err := fixed.Export(&again); err != nil || again.String() != out.String() || fixed.Counts()["numbers"] != 100 {
		t.Errorf("of a file it is another: %v", err)
	}
}

// Whatever is done to numbers in whatever order, every node that reads the pages
// has the table of who wrote them, with the objects that a simple model has.
func TestAnyChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		deps := Deps{Key: testKey, Node: "edge-1", Base: trunks()}
		dir := dirs(t)
		nodes := make([]*Directory, 2)
		for i := range nodes {
			d, err := open(Config{Dir: dir(), Bucket: "b"}, deps)
			if err != nil {
				t.Fatal(err)
			}
			d.bucket = m
			nodes[i] = d
		}
		model := map[string]string{}
		base := someSpec(0)
		if _, err := nodes[0].Commit(t.Context(), Change{Put: base}, false); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			var c Change
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 5, rapid.ID).Draw(t, "put") {
				x := number(n)
				x.State = rapid.SampledFrom([]string{routing.Active, routing.Suspended}).Draw(t, "state")
				c.Put.Numbers = append(c.Put.Numbers, x)
			}
			c.Replace = rapid.IntRange(0, 4).Draw(t, "replace") == 0
			if c.Replace {
				c.Put.Accounts, c.Put.Flows = base.Accounts, base.Flows
				clear(model)
			} else if rapid.Bool().Draw(t, "remove") {
				for id := range model {
					if !slices.ContainsFunc(c.Put.Numbers, func(n routing.TrackingNumber) bool { return n.Number == id }) {
						c.Remove = map[string][]string{"numbers": {id}}
						delete(model, id)
						break
					}
				}
			}
			for _, n := range c.Put.Numbers {
				model[n.Number] = n.State
			}
			if _, err := nodes[rapid.IntRange(0, 1).Draw(t, "node")].Commit(t.Context(), c, false); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range nodes {
			e, _ := m.head(t.Context())
			d.see(t.Context(), "first", e)
			if d.Table().Version() != nodes[0].Table().Version() || d.Table().Len() != len(model) {
				t.Fatalf("%d numbers, the model has %d", d.Table().Len(), len(model))
			}
			page, _, err := d.Numbers(NumberFilter{Limit: 100})
			if err != nil || len(page) != len(model) {
				t.Fatalf("%d listed, %d in the model: %v", len(page), len(model), err)
			}
			for _, n := range page {
				if model[n.Number] != n.State {
					t.Fatalf("%s, the model has %s", n.State, model[n.Number])
				}
			}
		}
	})
}

// dirs makes folders that go with the test.
func dirs(t *rapid.T) func() string {
	return func() string {
		dir, err := mkdir()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rmdir(dir) })
		return dir
	}
}
