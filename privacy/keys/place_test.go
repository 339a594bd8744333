package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/privacy"
	"ringdown/privacy/keys/filekeys"
)

// forge writes the journal of a store anew after changing its rows, as somebody
// with the disk could, and opens it.
func forge(t *testing.T, s *Store, change func(rows []row) []row) (*Store, error) {
	t.Helper()
	s.Close()
	held, err := readJournal(s.path(journalName), journalMagic)
	if err != nil {
		t.Fatal(err)
	}
	rows := change(held.rows)
	j, err := createJournal(s.path(journalName), journalMagic, func(yield func(row) bool) {
		for _, r := range rows {
			if !yield(r) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	j.close()
	forged, err := Open(s.config, Options{})
	if err == nil {
		t.Cleanup(func() { forged.Close() })
	}
	return forged, err
}

// A wrapped key opens in the row it was made for and in no other: each one is
// tried in each other's place.
func TestRowsInOtherPlaces(t *testing.T) {
	s := newStore(t)
	a, b := newSubject(t, s, "demo", caller), newSubject(t, s, "demo", privacy.E164("+4791827365"))
	c := newSubject(t, s, "other", caller)
	deposits := []deposit{newDeposit(t, s, "demo", a), newDeposit(t, s, "demo", b), newDeposit(t, s, "other", c)}
	for _, name := range []string{"nats", "outbox"} {
		if _, err := s.Secret(name); err != nil {
			t.Fatal(err)
		}
	}
	_, signer, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	subjectOf := []struct{ account, subject string }{{"demo", a}, {"demo", b}, {"other", c}}
	s.Close()
	good, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	// Where each kind of row has its wrapped keys.
	wrappedIn := map[kind][]int{rowAccount: {1, 2}, rowSubject: {2, 3}, rowRecording: {4}, rowSecret: {1}, rowSigner: {1}}
	type place struct{ row, field int }
	var places []place
	held, err := parseJournal(good, journalMagic)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range held.rows {
		for _, f := range wrappedIn[r.kind] {
			places = append(places, place{i, f})
		}
	}
	if len(places) != 2*2+3*2+3+2+1 {
		t.Fatalf("%d places", len(places))
	}
	for _, from := range places {
		for _, to := range places {
			if from == to {
				continue
			}
			if err := os.WriteFile(s.path(journalName), good, 0o600); err != nil {
				t.Fatal(err)
			}
			forged, err := forge(t, s, func(rows []row) []row {
				rows[to.row].fields[to.field] = bytes.Clone(rows[from.row].fields[from.field])
				return rows
			})
			if err != nil {
				t.Fatalf("%v to %v: %v", from, to, err)
			}
			failed := 0
			count := func(err error) {
				if err != nil {
					failed++
				}
			}
			for i, d := range deposits {
				key, err := forged.RecordingKey(d.ref)
				count(err)
				if err == nil && !bytes.Equal(key, d.key) {
					t.Errorf("%v to %v: a wrong key comes out", from, to)
				}
				_, err = forged.SealField(subjectOf[i].account, subjectOf[i].subject, nil)
				count(err)
			}
			for _, name := range []string{"nats", "outbox"} {
				_, err := forged.Secret(name)
				count(err)
			}
			_, err = forged.PublicKey(signer)
			count(err)
			if failed == 0 {
				t.Errorf("the key of row %d field %d opens in row %d field %d", from.row, from.field, to.row, to.field)
			}
			forged.Close()
		}
	}
}

// Each part of a binding counts, and no two lists of parts look the same.
func TestBindingsDiffer(t *testing.T) {
	seen := map[string]bool{}
	add := func(b []byte) {
		t.Helper()
		if seen[string(b)] {
			t.Errorf("two places have the binding %q", b)
		}
		seen[string(b)] = true
	}
	add(newTree("eu", 1, time.Time{}).binding("a", "p", "c", "k"))
	add(newTree("us", 1, time.Time{}).binding("a", "p", "c", "k"))
	add(newTree("eu", 2, time.Time{}).binding("a", "p", "c", "k"))
	tree := newTree("eu", 1, time.Time{})
	add(tree.binding("b", "p", "c", "k"))
	add(tree.binding("a", "q", "c", "k"))
	add(tree.binding("a", "p", "d", "k"))
	add(tree.binding("a", "p", "c", "l"))
	add(tree.binding("", "ap", "c", "k"))
	add(tree.binding("a", "", "pc", "k"))
}

// A recording cannot be given to another subject, account or recording by
// rewriting its row.
func TestRowOfAnotherOwner(t *testing.T) {
	for field, name := range map[int]string{0: "ref", 1: "account", 2: "subject", 3: "recording"} {
		s := newStore(t)
		a := newSubject(t, s, "demo", caller)
		b := newSubject(t, s, "other", caller)
		other := newDeposit(t, s, "other", b)
		d := newDeposit(t, s, "demo", a)
		into := []string{other.ref, "other", b, "rec_9"}[field]
		forged, err := forge(t, s, func(rows []row) []row {
			last := rows[len(rows)-1]
			if last.text(0) != d.ref {
				t.Fatal("the last row is another")
			}
			last.fields[field] = []byte(into)
			return rows
		})
		if err != nil {
			t.Fatal(err)
		}
		ref := d.ref
		if field == 0 {
			ref = into
		}
		if key, err := forged.RecordingKey(ref); err == nil {
			t.Errorf("%s changed: opens to %x", name, key)
		}
	}
}

func TestJournalThatIsNone(t *testing.T) {
	for name, change := range map[string]func(rows []row) []row{
		"nothing":         func([]row) []row { return nil },
		"no epoch":        func(rows []row) []row { return rows[1:] },
		"epoch in pieces": func(rows []row) []row { rows[0].fields[1] = nil; return rows },
		"orphans":         func(rows []row) []row { return append(rows[:1:1], rows[2:]...) },
		"a grave":         func(rows []row) []row { return append(rows, numbered(1)) },
		"two epochs":      func(rows []row) []row { return append(rows, rows[0]) },
	} {
		s := newStore(t)
		newSubject(t, s, "demo", caller)
		if _, err := forge(t, s, change); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wrong, missing or unreadable root: an error that says so and names the file,
// and not a byte changed, not even the torn tail.
func TestWrongRoot(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"missing": func(t *testing.T, path string) { os.Remove(path) },
		"no folder": func(t *testing.T, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		},
		"another": func(t *testing.T, path string) {
			dir := t.TempDir()
			if _, err := filekeys.Open(dir).NewEpoch(); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, filepath.Base(path)), path); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := populate(t, newStore(t), 1, 1)
			p.Close()
			root := filepath.Join(p.config.Roots, "epoch-1.key")
			kept, err := os.ReadFile(root)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(p.path(journalName), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("torn"); err != nil {
				t.Fatal(err)
			}
			f.Close()
			spoil(t, root)
			before := snapshot(t, p.config.Dir)
			for _, o := range []Options{{}, {ReadOnly: true}} {
				_, err = Open(p.config, o)
				if !errors.Is(err, ErrWrongRoot) || !strings.Contains(err.Error(), root) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			}
			if snapshot(t, p.config.Dir) != before {
				t.Error("something was changed")
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(root), 0o700), os.WriteFile(root, kept, 0o600)); err != nil {
				t.Fatal(err)
			}
			s := openIn(t, p.config.Dir)
			p.complete(t, s)
			if s.Status().Torn != 4 {
				t.Errorf("%d torn bytes told of", s.Status().Torn)
			}
		})
	}
}

func TestOtherRegion(t *testing.T) {
	s := newStore(t)
	s.Close()
	if _, err := Open(Config{Dir: s.config.Dir, Region: "us"}, Options{}); err == nil || !strings.Contains(err.Error(), `belongs to region "eu"`) {
		t.Errorf("opened: %v", err)
	}
}

// A journal that is lost is not replaced by an empty one: with it every
// recording would be.
func TestLostJournal(t *testing.T) {
	s := newStore(t)
	s.Close()
	if err := os.Remove(s.path(journalName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.config, Options{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("opened: %v", err)
	}
	if _, err := os.Stat(s.path(journalName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is one: %v", err)
	}
}

// A first start that dies at any call to the provider is begun again by the next.
func TestFirstStartDiesAnywhere(t *testing.T) {
	finished := false
	for from := 1; !finished; from++ {
		dir := filepath.Join(t.TempDir(), "keys")
		provider := &crashing{Provider: filekeys.Open(filepath.Join(dir, "root")), from: from}
		s, err := Open(Config{Dir: dir, Region: region}, Options{Provider: provider})
		if finished = err == nil; finished {
			s.Close()
		} else if !errors.Is(err, errCrash) {
			t.Fatalf("call %d: %v", from, err)
		}
		s = openIn(t, dir)
		d := newDeposit(t, s, "demo", newSubject(t, s, "demo", caller))
		s = reopen(t, s)
		d.expect(t, s, nil)
		if err := s.Rotate(time.Now()); err != nil {
			t.Fatal(err)
		}
		if st := s.Status(); len(st.Epochs) != 1 {
			t.Errorf("call %d: roots %v", from, st.Epochs)
		}
	}
}

// A folder that cannot be written to is one clear error. Below a file, as root
// may write anywhere else.
func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: filepath.Join(file, "keys"), Region: region}, Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("opened: %v", err)
	}
	if os.Geteuid() == 0 {
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir, Region: region}, Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("opened in a read-only folder: %v", err)
	}
}
