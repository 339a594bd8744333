package keys

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"ringdown/privacy"
)

// holds reports whether a file holds a piece of text.
func holds(t testing.TB, path, text string) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(text))
}

func TestEraseRecording(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one, two := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", sub)
	wrapped := string(s.tree.recordings[one.ref].key)
	if !holds(t, s.path(journalName), wrapped) {
		t.Fatal("the row is not in the file: this test sees nothing")
	}
	if err := s.EraseRecording(one.ref); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		one.expect(t, s, ErrErased)
		two.expect(t, s, nil)
		if holds(t, s.path(journalName), wrapped) || holds(t, s.path(journalName), one.ref) {
			t.Error("the row is still in the file")
		}
		if err := s.EraseRecording(one.ref); err != nil {
			t.Errorf("a second time: %v", err)
		}
		s = reopen(t, s)
	}
	if err := s.EraseRecording("key_none"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("what never was: %v", err)
	}
	if err := s.EraseRecordings([]string{two.ref, "key_none"}); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("with one that never was: %v", err)
	}
	two.expect(t, s, nil)
	three := newDeposit(t, s, "demo", sub)
	if err := s.EraseRecordings([]string{two.ref, three.ref}); err != nil {
		t.Fatal(err)
	}
	two.expect(t, s, ErrErased)
	three.expect(t, s, ErrErased)
}

func TestEraseSubject(t *testing.T) {
	s := newStore(t)
	sub, other := newSubject(t, s, "demo", caller), newSubject(t, s, "demo", privacy.Number{})
	elsewhere := newSubject(t, s, "other", caller)
	one, two := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", other)
	three := newDeposit(t, s, "other", elsewhere)
	field, err := s.SealField("demo", sub, []byte("who"))
	if err != nil {
		t.Fatal(err)
	}
	gone := s.tree.accounts["demo"].subjects[sub]
	if err := s.EraseSubject("demo", sub); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		one.expect(t, s, ErrErased)
		two.expect(t, s, nil)
		three.expect(t, s, nil)
		if _, err := s.OpenField("demo", sub, field); !errors.Is(err, ErrErased) {
			t.Errorf("field: %v", err)
		}
		if _, _, err := s.NewRecordingKey("demo", sub, "rec_2"); !errors.Is(err, ErrErased) {
			t.Errorf("a new recording of his: %v", err)
		}
		for _, what := range []string{sub, string(gone.key), string(gone.token)} {
			if holds(t, s.path(journalName), what) {
				t.Error("a row of his is still in the file")
			}
		}
		if err := s.EraseSubject("demo", sub); err != nil {
			t.Errorf("a second time: %v", err)
		}
		s = reopen(t, s)
	}
	if again := newSubject(t, s, "demo", caller); again == sub {
		t.Error("he is recognised")
	}
	if newSubject(t, s, "other", caller) != elsewhere {
		t.Error("he is not known any more elsewhere")
	}
	for _, c := range [][2]string{{"demo", "sub_none"}, {"none", sub}} {
		if err := s.EraseSubject(c[0], c[1]); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// An old copy of the journal, put back beside the list of what was erased, does
// not bring a key back: it is removed from the file before anything is served.
func TestOldJournalDoesNotResurrect(t *testing.T) {
	s := newStore(t)
	sub, other := newSubject(t, s, "demo", caller), newSubject(t, s, "demo", privacy.Number{})
	one, two, three := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", other), newDeposit(t, s, "demo", other)
	backup, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EraseSubject("demo", sub); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseRecording(two.ref); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.WriteFile(s.path(journalName), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := Open(s.config, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	one.expect(t, reader, ErrErased)
	s = openIn(t, s.config.Dir)
	one.expect(t, s, ErrErased)
	two.expect(t, s, ErrErased)
	three.expect(t, s, nil)
	for _, what := range []string{one.ref, two.ref, sub} {
		if holds(t, s.path(journalName), what) {
			t.Errorf("%s is in the file again", what)
		}
	}
}

// A crash, or a full disk, between the list and the journal: it is erased, said
// so, and the row leaves the file at the next occasion.
func TestEraseThatCannotRewrite(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one, two := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", sub)
	block := s.path(journalName) + tempSuffix
	if err := os.Mkdir(block, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseRecording(one.ref); err == nil || !strings.Contains(err.Error(), "erased, but rows are still in") {
		t.Errorf("erased: %v", err)
	}
	one.expect(t, s, ErrErased)
	if !holds(t, s.path(journalName), one.ref) {
		t.Fatal("the row is gone: this test sees nothing")
	}
	s = reopen(t, s) // still no room: that is no reason not to start
	one.expect(t, s, ErrErased)
	two.expect(t, s, nil)
	os.RemoveAll(block)
	if err := s.EraseRecording(one.ref); err != nil {
		t.Errorf("again: %v", err)
	}
	if holds(t, s.path(journalName), one.ref) {
		t.Error("the row is still in the file")
	}
	two.expect(t, s, nil)
}

// The list of the erased is a journal too: it is cut everywhere, and what it
// certainly held is never forgotten.
func TestErasedListCutEverywhere(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one, two := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", sub)
	backup, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EraseRecording(one.ref); err != nil {
		t.Fatal(err)
	}
	sure := s.graves.length()
	if err := s.EraseRecording(two.ref); err != nil {
		t.Fatal(err)
	}
	s.Close()
	list, err := os.ReadFile(s.path(erasedName))
	if err != nil {
		t.Fatal(err)
	}
	for n := sure; n <= int64(len(list)); n++ {
		if err := errors.Join(os.WriteFile(s.path(journalName), backup, 0o600), os.WriteFile(s.path(erasedName), list[:n], 0o600)); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.config, Options{})
		if err != nil {
			t.Fatalf("cut to %d: %v", n, err)
		}
		one.expect(t, again, ErrErased)
		if n == int64(len(list)) {
			two.expect(t, again, ErrErased)
		} else {
			two.expect(t, again, nil)
		}
		again.Close()
	}
	if err := os.WriteFile(s.path(erasedName), list[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.config, Options{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), s.path(erasedName)) {
		t.Errorf("without its head: %v", err)
	}
}
