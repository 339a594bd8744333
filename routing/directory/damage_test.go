package directory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/routing"
)

// Whatever somebody writes into the bucket beside us, the last good table stays,
// it is told once and with its kind, and restore mends it.
func TestSomebodyWritesIntoTheBucket(t *testing.T) {
	stranger, err := newKeyring([]byte(strings.Repeat("x", MinKey)))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.seal(headPlace, (&head{Commit: 9, Pages: make([]string, Pages)}).encode())
	if err != nil {
		t.Fatal(err)
	}
	ours := func(d *Directory, place string, text []byte) []byte {
		value, err := d.ring.seal(place, text)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for name, c := range map[string]struct {
		write func(d *Directory, m *memory)
		kind  string
		// final: restore must not overwrite it.
		final bool
	}{
		"text":         {func(_ *Directory, m *memory) { m.write([]byte("hello")) }, FaultHead, false},
		"empty text":   {func(_ *Directory, m *memory) { m.write([]byte{}) }, FaultHead, false},
		"one byte":     {func(_ *Directory, m *memory) { m.write([]byte{format}) }, FaultHead, false},
		"another key":  {func(_ *Directory, m *memory) { m.write(foreign) }, FaultHead, false},
		"newer format": {func(_ *Directory, m *memory) { m.write([]byte{format + 1, 7, 7}) }, FaultHead, true},
		"deleted":      {func(_ *Directory, m *memory) { m.write(nil) }, FaultEmpty, false},
		"an old one":   {func(_ *Directory, m *memory) { m.write(m.log[0].value) }, FaultHead, false},
		"cut":          {func(_ *Directory, m *memory) { m.write(m.newest().value[:100]) }, FaultHead, false},
		"a page for a head": {func(_ *Directory, m *memory) {
			for _, p := range m.pages {
				m.write(p.value)
				return
			}
		}, FaultHead, false},
		"no JSON":       {func(d *Directory, m *memory) { m.write(ours(d, headPlace, []byte("{"))) }, FaultHead, false},
		"no pages":      {func(d *Directory, m *memory) { m.write(ours(d, headPlace, []byte(`{"commit":5}`))) }, FaultHead, false},
		"missing pages": {missingPages, FaultPages, false},
		"torn page":     {tornPage, FaultPages, false},
		"newer page":    {newerPage, FaultTable, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			d, heard := newNode(t, m, t.TempDir())
			commit(t, d, Change{Put: someSpec(5)})
			last := commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(9)}}})
			m.do(func(m *memory) { c.write(d, m) })
			look(t, d)
			look(t, d)
			if d.Table().Version() != last.Table || d.Status().Fault != c.kind || d.Status().FaultText == "" {
				t.Fatalf("table %s, fault %s: %s", d.Table().Version(), d.Status().Fault, d.Status().FaultText)
			}
			if got := heard.troubles(); len(got) != 1 || got[0] != c.kind {
				t.Errorf("told %v", got)
			}
			if strings.Contains(d.Status().FaultText, "4721") {
				t.Errorf("the fault repeats a number: %s", d.Status().FaultText)
			}
			change := Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(10)}}}
			if _, err := d.Commit(t.Context(), change, false); !errors.Is(err, ErrUnavailable) {
				t.Errorf("a change on a broken bucket: %v", err)
			}
			_, err := d.Restore(t.Context(), "ops")
			if c.final {
				if !errors.Is(err, ErrWhole) {
					t.Errorf("restored over it: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Status().Fault != "" || d.Table().Version() != last.Table {
				t.Errorf("after the restore: %+v", d.Status())
			}
			commit(t, d, change)
			other, _ := newNode(t, m, t.TempDir())
			look(t, other)
			if other.Table() == nil || other.Table().Version() != d.Table().Version() {
				t.Errorf("a new node has %+v", other.Status())
			}
		})
	}
}

// missingPages is a commit of ours whose pages are not there.
func missingPages(d *Directory, m *memory) {
	h := *d.now.Load().head
	h.Commit++
	h.Pages = append([]string(nil), h.Pages...)
	h.Pages[0] = strings.Repeat("ab", nameSize/2)
	value, err := d.ring.seal(headPlace, h.encode())
	if err != nil {
		panic(err)
	}
	m.write(value)
}

// newerPage is a commit of ours with an object of a section that is not known.
func newerPage(d *Directory, m *memory) {
	o := object{"wormholes", "a", []byte(`{}`)}
	p, err := d.ring.page([]object{o})
	if err != nil {
		panic(err)
	}
	h := *d.now.Load().head
	h.Commit++
	h.Pages = append([]string(nil), h.Pages...)
	h.Pages[o.key().place()] = p.name
	m.seq++
	m.pages[p.name] = memoryPage{p.value, m.seq}
	value, err := d.ring.seal(headPlace, h.encode())
	if err != nil {
		panic(err)
	}
	m.write(value)
}

// tornPage is a commit of ours with a page that is none.
func tornPage(d *Directory, m *memory) {
	h := *d.now.Load().head
	h.Commit++
	h.Pages = append([]string(nil), h.Pages...)
	h.Pages[0] = strings.Repeat("cd", nameSize/2)
	m.seq++
	m.pages[h.Pages[0]] = memoryPage{[]byte("torn"), m.seq}
	value, err := d.ring.seal(headPlace, h.encode())
	if err != nil {
		panic(err)
	}
	m.write(value)
}

// A node whose file does not go with a commit keeps its last good table.
func TestCommitThatDoesNotFitHere(t *testing.T) {
	m := newMemory()
	one, _ := newNode(t, m, t.TempDir())
	two, _ := newNode(t, m, t.TempDir(), func(d *Deps) { d.Node, d.Base = "edge-2", routing.Spec{} })
	commit(t, one, Change{Put: someSpec(2)})
	look(t, two)
	before := two.Table().Version()
	n := number(3)
	n.Trunks = []string{"carrier"}
	commit(t, one, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}})
	look(t, two)
	if s := two.Status(); s.Table != before || s.Fault != FaultTable || !strings.Contains(s.FaultText, "carrier") {
		t.Errorf("%+v", s)
	}
	// The next commit that fits heals it.
	commit(t, one, Change{Remove: map[string][]string{"numbers": {n.Number}}})
	look(t, two)
	if s := two.Status(); s.Fault != "" || s.Commit != 3 || s.Table != before {
		t.Errorf("%+v", s)
	}
}

// A bucket that was lost: whoever has the table keeps it and can bring it back;
// who has none begins with none.
func TestBucketLost(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	last := commit(t, d, Change{Put: someSpec(5)})
	again := newMemory()
	again.id = "second"
	d.bucket = again
	look(t, d)
	if s := d.Status(); s.Fault != FaultEmpty || s.Table != last.Table {
		t.Fatalf("%+v", s)
	}
	if _, err := d.Restore(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.Commit != 2 || s.Fault != "" || s.Table != last.Table {
		t.Errorf("%+v", s)
	}
	if _, err := d.Restore(t.Context(), "ops"); !errors.Is(err, ErrWhole) {
		t.Errorf("restored what is not lost: %v", err)
	}
	again.do(func(m *memory) { // pages vanish under a head that stays
		for name := range m.pages {
			delete(m.pages, name)
			break
		}
	})
	if r, err := d.Restore(t.Context(), "ops"); err != nil || r.Commit != 3 {
		t.Errorf("%+v %v", r, err)
	}
}

// The disk has the last good table, sealed; a start without the broker uses it,
// and catches up when the broker is there.
func TestDiskAlone(t *testing.T) {
	m := newMemory()
	dir := t.TempDir()
	d, _ := newNode(t, m, dir)
	r := commit(t, d, Change{Put: someSpec(300)})
	if !d.save() || d.Status().Saved != 1 {
		t.Fatalf("%+v", d.Status())
	}
	again, heard := newNode(t, nil, dir)
	if again.Table() == nil || again.Table().Version() != r.Table || again.Status().Source != SourceDisk {
		t.Fatalf("%+v", again.Status())
	}
	if len(heard.told) != 1 || heard.told[0].Source != SourceDisk {
		t.Errorf("told %+v", heard.told)
	}
	r = commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(1000)}}})
	again.bucket = m
	look(t, again)
	if s := again.Status(); s.Table != r.Table || s.Source != SourceNATS || s.Commit != 2 {
		t.Errorf("%+v", s)
	}
	if !again.save() {
		t.Error("not saved")
	}
	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(path+string(b), "4721") || strings.Contains(string(b), "demo") {
			t.Errorf("%s can be read by anybody", path)
		}
		return nil
	})
	files, err := os.ReadDir(filepath.Join(dir, pageFolder))
	if named := distinct(again); err != nil || len(files) != named {
		t.Errorf("%d files for %d pages: %v", len(files), named, err)
	}
}

// distinct counts the pages of the table in use that hold anything.
func distinct(d *Directory) (n int) {
	for _, p := range d.now.Load().pages {
		if p.name != "" {
			n++
		}
	}
	return n
}

// A crash at any step of saving leaves the table of before or this one.
func TestCrashWhileSaving(t *testing.T) {
	crashed := 0
	for n := 0; ; n++ {
		m := newMemory()
		dir := t.TempDir()
		d, _ := newNode(t, m, dir)
		first := commit(t, d, Change{Put: someSpec(10)})
		d.save()
		second := commit(t, d, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(50), number(51)}}})
		steps := 0
		d.disk.fault = func(step string) error {
			if steps++; steps > n {
				return fmt.Errorf("crash at %s", step)
			}
			return nil
		}
		whole := d.save()
		again, _ := newNode(t, m, dir)
		if v := again.Table().Version(); v != second.Table && (whole || v != first.Table) {
			t.Errorf("after %d steps: %s is neither %s nor %s", n, v, first.Table, second.Table)
		}
		look(t, again)
		if !again.save() || again.Table().Version() != second.Table {
			t.Errorf("after %d steps it does not go on", n)
		}
		if whole {
			break
		}
		crashed++
	}
	if crashed < 5 {
		t.Errorf("only %d steps were broken", crashed)
	}
}

// A table on the disk that does not read is said, with what to do.
func TestDiskDamaged(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"head cut":     func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, labelFile), 40) },
		"head empty":   func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, labelFile), 0) },
		"page cut":     func(t *testing.T, dir string) { truncate(t, aPage(t, dir), 20) },
		"page missing": func(t *testing.T, dir string) { os.Remove(aPage(t, dir)) },
		"pages gone":   func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, pageFolder)) },
	} {
		dir := t.TempDir()
		d, _ := newNode(t, newMemory(), dir)
		commit(t, d, Change{Put: someSpec(10)})
		d.save()
		damage(t, dir)
		_, err := open(Config{Dir: dir}, Deps{Key: testKey, Base: trunks()})
		if err == nil || !strings.Contains(err.Error(), "remove the folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	d, _ := newNode(t, newMemory(), dir)
	commit(t, d, Change{Put: someSpec(1)})
	d.save()
	if _, err := open(Config{Dir: dir}, Deps{Key: []byte(strings.Repeat("y", MinKey)), Base: trunks()}); err == nil {
		t.Error("another key opens it")
	}
	if _, err := open(Config{Dir: dir}, Deps{Key: testKey}); err != nil { // no trunk is named by anything there
		t.Error(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func aPage(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, pageFolder))
	if err != nil || len(files) == 0 {
		t.Fatal("no page", err)
	}
	return filepath.Join(dir, pageFolder, files[0].Name())
}

// A start without a table and without the broker says so when its time is up.
func TestAwaitInVain(t *testing.T) {
	m := newMemory()
	m.fault = func(string) (error, bool) { return errors.New("not connected"), false }
	d, _ := newNode(t, m, t.TempDir())
	d.cfg.Wait = 20 * time.Millisecond
	d.tell("", 0, FaultBroker, errors.New("not connected"))
	err := d.Await(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("%v", err)
	}
}
