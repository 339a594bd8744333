package call

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsAreSharedByAllCalls(t *testing.T) {
	m := NewMemory()
	var mu sync.Mutex
	var all sync.WaitGroup
	var turns []uint64
	for range 100 {
		all.Go(func() {
			n := m.Turn("demo", "flows.sales[0].dial")
			mu.Lock()
			turns = append(turns, n)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.Sort(turns)
	for i, n := range turns {
		if n != uint64(i) {
			t.Fatalf("turn %d is %d", i, n)
		}
	}
	if n := m.Turn("other", "flows.sales[0].dial"); n != 0 {
		t.Errorf("another account begins at %d", n)
	}
}

func TestWhoAnsweredIsRememberedUntilErased(t *testing.T) {
	m := NewMemory()
	w := Wanted{Account: "demo", Subject: "sub_1", Key: "step"}
	m.Stick(w, "sip:one@127.0.0.1")
	m.Stick(w, "sip:two@127.0.0.1")
	m.Stick(Wanted{Account: "demo", Key: "step"}, "sip:three@127.0.0.1") // withheld
	m.Turn("demo", "step")
	b, _, err := m.Keep()
	if err != nil {
		t.Fatal(err)
	}
	next := NewMemory()
	if err := next.Recall(b); err != nil {
		t.Fatal(err)
	}
	if got := next.Answered(w); got != "sip:two@127.0.0.1" {
		t.Errorf("after a restart it is %q", got)
	}
	if got := next.Answered(Wanted{Account: "demo", Key: "step"}); got != "" {
		t.Errorf("for a withheld caller it is %q", got)
	}
	if n := next.Turn("demo", "step"); n != 1 {
		t.Errorf("the turn after a restart is %d", n)
	}
	next.Forget("sub_1")
	if got := next.Answered(w); got != "" {
		t.Errorf("after he was erased it is %q", got)
	}
	if next.Recall([]byte("{")) == nil {
		t.Error("nonsense is recalled")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory()
	for i := range answerersMost + 10 {
		m.Stick(Wanted{Account: "demo", Subject: fmt.Sprint("sub_", i), Key: "step"}, "sip:one@127.0.0.1")
	}
	if n := m.recent.Len(); n != answerersMost || len(m.answerers) != n {
		t.Errorf("%d are remembered, %d found", n, len(m.answerers))
	}
	if m.Answered(Wanted{Account: "demo", Subject: "sub_0", Key: "step"}) != "" {
		t.Error("who was not asked for longest is remembered")
	}
}

// TestMemoryCountsWhatChanges: what was kept is the same as long as the count is, and
// to look something up, or to remember it again, changes nothing.
func TestMemoryCountsWhatChanges(t *testing.T) {
	m := NewMemory()
	w := Wanted{Account: "demo", Subject: "sub_1", Key: "step"}
	for _, c := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"turn", func() { m.Turn("demo", "step") }, true},
		{"stick", func() { m.Stick(w, "sip:one@127.0.0.1") }, true},
		{"look up", func() { m.Answered(w) }, false},
		{"the same again", func() { m.Stick(w, "sip:one@127.0.0.1") }, false},
		{"another one", func() { m.Stick(w, "sip:two@127.0.0.1") }, true},
		{"forget nobody", func() { m.Forget("sub_2") }, false},
		{"forget", func() { m.Forget("sub_1") }, true},
		{"keep", func() { m.Keep() }, false},
	} {
		before := m.Changes()
		c.do()
		if got := m.Changes() != before; got != c.changes {
			t.Errorf("%s: changed: %t", c.name, got)
		}
	}
	if _, at, err := m.Keep(); err != nil || at != m.Changes() {
		t.Errorf("kept at %d of %d: %v", at, m.Changes(), err)
	}
}

// BenchmarkMemoryKept is how long calls wait while a full memory is copied.
func BenchmarkMemoryKept(b *testing.B) {
	m := NewMemory()
	for i := range answerersMost {
		m.Stick(Wanted{Account: "demo", Subject: fmt.Sprintf("sub_%d", i), Key: "flows.sales[0].dial"}, "sip:one@127.0.0.1")
	}
	for b.Loop() {
		m.copied()
	}
}

// TestMemoryForgetsWhatIsOld: who has not called for 90 days is not remembered, in
// memory or in what is kept, and a step that no call has come to for 30 days begins
// anew. Who calls is remembered on.
func TestMemoryForgetsWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		days := func(n day) { time.Sleep(time.Duration(n) * 24 * time.Hour) }
		m := NewMemory()
		calls := Wanted{Account: "demo", Subject: "sub_1", Key: "step"}
		gone := Wanted{Account: "demo", Subject: "sub_2", Key: "step"}
		m.Stick(calls, "sip:one@127.0.0.1")
		m.Stick(gone, "sip:two@127.0.0.1")
		m.Turn("demo", "step")
		days(turnFor)
		if m.Turn("demo", "step") != 1 {
			t.Error("a turn of this month is forgotten")
		}
		before := m.Changes()
		if m.Answered(calls) == "" || m.Changes() == before {
			t.Error("that he has called today will not be kept")
		}
		days(answererFor - turnFor)
		kept, _, err := m.Keep()
		if err != nil || m.Changes() == 0 || m.recent.Len() != 2 {
			t.Fatalf("%d are remembered after 90 days: %v", m.recent.Len(), err)
		}
		days(1)
		next := NewMemory()
		if err := next.Recall(kept); err != nil || next.recent.Len() != 1 || next.Answered(gone) != "" {
			t.Errorf("%d are recalled: %v", next.recent.Len(), err)
		}
		before = m.Changes()
		if m.recent.Len() != 1 || m.Answered(gone) != "" || m.Answered(calls) == "" {
			t.Error("who is remembered is not the one who has called")
		}
		if n := m.Turn("demo", "step"); n != 0 {
			t.Errorf("the turn of two months ago goes on at %d", n)
		}
		days(answererFor + 1)
		if m.Answered(calls) != "" {
			t.Error("he is remembered for ever")
		}
		if m.Changes() == before || m.recent.Len() != 0 || len(m.turns) != 0 {
			t.Errorf("%d are remembered, %d turns", m.recent.Len(), len(m.turns))
		}
	})
}
