package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/privacy"
	"ringdown/privacy/keys/filekeys"
	"ringdown/privacy/seal"
)

const region = "eu"

var caller = privacy.E164("+4791827364")

// openIn opens a store in dir and closes it with the test.
func openIn(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Region: region}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// reopen closes a store and opens it again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openIn(t, s.config.Dir)
}

func newStore(t testing.TB) *Store { return openIn(t, filepath.Join(t.TempDir(), "keys")) }

func newSubject(t testing.TB, s *Store, account string, n privacy.Number) string {
	t.Helper()
	id, err := s.Subject(account, n)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

// deposit is a recording key as its user has it.
type deposit struct {
	ref string
	key []byte
}

func newDeposit(t testing.TB, s *Store, account, subject string) deposit {
	t.Helper()
	key, ref, err := s.NewRecordingKey(account, subject, "rec_1")
	if err != nil {
		t.Fatal(err)
	}
	return deposit{ref, key}
}

// expect checks that a ref gives its key, or the given error.
func (d deposit) expect(t tester, s *Store, want error) {
	t.Helper()
	key, err := s.RecordingKey(d.ref)
	switch {
	case want == nil && (err != nil || !bytes.Equal(key, d.key)):
		t.Errorf("key of %s: %v", d.ref, err)
	case want != nil && (!errors.Is(err, want) || key != nil):
		t.Errorf("key of %s: %v, want %v", d.ref, err, want)
	}
}

func TestSubjects(t *testing.T) {
	s := newStore(t)
	mine := newSubject(t, s, "demo", caller)
	if again := newSubject(t, s, "demo", privacy.E164("+4791827364")); again != mine {
		t.Errorf("the same caller is %s and %s", mine, again)
	}
	others := []string{
		mine,
		newSubject(t, s, "demo", privacy.E164("+4791827365")),
		newSubject(t, s, "other", caller),
		newSubject(t, s, "demo", privacy.Number{}),
		newSubject(t, s, "demo", privacy.Number{}),
	}
	if slices.Sort(others); len(slices.Compact(others)) != 5 {
		t.Errorf("different callers share an id: %v", others)
	}
	s = reopen(t, s)
	if again := newSubject(t, s, "demo", caller); again != mine {
		t.Errorf("after a restart the caller is %s, was %s", again, mine)
	}
	for _, account := range []string{"", strings.Repeat("a", 256)} {
		if _, err := s.Subject(account, caller); err == nil {
			t.Errorf("an account id of %d bytes", len(account))
		}
	}
}

func TestFields(t *testing.T) {
	s := newStore(t)
	a, b := newSubject(t, s, "demo", caller), newSubject(t, s, "demo", privacy.Number{})
	c := newSubject(t, s, "other", caller)
	sealed, err := s.SealField("demo", a, []byte("+4791827364"))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.StdEncoding.DecodeString(sealed); err != nil || bytes.Contains(raw, []byte("918273")) {
		t.Errorf("sealed field %q: %v", sealed, err)
	}
	s = reopen(t, s)
	if got, err := s.OpenField("demo", a, sealed); err != nil || string(got) != "+4791827364" {
		t.Errorf("comes back as %q, %v", got, err)
	}
	for _, c := range []struct {
		account, subject, sealed string
		want                     error
	}{
		{"demo", b, sealed, seal.ErrBox},
		{"other", c, sealed, seal.ErrBox},
		{"demo", a, sealed[:len(sealed)-4], seal.ErrBox},
		{"demo", a, "!", seal.ErrBox},
		{"demo", c, sealed, ErrUnknownKey},
		{"none", a, sealed, ErrUnknownKey},
	} {
		if got, err := s.OpenField(c.account, c.subject, c.sealed); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s, %s: %q, %v, want %v", c.account, c.subject, got, err, c.want)
		}
	}
	if _, err := s.SealField("demo", "sub_none", nil); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("sealed for nobody: %v", err)
	}
}

func TestRecordingKeys(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one, two := newDeposit(t, s, "demo", sub), newDeposit(t, s, "demo", sub)
	if one.ref == two.ref || bytes.Equal(one.key, two.key) || len(one.key) != seal.KeySize {
		t.Error("two recordings share something")
	}
	for range 2 {
		one.expect(t, s, nil)
		two.expect(t, s, nil)
		deposit{ref: "key_none"}.expect(t, s, ErrUnknownKey)
		deposit{ref: ""}.expect(t, s, ErrUnknownKey)
		s = reopen(t, s)
	}
	for _, c := range []struct{ account, subject string }{{"demo", "sub_none"}, {"none", sub}, {"demo", ""}} {
		if _, _, err := s.NewRecordingKey(c.account, c.subject, "rec_1"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, _, err := s.NewRecordingKey("demo", sub, ""); err == nil {
		t.Error("a recording without an id")
	}
}

func TestSecretsAndSigner(t *testing.T) {
	s := newStore(t)
	outbox, err := s.Secret("outbox")
	if err != nil || len(outbox) != 32 {
		t.Fatal(len(outbox), err)
	}
	if nats, err := s.Secret("nats"); err != nil || bytes.Equal(nats, outbox) {
		t.Errorf("two names, one secret: %v", err)
	}
	key, id, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if again, err := s.Secret("outbox"); err != nil || !bytes.Equal(again, outbox) {
		t.Errorf("the secret changes: %v", err)
	}
	if again, againID, err := s.Signer(); err != nil || !again.Equal(key) || againID != id {
		t.Errorf("the signer changes: %s, %s, %v", id, againID, err)
	}
	public, err := s.PublicKey(id)
	if err != nil || !ed25519.Verify(public, []byte("manifest"), ed25519.Sign(key, []byte("manifest"))) {
		t.Errorf("the public key does not verify: %v", err)
	}
	if _, err := s.PublicKey("sig_none"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("public key of nobody: %v", err)
	}
	if _, err := s.Secret(""); err == nil {
		t.Error("a secret without a name")
	}
}

// Nothing on the disk but the root is worth anything to a reader.
func TestNothingInTheClear(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one := newDeposit(t, s, "demo", sub)
	secret, err := s.Secret("outbox")
	if err != nil {
		t.Fatal(err)
	}
	signer, _, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	open := s.tree.accounts["demo"].open
	tok := tokenOf(open.index, caller.Reveal())
	if err := s.EraseRecording(newDeposit(t, s, "demo", sub).ref); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{journalName, erasedName, lockName} {
		b, err := os.ReadFile(s.path(file))
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string][]byte{
			"number": []byte("91827364"), "recording key": one.key, "secret": secret, "signer": signer.Seed(),
			"account key": open.key, "index key": open.index, "token": tok[:],
		} {
			if bytes.Contains(b, secret[:8]) {
				t.Errorf("%s: the %s is in the clear", file, what)
			}
		}
		if info, err := os.Stat(s.path(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestOneWriter(t *testing.T) {
	s := newStore(t)
	if _, err := Open(s.config, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	s.Close()
	if err := s.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	again := openIn(t, s.config.Dir)
	if _, err := again.Secret("x"); err != nil {
		t.Errorf("after the first has closed: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one := newDeposit(t, s, "demo", sub)
	_, id, err := s.Signer()
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, s.config.Dir)
	r, err := Open(s.config, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	one.expect(t, r, nil)
	if got := newSubject(t, r, "demo", caller); got != sub {
		t.Errorf("the caller is %s", got)
	}
	if _, err := r.PublicKey(id); err != nil {
		t.Error(err)
	}
	if _, got, err := r.Signer(); err != nil || got != id {
		t.Errorf("signer %s, %v", got, err)
	}
	for name, write := range map[string]func() error{
		"subject":   func() error { _, err := r.Subject("demo", privacy.Number{}); return err },
		"recording": func() error { _, _, err := r.NewRecordingKey("demo", sub, "rec_1"); return err },
		"erase":     func() error { return r.EraseRecording(one.ref) },
		"forget":    func() error { return r.EraseSubject("demo", sub) },
		"rotate":    func() error { return r.Rotate(time.Now()) },
	} {
		if err := write(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Secret("new"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a new secret: %v", err)
	}
	if !r.Status().ReadOnly {
		t.Error("the status does not tell")
	}
	if after := snapshot(t, s.config.Dir); after != before {
		t.Error("reading changed a file")
	}
	if _, err := Open(Config{Dir: t.TempDir()}, Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing to read: %v", err)
	}
}

// snapshot is a folder with all its files in one string.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %q\n", path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestClosed(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	one := newDeposit(t, s, "demo", sub)
	s.Close()
	for name, call := range map[string]func() error{
		"subject":    func() error { _, err := s.Subject("demo", caller); return err },
		"field":      func() error { _, err := s.SealField("demo", sub, nil); return err },
		"recording":  func() error { _, _, err := s.NewRecordingKey("demo", sub, "rec_1"); return err },
		"key":        func() error { _, err := s.RecordingKey(one.ref); return err },
		"secret":     func() error { _, err := s.Secret("x"); return err },
		"signer":     func() error { _, _, err := s.Signer(); return err },
		"public key": func() error { _, err := s.PublicKey("x"); return err },
		"erase":      func() error { return s.EraseRecording(one.ref) },
		"forget":     func() error { return s.EraseSubject("demo", sub) },
		"rotate":     func() error { return s.Rotate(time.Now()) },
	} {
		if err := call(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An account key stays in memory for a while and is then asked for again.
func TestAccountKeyIsCachedForAWhile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		count := &counting{Provider: filekeys.Open(filepath.Join(dir, "root"))}
		s, err := Open(Config{Dir: dir, Region: region}, Options{Provider: count})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		one := newDeposit(t, s, "demo", newSubject(t, s, "demo", caller))
		before := count.unwraps
		for range 100 {
			one.expect(t, s, nil)
		}
		if count.unwraps != before {
			t.Errorf("%d times to the provider within a moment", count.unwraps-before)
		}
		<-time.After(cacheFor)
		one.expect(t, s, nil)
		one.expect(t, s, nil)
		if newSubject(t, s, "demo", caller) != s.tree.recordings[one.ref].subject {
			t.Error("the caller is not known any more")
		}
		if count.unwraps != before+1 {
			t.Errorf("%d times to the provider after the key was old, want 1", count.unwraps-before)
		}
	})
}

type counting struct {
	Provider
	unwraps int
}

func (c *counting) Unwrap(epoch uint32, aad, wrapped []byte) ([]byte, error) {
	c.unwraps++
	return c.Provider.Unwrap(epoch, aad, wrapped)
}

func TestStatus(t *testing.T) {
	s := newStore(t)
	sub := newSubject(t, s, "demo", caller)
	newSubject(t, s, "demo", privacy.Number{})
	newSubject(t, s, "other", caller)
	newDeposit(t, s, "demo", sub)
	if err := s.EraseRecording(newDeposit(t, s, "demo", sub).ref); err != nil {
		t.Fatal(err)
	}
	since := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	if err := s.Rotate(since); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	st := s.Status()
	info, err := os.Stat(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	if st.Provider != "file" || st.Region != region || st.Epoch != 2 || !st.Since.Equal(since) || !slices.Equal(st.Epochs, []uint32{2}) ||
		st.Accounts != 2 || st.Subjects != 3 || st.Recordings != 1 || st.Erased != 1 || st.Bytes != info.Size() || st.Torn != 0 || st.Fault != "" {
		t.Errorf("%+v", st)
	}
}

func TestConfig(t *testing.T) {
	var c Config
	c.Dir = "keys"
	c.Defaults()
	if c.Provider != "file" || c.Roots != filepath.Join("keys", "root") {
		t.Errorf("defaults: %+v", c)
	}
	c.Validate(func(path, msg string) { t.Errorf("the defaults are at fault: %s: %s", path, msg) })
	c.Provider = "vault"
	var faults []string
	c.Validate(func(path, msg string) { faults = append(faults, path) })
	if !slices.Equal(faults, []string{"provider"}) {
		t.Errorf("faults: %v", faults)
	}
	if _, err := Open(c, Options{}); err == nil || !strings.Contains(err.Error(), "unknown provider") {
		t.Errorf("opened: %v", err)
	}
	if _, err := Open(Config{}, Options{}); err == nil {
		t.Error("opened nowhere")
	}
}

// What the store logs and says never holds a number or a key.
func TestQuiet(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir, Region: region}, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	one := newDeposit(t, s, "demo", newSubject(t, s, "demo", caller))
	if err := s.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, closed := s.Subject("demo", caller)
	said := log.String() + closed.Error()
	if !strings.Contains(said, "rotated") {
		t.Errorf("nothing said of the rotation: %s", said)
	}
	for _, secret := range []string{"91827364", string(one.key), fmt.Sprintf("%x", one.key)} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in %q", secret, said)
		}
	}
}
