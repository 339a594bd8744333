package keys

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ringdown/privacy"
	"ringdown/privacy/keys/filekeys"
	"ringdown/privacy/seal"
)

// populated is a store with a bit of everything, and how to look whether all of
// it is still there.
type populated struct {
	*Store
	subjects map[string]string // number to id
	fields   map[string]string // id to field
	deposits []deposit
	secret   []byte
	signer   string
}

func populate(t testing.TB, s *Store, callers, each int) *populated {
	t.Helper()
	p := &populated{Store: s, subjects: map[string]string{}, fields: map[string]string{}}
	var err error
	for i := range callers {
		n := fmt.Sprintf("+4791%06d", i)
		id := newSubject(t, s, "demo", privacy.E164(n))
		p.subjects[n] = id
		if p.fields[id], err = s.SealField("demo", id, []byte(n)); err != nil {
			t.Fatal(err)
		}
		for range each {
			p.deposits = append(p.deposits, newDeposit(t, s, "demo", id))
		}
	}
	if p.secret, err = s.Secret("outbox"); err != nil {
		t.Fatal(err)
	}
	if _, p.signer, err = s.Signer(); err != nil {
		t.Fatal(err)
	}
	return p
}

// complete checks that s gives all that p holds.
func (p *populated) complete(t testing.TB, s *Store) {
	t.Helper()
	for _, d := range p.deposits {
		d.expect(t, s, nil)
	}
	for n, id := range p.subjects {
		if got := newSubject(t, s, "demo", privacy.E164(n)); got != id {
			t.Errorf("caller %s is %s now", id, got)
		}
		if got, err := s.OpenField("demo", id, p.fields[id]); err != nil || string(got) != n {
			t.Errorf("field of %s: %v", id, err)
		}
	}
	if got, err := s.Secret("outbox"); err != nil || !bytes.Equal(got, p.secret) {
		t.Errorf("secret: %v", err)
	}
	if _, got, err := s.Signer(); err != nil || got != p.signer {
		t.Errorf("signer %s: %v", got, err)
	}
}

func TestRotateKeepsEverything(t *testing.T) {
	p := populate(t, newStore(t), 5, 3)
	s := p.Store
	for epoch := uint32(2); epoch < 5; epoch++ {
		if err := s.Rotate(time.Now()); err != nil {
			t.Fatal(err)
		}
		p.complete(t, s)
		s = reopen(t, s)
		p.complete(t, s)
		if st := s.Status(); st.Epoch != epoch || !slices.Equal(st.Epochs, []uint32{epoch}) {
			t.Errorf("epoch %d with roots %v, want only %d", st.Epoch, st.Epochs, epoch)
		}
	}
}

// No wrapped key of one epoch is in the journal of the next.
func TestRotateWrapsEverythingAnew(t *testing.T) {
	p := populate(t, newStore(t), 3, 2)
	wrapped := func() (out []string) {
		out = append(out, string(p.tree.check))
		for _, a := range p.tree.accounts {
			out = append(out, string(a.key), string(a.index))
			for _, s := range a.subjects {
				out = append(out, string(s.key), string(s.token))
			}
		}
		for _, r := range p.tree.recordings {
			out = append(out, string(r.key))
		}
		for _, m := range []map[string][]byte{p.tree.secrets, p.tree.signers} {
			for w := range maps.Values(m) {
				out = append(out, string(w))
			}
		}
		return out
	}
	before := wrapped()
	if err := p.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	if len(before) != 1+2+3*2+6+2 || len(wrapped()) != len(before) {
		t.Fatalf("%d wrapped keys, then %d", len(before), len(wrapped()))
	}
	for _, w := range before {
		if holds(t, p.path(journalName), w) {
			t.Error("a wrapped key of the old epoch is in the journal")
		}
	}
}

// TestBackupDiesWithTheEpoch is obligation O-15: somebody has the journal of
// before an erasure, without the list of the erased, and all that exists after
// the rotation: the new roots, the present journal and every key in it.
func TestBackupDiesWithTheEpoch(t *testing.T) {
	p := populate(t, newStore(t), 2, 2)
	s := p.Store
	first := p.deposits[0] // erased alone; its subject lives on
	subject := s.tree.recordings[first.ref].subject
	backup, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	restore := func() (*Store, error) {
		if err := errors.Join(os.RemoveAll(old), os.MkdirAll(old, 0o700), os.WriteFile(filepath.Join(old, journalName), backup, 0o600)); err != nil {
			t.Fatal(err)
		}
		return Open(Config{Dir: old, Region: region, Roots: s.config.Roots}, Options{ReadOnly: true})
	}
	if err := s.EraseRecording(first.ref); err != nil {
		t.Fatal(err)
	}
	if r, err := restore(); err != nil {
		t.Fatal(err)
	} else {
		first.expect(t, r, nil) // before the rotation it does: the test sees something
	}
	if err := s.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	if r, err := restore(); !errors.Is(err, ErrWrongRoot) || r != nil {
		t.Errorf("the backup opens: %v", err)
	}
	// By hand, with every key of today.
	held, err := parseJournal(backup, journalMagic)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := loadErased(nil)
	if err != nil {
		t.Fatal(err)
	}
	oldTree, _, err := load(held.rows, gone)
	if err != nil {
		t.Fatal(err)
	}
	rec := oldTree.recordings[first.ref]
	accountKey, subjectKey, err := s.subjectKeys("demo", subject)
	if err != nil {
		t.Fatal(err)
	}
	wrap, err := recordingWrapKey(accountKey, subjectKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{wrap, subjectKey, accountKey} {
		for _, bindings := range []*tree{oldTree, s.tree} {
			if _, err := seal.OpenBox(key, bindings.recordingBinding(first.ref, rec), rec.key); !errors.Is(err, seal.ErrBox) {
				t.Errorf("an erased key of the old epoch opens with one of today: %v", err)
			}
		}
	}
	// And the token of the number in the old journal cannot be matched.
	tok := tokenOf(s.tree.accounts["demo"].open.index, "+4791000000")
	if bytes.Contains(backup, tok[:]) {
		t.Error("the look-up token stands in the backup as it is")
	}
}

// crashing is a provider that the process dies in: it fails from the n-th call.
type crashing struct {
	Provider
	calls, from int
}

var errCrash = errors.New("crash")

func (c *crashing) call() error {
	if c.calls++; c.from > 0 && c.calls >= c.from {
		return errCrash
	}
	return nil
}

func (c *crashing) NewEpoch() (uint32, error) {
	if err := c.call(); err != nil {
		return 0, err
	}
	return c.Provider.NewEpoch()
}

func (c *crashing) Wrap(epoch uint32, aad, key []byte) ([]byte, error) {
	if err := c.call(); err != nil {
		return nil, err
	}
	return c.Provider.Wrap(epoch, aad, key)
}

func (c *crashing) Unwrap(epoch uint32, aad, wrapped []byte) ([]byte, error) {
	if err := c.call(); err != nil {
		return nil, err
	}
	return c.Provider.Unwrap(epoch, aad, wrapped)
}

func (c *crashing) DestroyEpoch(epoch uint32) error {
	if err := c.call(); err != nil {
		return err
	}
	return c.Provider.DestroyEpoch(epoch)
}

// A rotation that dies at any of its calls to the provider loses nothing: not
// while the process lives on, and not after a restart, which then goes on to
// rotate as if nothing had been.
func TestRotateDiesAnywhere(t *testing.T) {
	finished := false
	for from := 1; !finished; from++ {
		dir := t.TempDir()
		provider := &crashing{Provider: filekeys.Open(filepath.Join(dir, "root"))}
		s, err := Open(Config{Dir: dir, Region: region}, Options{Provider: provider})
		if err != nil {
			t.Fatal(err)
		}
		p := populate(t, s, 2, 2)
		provider.calls, provider.from = 0, from
		err = s.Rotate(time.Now())
		finished = err == nil
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("call %d: %v", from, err)
		}
		provider.from = 0
		p.complete(t, s)
		s = reopen(t, s)
		p.complete(t, s)
		if err := s.Rotate(time.Now()); err != nil {
			t.Fatalf("call %d: rotating again: %v", from, err)
		}
		p.complete(t, s)
		if st := s.Status(); !slices.Equal(st.Epochs, []uint32{st.Epoch}) {
			t.Errorf("call %d: roots %v in epoch %d", from, st.Epochs, st.Epoch)
		}
		if from > 100 {
			t.Fatal("the rotation never finishes")
		}
	}
}

// The crash is between the new journal and the end of the old root: the next
// start destroys it.
func TestStartFinishesRotation(t *testing.T) {
	p := populate(t, newStore(t), 1, 1)
	root := filepath.Join(p.config.Roots, "epoch-1.key")
	kept, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := os.WriteFile(root, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, p.config.Dir)
	p.complete(t, s)
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old root is still there: %v", err)
	}
}

func TestRotateWithoutRoom(t *testing.T) {
	p := populate(t, newStore(t), 1, 2)
	block := p.path(journalName) + tempSuffix
	if err := os.Mkdir(block, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.Rotate(time.Now()); err == nil {
		t.Error("rotated without a journal")
	}
	p.complete(t, p.Store)
	if st := p.Status(); st.Epoch != 1 || !slices.Equal(st.Epochs, []uint32{1}) {
		t.Errorf("epoch %d, roots %v", st.Epoch, st.Epochs)
	}
	os.RemoveAll(block)
	if err := p.Rotate(time.Now()); err != nil {
		t.Error(err)
	}
	p.complete(t, p.Store)
}

func TestRotateManyInReasonableTime(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	// Rows straight into the tree: 10,000 syncs say nothing of rotation.
	s.mu.Lock()
	wrap, err := s.recordingWrapKey("demo", sub)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]byte{}
	for i := range 10_000 {
		ref, key := fmt.Sprintf("key_%d", i), newKey()
		rec := recording{account: "demo", subject: sub, recording: fmt.Sprintf("rec_%d", i)}
		if rec.key, err = seal.Box(wrap, s.tree.recordingBinding(ref, rec), key); err != nil {
			t.Fatal(err)
		}
		s.tree.recordings[ref], kept[ref] = rec, key
	}
	s.mu.Unlock()
	start := time.Now()
	if err := s.Rotate(start); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("10,000 recordings rotated in %v", took)
	if took > 10*time.Second {
		t.Errorf("10,000 recordings took %v", took)
	}
	s = reopen(t, s)
	for ref, key := range kept {
		deposit{ref, key}.expect(t, s, nil)
	}
}
