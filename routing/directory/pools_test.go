package directory

import (
	"errors"
	"testing"
	"time"

	"ringdown/routing"
)

// What a node makes of a change is what another one makes of the commit: a number
// of a pool and of a line at once is refused, whichever was there first.
func TestNumberOfPoolAndLine(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	commit(t, one, Change{Put: someSpec(3)})
	pool := func(account string, n int) routing.Spec {
		return routing.Spec{Accounts: []routing.Account{{ID: account}},
			Pools: map[string]routing.Pool{"site": {Account: account, Flow: "sales", Numbers: []string{number(n).Number}}}}
	}
	refused := func(what string, c Change, path string) {
		t.Helper()
		_, err := one.Commit(t.Context(), c, false)
		var faults Invalid
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != path {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a pool over a line", Change{Put: pool("other", 1)}, "put.pools.site.numbers[0]")
	commit(t, one, Change{Put: pool("other", 50)})
	refused("a line over a pool", Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(50)}}}, "put.numbers[0].number")

	same := func(what string) {
		t.Helper()
		two, _ := newNode(t, m, t.TempDir())
		look(t, two)
		if two.Table() == nil {
			t.Fatalf("%s: the other node has no table: %+v", what, two.Status())
		}
		for _, n := range []int{0, 1, 50} {
			ask := routing.Request{Trunk: "carrier", From: "+4791111111", To: number(n).Number, At: time.Unix(1e9, 0)}
			a, b := one.Table().Decide(ask), two.Table().Decide(ask)
			if a.Account != b.Account || a.Version != b.Version || one.Table().Len() != two.Table().Len() {
				t.Errorf("%s: number %d is %s's in table %s of %d, and %s's in table %s of %d", what, n,
					a.Account, a.Version, one.Table().Len(), b.Account, b.Version, two.Table().Len())
			}
		}
	}
	same("a pool")
	commit(t, one, Change{Put: routing.Spec{Pools: map[string]routing.Pool{"site": {Account: "other", Flow: "sales", Numbers: []string{number(1).Number}}},
		Numbers: []routing.TrackingNumber{number(50)}}, Remove: map[string][]string{"numbers": {number(1).Number}}})
	same("a line and a pool's number that change places")
	commit(t, one, Change{Put: routing.Spec{Pools: map[string]routing.Pool{"site": {Account: "other", Flow: "sales"}}}})
	commit(t, one, Change{Remove: map[string][]string{"numbers": {number(50).Number}}})
	same("both are gone")
}

// A commit that an older program wrote with such a number in it is not used.
func TestCommitWithNumberTwice(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	s := someSpec(3)
	s.Pools = map[string]routing.Pool{"site": {Account: "demo", Flow: "sales", Numbers: []string{number(1).Number}}}
	unchecked(t, one, m, s)
	look(t, one)
	if s := one.Status(); s.Fault != FaultTable || one.Table() != nil {
		t.Errorf("%+v", s)
	}
}

// unchecked writes the first commit of a bucket as a program would that checks
// nothing.
func unchecked(t *testing.T, d *Directory, m *memory, s routing.Spec) {
	t.Helper()
	objects, faults := d.schema.objects(&s, "put.")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	next, _, _, err := d.ring.with(nothing(), delta{put: objects}, false)
	if err != nil {
		t.Fatal(err)
	}
	next.head.Commit = 1
	if err := m.put(t.Context(), next.pages[:]); err != nil {
		t.Fatal(err)
	}
	value, err := d.ring.seal(headPlace, next.head.encode())
	if err != nil {
		t.Fatal(err)
	}
	m.do(func(m *memory) { m.write(value) })
}
