package directory

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"ringdown/routing"
)

// A change takes effect here and on every node that looks, whole.
func TestChangeReachesEveryNode(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	two, heard := newNode(t, m, t.TempDir(), func(d *Deps) { d.Node = "edge-2" })
	r := commit(t, one, Change{Put: someSpec(20), By: "ops", Note: "first"})
	if r.Commit != 1 || r.Previous != 0 || r.Table != one.Table().Version() || one.Table().Len() != 20 {
		t.Fatalf("%+v, %d numbers", r, one.Table().Len())
	}
	if want := map[string]int{"accounts": 1, "flows": 1, "numbers": 20}; !reflect.DeepEqual(r.Changed.Added, want) {
		t.Errorf("added %v, want %v", r.Changed.Added, want)
	}
	look(t, two)
	if two.Table() == nil || two.Table().Version() != r.Table {
		t.Fatalf("the other node has %v", two.Status())
	}
	got := heard.told[len(heard.told)-1]
	if got.Commit != 1 || got.By != "ops" || got.Node != "edge-1" || got.Source != SourceNATS || got.Table != r.Table {
		t.Errorf("told %+v", got)
	}
	// One number from the other side.
	n := number(3)
	n.State = routing.Suspended
	r2, err := two.Commit(t.Context(), Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}}, false)
	if err != nil || r2.Commit != 2 || r2.Changed.Total() != 1 || r2.Changed.Changed["numbers"] != 1 {
		t.Fatalf("%+v %v", r2, err)
	}
	look(t, one)
	if one.Table().Version() != r2.Table || r2.Table == r.Table {
		t.Errorf("the first node has %s, want %s", one.Table().Version(), r2.Table)
	}
	// And away with it.
	r3 := commit(t, one, Change{Remove: map[string][]string{"numbers": {n.Number}}})
	if one.Table().Len() != 19 || r3.Changed.Removed["numbers"] != 1 || one.Status().Counts["numbers"] != 19 {
		t.Errorf("%+v, %d numbers", r3, one.Table().Len())
	}
}

// Whatever is wrong with a change is said at once, with its paths; nothing of it
// takes effect.
func TestInvalidChange(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	before := commit(t, d, Change{Put: someSpec(3)})
	bad := number(9)
	bad.Flow = "nowhere"
	twice := number(8)
	for name, c := range map[string]struct {
		change Change
		paths  []string
	}{
		"reference":   {Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{bad}}}, []string{".flow"}},
		"still used":  {Change{Remove: map[string][]string{"flows": {"sales"}}}, []string{"remove.flows[0]"}},
		"replaced":    {Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(2), bad}}, Replace: true}, []string{"put.numbers[1].account", "put.numbers[1].flow"}},
		"not there":   {Change{Remove: map[string][]string{"numbers": {"+4721999999", number(0).Number}}}, []string{"remove.numbers[0]"}},
		"no section":  {Change{Remove: map[string][]string{"nombers": {"x"}}}, []string{"remove.nombers"}},
		"twice":       {Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{twice, twice}}}, []string{"put.numbers[1]"}},
		"no id":       {Change{Put: routing.Spec{Accounts: []routing.Account{{}}}}, []string{"put.accounts[0]"}},
		"in the file": {Change{Put: trunks()}, []string{"trunks"}},
		"words":       {Change{By: "Some Body", Note: "two\nlines"}, []string{"by", "note"}},
	} {
		_, err := d.Commit(t.Context(), c.change, false)
		var faults Invalid
		if !errors.As(err, &faults) || len(faults) != len(c.paths) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, f := range faults {
			if !strings.HasSuffix(f.Path, c.paths[i]) || f.Msg == "" {
				t.Errorf("%s: fault %q: %q, want a path that ends in %q", name, f.Path, f.Msg, c.paths[i])
			}
			if strings.Contains(f.Path+f.Msg, "4721") {
				t.Errorf("%s: a fault repeats a number: %v", name, f)
			}
		}
	}
	if d.Table().Version() != before.Table || len(m.log) != 1 {
		t.Errorf("something took effect: %s, %d heads", d.Table().Version(), len(m.log))
	}
}

// A dry run says what would be, and changes nothing; an equal change is none.
func TestDryAndEqual(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	dry, err := d.Commit(t.Context(), Change{Put: someSpec(5)}, true)
	if err != nil || dry.Commit != 1 || len(m.log) != 0 || d.Status().Commit != 0 {
		t.Fatalf("%+v %v, %d heads", dry, err, len(m.log))
	}
	if r := commit(t, d, Change{Put: someSpec(5)}); r.Table != dry.Table {
		t.Errorf("the dry run said %s, it became %s", dry.Table, r.Table)
	}
	if r := commit(t, d, Change{Put: someSpec(5)}); r.Commit != 1 || r.Changed.Total() != 0 || len(m.log) != 1 {
		t.Errorf("an equal change made %+v", r)
	}
	r := commit(t, d, Change{Put: someSpec(2), Replace: true})
	if r.Changed.Removed["numbers"] != 3 || d.Table().Len() != 2 {
		t.Errorf("replaced: %+v", r)
	}
}

// Of two who write at once one is first; the other is made for the newer table,
// or told when it names the older one.
func TestWritersRace(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	two, _ := newNode(t, m, t.TempDir(), func(d *Deps) { d.Node = "edge-2" })
	commit(t, one, Change{Put: someSpec(1)})
	look(t, two)
	// The other commits between the look at the head and the swap.
	once := true
	m.do(func(m *memory) {
		m.fault = func(op string) (error, bool) {
			if op == "put" && once {
				once = false
				m.fault = nil
				m.mu.Unlock()
				_, err := two.Commit(t.Context(), Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(7)}}}, false)
				m.mu.Lock()
				if err != nil {
					t.Error(err)
				}
			}
			return nil, false
		}
	})
	r := commit(t, one, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(6)}}})
	if r.Commit != 3 || one.Table().Len() != 3 || one.Status().Conflicts != 1 {
		t.Errorf("%+v, %d numbers, %d conflicts", r, one.Table().Len(), one.Status().Conflicts)
	}
	look(t, two)
	if two.Table().Version() != one.Table().Version() {
		t.Error("two truths")
	}
	_, err := two.Commit(t.Context(), Change{Base: 2, Remove: map[string][]string{"numbers": {number(6).Number}}}, false)
	if !errors.Is(err, ErrConflict) {
		t.Errorf("made for commit 2: %v", err)
	}
}

// The broker may break at any step of a commit. Then either all of it took
// effect or nothing, and this node knows which; the next commit works.
func TestCommitBreaks(t *testing.T) {
	for _, op := range []string{"ready", "head", "put", "swap"} {
		for _, late := range []bool{false, true} {
			m := newMemory()
			d, _ := newNode(t, m, t.TempDir())
			other, _ := newNode(t, m, t.TempDir())
			before := commit(t, d, Change{Put: someSpec(4)})
			left := 1
			m.do(func(m *memory) {
				m.fault = func(at string) (error, bool) {
					if at == op && left > 0 {
						left--
						return errCut, late
					}
					return nil, false
				}
			})
			r, err := d.Commit(t.Context(), Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(50)}}}, false)
			took := op == "swap" && late
			if took != (err == nil) {
				t.Errorf("%s, late %v: %v", op, late, err)
			}
			if !took && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrDoubt) {
				t.Errorf("%s, late %v: %v", op, late, err)
			}
			look(t, other)
			if other.Table().Version() != d.Table().Version() || took != (d.Table().Version() != before.Table) {
				t.Errorf("%s, late %v: %+v: here %s, there %s", op, late, r, d.Table().Version(), other.Table().Version())
			}
			commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(51)}}})
			look(t, other)
			if other.Table().Version() != d.Table().Version() {
				t.Errorf("%s, late %v: two truths afterwards", op, late)
			}
		}
	}
}

// Validities of one number are objects of their own: they are put, listed and
// removed one by one or all together.
func TestValidities(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	commit(t, d, Change{Put: someSpec(1)})
	c, faults := mustText(t).Change([]byte(`{"put":{"numbers":[
		{"number":"+4721000001","account":"demo","flow":"sales","valid_until":"2026-01-01"},
		{"number":"+4721000001","account":"demo","flow":"sales","valid_from":"2026-01-01","valid_until":"2026-06-01"},
		{"number":"+4721000001","account":"demo","flow":"sales","valid_from":"2026-06-01"}]}}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if r := commit(t, d, c); r.Changed.Added["numbers"] != 3 {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		remove string
		left   int
	}{{"+4721000001@2026-06-01T00:00:00Z", 3}, {"+4721000001@", 2}, {"+4721000001", 1}} {
		commit(t, d, Change{Remove: map[string][]string{"numbers": {c.remove}}})
		page, _, err := d.Numbers(NumberFilter{Limit: 10})
		if err != nil || len(page) != c.left || d.Status().Counts["numbers"] != c.left {
			t.Errorf("%s removed: %d left: %v", c.remove, len(page), err)
		}
		// The table and the pages are two readings of one change.
		again, _ := newNode(t, m, t.TempDir())
		look(t, again)
		if again.Table().Version() != d.Table().Version() {
			t.Errorf("%s removed: the pages say another table", c.remove)
		}
	}
}

func mustText(t *testing.T) *Text {
	t.Helper()
	text, err := NewText(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
