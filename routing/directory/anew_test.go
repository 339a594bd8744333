package directory

import (
	"slices"
	"strconv"
	"testing"

	"ringdown/routing"
)

// remade is a bucket made anew with the pages of another one and a head.
func remade(m *memory, seq uint64, head []byte) *memory {
	again := newMemory()
	again.id, again.seq = "second", seq-1
	m.do(func(m *memory) {
		for name, p := range m.pages {
			again.pages[name] = p
		}
	})
	again.write(head)
	return again
}

// An old head of ours rolls nothing back, in a bucket that was made anew neither:
// only restore leads out, with a commit that every node takes.
func TestOldHeadInABucketMadeAnew(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	commit(t, d, Change{Put: someSpec(3)})
	old := m.newest().value
	n := number(1)
	n.State = routing.Suspended
	last := commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}})

	other := *d.now.Load().head // another commit 2
	other.Note = "somebody else's"
	second, err := d.ring.seal(headPlace, other.encode())
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string][]byte{"commit 1": old, "another commit 2": second} {
		d.bucket = remade(m, 40, head)
		look(t, d)
		if s := d.Status(); s.Commit != 2 || s.Table != last.Table || s.Fault != FaultHead {
			t.Errorf("%s: commit %d in use, fault %q %s", name, s.Commit, s.Fault, s.FaultText)
		}
	}
	if r, err := d.Restore(t.Context(), "ops"); err != nil || r.Commit != 3 || r.Table != last.Table {
		t.Errorf("%+v, %v", r, err)
	}
	look(t, d)
	if s := d.Status(); s.Fault != "" || s.Commit != 3 {
		t.Errorf("%+v", s)
	}
}

// A head is looked at again when one of the same sequence stands in another bucket.
func TestFaultIsOfItsBucket(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	commit(t, d, Change{Put: someSpec(3)})
	m.do(func(m *memory) { m.write([]byte("hello")) })
	look(t, d)
	if s := d.Status(); s.Fault != FaultHead {
		t.Fatalf("%+v", s)
	}
	next := *d.now.Load().head
	next.Commit++
	head, err := d.ring.seal(headPlace, next.encode())
	if err != nil {
		t.Fatal(err)
	}
	d.bucket = remade(m, m.newest().seq, head)
	look(t, d)
	if s := d.Status(); s.Fault != "" || s.Commit != 2 {
		t.Errorf("commit %d, fault %q: %s", s.Commit, s.Fault, s.FaultText)
	}
}

// A node that was started a moment ago does not know which pages went of late,
// and takes none away: a slow reader may be at them.
func TestSweepAfterAStart(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	commit(t, one, Change{Put: someSpec(3)})
	change := func(d *Directory, n int) {
		t.Helper()
		same := number(1) // one page, written again and again
		same.Regulatory = "case " + strconv.Itoa(n)
		commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{same}}})
	}
	for n := range 2 * sweepLag {
		change(one, 10+n)
	}
	had := one.now.Load().head.Pages
	count := func() (n int) { m.do(func(m *memory) { n = len(m.pages) }); return n }
	before := count()

	two, _ := newNode(t, m, t.TempDir())
	look(t, two)
	change(two, 50)
	two.clean(t.Context())
	if count() < before {
		t.Errorf("%d of %d pages are left", count(), before)
	}
	for n := range sweepLag - 1 {
		change(two, 60+n)
	}
	two.clean(t.Context())
	if after := count(); after >= before {
		t.Errorf("after %d commits %d pages stay, of %d", sweepLag, after, before)
	}
	for _, name := range had {
		if _, err := m.page(t.Context(), name); name != "" && err != nil {
			t.Error("a page of eight commits ago is gone")
			break
		}
	}
	if slices.Equal(had, two.now.Load().head.Pages) {
		t.Error("nothing was changed")
	}
}
