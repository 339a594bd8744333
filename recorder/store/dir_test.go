package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringdown/recorder/store/storetest"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "data", "recordings")
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, root
}

func TestDirPassesTheSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		d, _ := open(t)
		return d
	})
}

// Nobody but us may read or list what is there.
func TestPermissions(t *testing.T) {
	d, root := open(t)
	const name = "demo/2026/01/31/rec_1"
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.PutManifest(name, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", p, got, want)
		}
		n++
		return nil
	})
	if err != nil || n != 7 { // root, four folders, two files
		t.Errorf("%d entries, %v", n, err)
	}
}

// A link planted among the recordings leads nowhere.
func TestLinksDoNotLeadOutside(t *testing.T) {
	d, root := open(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "rec_1.ctr"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "demo")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open("demo/rec_1"); err == nil {
		t.Error("read through a link")
	}
	if _, err := d.Create("demo/rec_2"); err == nil {
		t.Error("written through a link")
	}
}

func TestOpenDirSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(file); err == nil || !strings.HasPrefix(err.Error(), "recordings directory: ") {
		t.Errorf("a file as directory: %v", err)
	}
	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	readonly := t.TempDir()
	if err := os.Chmod(readonly, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(readonly); err == nil {
		t.Error("a directory that cannot be written was accepted")
	}
}

// A manifest that could not be written leaves nothing behind.
func TestManifestInAMissingFolder(t *testing.T) {
	d, root := open(t)
	if err := d.PutManifest("nobody/rec_1", []byte("{}")); err == nil {
		t.Error("accepted")
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestForeignFilesAreNotVisited(t *testing.T) {
	d, root := open(t)
	if err := os.WriteFile(filepath.Join(root, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := d.Walk("", func(name, ending string) error {
		t.Errorf("visited %s%s", name, ending)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkWriteAndSync(b *testing.B) {
	d, err := OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	f, err := d.Create("a/rec")
	if err != nil {
		b.Fatal(err)
	}
	segment := bytes.Repeat([]byte{1}, 4096)
	for b.Loop() {
		if _, err := f.Write(segment); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// Reading leaves no trace, and a directory that is not there is not made.
func TestOpenDirToReadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if _, err := OpenDirToRead(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirToRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	after, err := os.Stat(dir)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the directory was touched: %v", err)
	}
}
