package filekeys_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringdown/privacy/keys"
	"ringdown/privacy/keys/filekeys"
	"ringdown/privacy/keys/keystest"
	"ringdown/privacy/seal"
)

func TestProvider(t *testing.T) {
	keystest.Provider(t, func(t *testing.T) (keys.Provider, func() keys.Provider) {
		dir := filepath.Join(t.TempDir(), "not", "there", "yet")
		return filekeys.Open(dir), func() keys.Provider { return filekeys.Open(dir) }
	})
}

// ring makes a folder with one root and returns its path.
func ring(t *testing.T) (*filekeys.Ring, string) {
	t.Helper()
	dir := t.TempDir()
	r := filekeys.Open(dir)
	if e, err := r.NewEpoch(); err != nil || e != 1 {
		t.Fatal(e, err)
	}
	return r, filepath.Join(dir, "epoch-1.key")
}

func TestOnlyTheOwnerReads(t *testing.T) {
	r, path := ring(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wrap(1, nil, []byte("key")); err == nil || !strings.Contains(err.Error(), path+": mode 0640 lets others in") {
		t.Errorf("a file the group can read: %v", err)
	}
}

func TestDamagedFile(t *testing.T) {
	r, path := ring(t)
	wrapped, err := r.Wrap(1, nil, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Fields(string(good))[4]
	try := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := r.Unwrap(1, nil, wrapped)
		if !errors.Is(err, seal.ErrBox) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(err.Error(), secret[:16]) {
			t.Errorf("%s: the key is in the error", name)
		}
	}
	for n := range good {
		try("cut", good[:n])
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		try("changed", bad)
	}
	try("too long", append(bytes.Clone(good), '\n'))
	try("another key", []byte(strings.Replace(string(good), secret, hex.EncodeToString(make([]byte, 32)), 1)))
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Unwrap(1, nil, wrapped); err != nil || string(got) != "key" {
		t.Errorf("put back: %q, %v", got, err)
	}
}

// The bytes of a destroyed root are written over before the name goes.
func TestDestroyOverwrites(t *testing.T) {
	r, path := ring(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "second name of the same file")
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	if err := r.DestroyEpoch(1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	left, err := os.ReadFile(link)
	if err != nil || len(left) != len(good) {
		t.Fatal(err, len(left))
	}
	for i := 0; i+8 <= len(good); i++ {
		if bytes.Contains(left, good[i:i+8]) {
			t.Fatal("the key is still in the file")
		}
	}
}

func TestStrangersInTheFolder(t *testing.T) {
	r, path := ring(t)
	for _, name := range []string{"epoch-.key", "epoch-x.key", "epoch-99999999999.key", "epoch-7.key.bak", "README"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if have, where, err := r.Status(); err != nil || len(have) != 1 || have[0] != 1 || where != filepath.Dir(path) {
		t.Errorf("%v, %q, %v", have, where, err)
	}
	// A root that was half written when the power went is counted, not reused.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "epoch-5.key"), []byte("ring"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := r.NewEpoch(); err != nil || e != 6 {
		t.Errorf("next epoch %d, %v", e, err)
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := filekeys.Open(filepath.Join(file, "root"))
	if _, err := r.NewEpoch(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a folder below a file: %v", err)
	}
}
