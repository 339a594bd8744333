package keys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func numbered(i int) row { return newRow(rowErasedRecording, fmt.Appendf(nil, "key_%d", i)) }

func noRows(func(row) bool) {}

func newJournal(t testing.TB) *journal {
	t.Helper()
	j, err := createJournal(filepath.Join(t.TempDir(), "journal"), erasedMagic, noRows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.close() })
	return j
}

// names are the rows in a journal's file.
func names(t testing.TB, j *journal) []string {
	t.Helper()
	c, err := readJournal(j.path, j.magic)
	if err != nil || c.torn != 0 {
		t.Fatal(err, c.torn)
	}
	out := []string{}
	for _, r := range c.rows {
		out = append(out, r.text(0))
	}
	return out
}

// faulty is a file that fails on demand.
type faulty struct {
	file
	write, truncate, sync error
	syncs                 int
}

func (f *faulty) WriteAt(p []byte, at int64) (int, error) {
	if f.write != nil {
		f.file.WriteAt(p[:len(p)/2], at) // half of it got there
		return len(p) / 2, f.write
	}
	return f.file.WriteAt(p, at)
}

func (f *faulty) Truncate(n int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.file.Truncate(n)
}

func (f *faulty) Sync() error {
	f.syncs++
	if f.sync != nil {
		return f.sync
	}
	return f.file.Sync()
}

func breakable(j *journal) *faulty {
	f := &faulty{file: j.f}
	j.f = f
	return f
}

var (
	errFull = errors.New("no space left")
	errDisk = errors.New("input/output error")
)

func put(j *journal, i int) error {
	n, err := j.add(numbered(i))
	if err != nil {
		return err
	}
	return j.wait(n)
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		f := breakable(j)
		j.busy = true // somebody is writing
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if err := put(j, i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		j.mu.Lock()
		j.busy = false
		j.changed.Broadcast()
		j.mu.Unlock()
		all.Wait()
		if f.syncs != 1 || len(names(t, j)) != 50 {
			t.Errorf("%d rows with %d syncs", len(names(t, j)), f.syncs)
		}
	})
}

// A full disk costs those who ask then, nobody else: the journal goes on when
// there is room, and what was half written is gone.
func TestFullDisk(t *testing.T) {
	j := newJournal(t)
	f := breakable(j)
	if err := put(j, 1); err != nil {
		t.Fatal(err)
	}
	f.write = errFull
	if err := put(j, 2); !errors.Is(err, errFull) || !strings.Contains(err.Error(), j.path) {
		t.Errorf("on a full disk: %v", err)
	}
	for i := range 3 { // nothing more is taken
		if n, err := j.add(numbered(9)); !errors.Is(err, errFull) || n != 0 {
			t.Errorf("%d more on a full disk: %d, %v", i, n, err)
		}
	}
	if got := names(t, j); !slices.Equal(got, []string{"key_1"}) {
		t.Errorf("in the file: %v", got)
	}
	f.write = nil
	if err := put(j, 3); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got := names(t, j); !slices.Equal(got, []string{"key_1", "key_2", "key_3"}) {
		t.Errorf("in the file: %v", got)
	}
}

// A sync that failed says nothing of what is on the disk; a second that
// "succeeds" would not either.
func TestFailedSyncIsFinal(t *testing.T) {
	for name, fail := range map[string]func(*faulty){
		"sync":     func(f *faulty) { f.sync = errDisk },
		"truncate": func(f *faulty) { f.write, f.truncate = errFull, errDisk },
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t)
			f := breakable(j)
			fail(f)
			if err := put(j, 1); !errors.Is(err, errDisk) {
				t.Errorf("first: %v", err)
			}
			f.write, f.sync, f.truncate = nil, nil, nil
			if err := put(j, 2); !errors.Is(err, errDisk) {
				t.Errorf("afterwards: %v", err)
			}
			if _, err := j.rewrite(noRows); !errors.Is(err, errDisk) {
				t.Errorf("rewrite: %v", err)
			}
		})
	}
}

func TestEveryWaiterHearsOfTheFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		breakable(j).write = errFull
		j.busy = true
		var all sync.WaitGroup
		for i := range 10 {
			n, err := j.add(numbered(i))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if err := j.wait(n); !errors.Is(err, errFull) {
					t.Errorf("row %d: %v", n, err)
				}
			})
		}
		synctest.Wait()
		j.mu.Lock()
		j.busy = false
		j.changed.Broadcast()
		j.mu.Unlock()
		all.Wait()
	})
}

// exclusive tells when two write at once, and holds each write until let go.
type exclusive struct {
	file
	inside atomic.Int32
	gate   chan error
}

func (e *exclusive) WriteAt(p []byte, at int64) (int, error) {
	if e.inside.Add(1) > 1 {
		panic("two writers at once")
	}
	defer e.inside.Add(-1)
	if err := <-e.gate; err != nil {
		return 0, err
	}
	return e.file.WriteAt(p, at)
}

// While one tries again after a failure, those who come wait for the outcome.
func TestOneWriterWhileTryingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		f := &exclusive{file: j.f, gate: make(chan error, 1)}
		j.f = f
		f.gate <- errFull
		if err := put(j, 1); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if err := put(j, 2+i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(f.gate) // room for all
		all.Wait()
		if got := names(t, j); len(got) != 4 || got[0] != "key_1" {
			t.Errorf("in the file: %v", got)
		}
	})
}

// Who finds a subject that another is just making waits for the disk as well.
func TestFoundSubjectIsDurable(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openIn(t, dir)
		f := &exclusive{file: s.journal.f, gate: make(chan error, 1)}
		s.journal.f = f
		var all sync.WaitGroup
		var back atomic.Int32
		ids := make([]string, 4)
		for i := range ids {
			all.Go(func() {
				ids[i] = newSubject(t, s, "demo", caller)
				back.Add(1)
			})
		}
		synctest.Wait()
		if back.Load() != 0 {
			t.Errorf("%d came back before anything was on the disk", back.Load())
		}
		close(f.gate)
		all.Wait()
		if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
			t.Errorf("one caller, several ids: %v", ids)
		}
		s.Close()
	})
}

func TestTooMuchAtOnce(t *testing.T) {
	j := newJournal(t)
	big := newRow(rowErasedRecording, make([]byte, 60_000))
	if _, err := j.add(slices.Repeat([]row{big}, 300)...); err == nil {
		t.Error("more than a frame holds")
	}
	if err := put(j, 1); err != nil || len(names(t, j)) != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

func TestRewrite(t *testing.T) {
	j := newJournal(t)
	for i := range 3 {
		if err := put(j, i); err != nil {
			t.Fatal(err)
		}
	}
	many := func(yield func(row) bool) {
		for i := range 20_000 { // several frames
			if !yield(numbered(i)) {
				return
			}
		}
	}
	if replaced, err := j.rewrite(many); !replaced || err != nil {
		t.Fatal(replaced, err)
	}
	if err := put(j, 20_000); err != nil {
		t.Fatal(err)
	}
	if got := names(t, j); len(got) != 20_001 || got[20_000] != "key_20000" {
		t.Errorf("%d rows", len(got))
	}
	if _, err := os.Stat(j.path + tempSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	// Where nothing new can be written the old stays.
	if err := os.Mkdir(j.path+tempSuffix, 0o700); err != nil {
		t.Fatal(err)
	}
	if replaced, err := j.rewrite(noRows); replaced || err == nil {
		t.Error(replaced, err)
	}
	if err := put(j, 1); err != nil || len(names(t, j)) != 20_002 {
		t.Errorf("after a rewrite that failed: %v", err)
	}
}

// cutAt is a journal cut at n bytes: good rows, or nothing but an error.
func cutAt(t *testing.T, whole []byte, n int, base int64, ends []int64) {
	t.Helper()
	c, err := parseJournal(whole[:n], erasedMagic)
	if int64(n) < base {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d, before all that was put in place at once: %v", n, err)
		}
		return
	}
	want := 0
	for want+1 < len(ends) && ends[want+1] <= int64(n) {
		want++
	}
	if err != nil || c.good != ends[want] || c.torn != int64(n)-ends[want] {
		t.Errorf("cut to %d: good to %d, torn %d, %v; want good to %d", n, c.good, c.torn, err, ends[want])
	}
}

func TestCutEverywhere(t *testing.T) {
	j := newJournal(t)
	if _, err := j.rewrite(func(yield func(row) bool) { _ = yield(numbered(1)) && yield(numbered(2)) }); err != nil {
		t.Fatal(err)
	}
	base := j.length()
	ends := []int64{base}
	for i := range 5 {
		if err := put(j, i); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, j.length())
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		cutAt(t, whole, n, base, ends)
	}
}

// Each bit of a journal, turned: the last frame may pass for torn, everything
// before is damage, and no wrong row ever comes out.
func TestFlipEverywhere(t *testing.T) {
	j := newJournal(t)
	for i := range 4 {
		if err := put(j, i); err != nil {
			t.Fatal(err)
		}
	}
	last := j.length() - int64(frameHead+len(numbered(3).append(nil)))
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) * 8 {
		bad := bytes.Clone(whole)
		bad[i/8] ^= 1 << (i % 8)
		c, err := parseJournal(bad, erasedMagic)
		if int64(i/8) < last {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("bit %d: %v", i, err)
			}
			continue
		}
		if err != nil || c.good != last || len(c.rows) != 3 {
			t.Errorf("bit %d, in the last frame: %d rows, %v", i, len(c.rows), err)
		}
	}
}

func TestRowsOfTheFuture(t *testing.T) {
	b := appendFrame(appendHead(nil, erasedMagic, headSize), []byte{200, 1, 2, 3})
	if _, err := parseJournal(b, erasedMagic); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a row nobody knows: %v", err)
	}
	b = appendFrame(appendHead(nil, erasedMagic, headSize), []byte{byte(rowErasedSubject), 0, 1})
	if _, err := parseJournal(b, erasedMagic); !errors.Is(err, ErrDamaged) {
		t.Errorf("a row cut short in a good frame: %v", err)
	}
}
