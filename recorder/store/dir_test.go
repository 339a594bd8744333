package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// Many calls begin and end in the same moment, in folders that are not there yet.
func TestManyAtOnce(t *testing.T) {
	d, _ := open(t)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			name := fmt.Sprintf("account%d/2026/01/%02d/rec_%d", i%3, i%5, i)
			f, err := d.Create(name)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = f.Write([]byte(name))
			for _, err := range []error{err, f.Sync(), f.Close(), d.PutManifest(name, []byte("{}")), d.Finish(name)} {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	all.Wait()
	whole := 0
	err := d.Walk("", func(name, ending string) error {
		if ending == Whole {
			whole++
			r, err := d.Open(name)
			if err != nil {
				return err
			}
			got := make([]byte, r.Size())
			if _, err := r.ReadAt(got, 0); string(got) != name {
				t.Errorf("%s holds %q, %v", name, got, err)
			}
			return r.Close()
		}
		if ending == Part {
			t.Errorf("%s is not finished", name)
		}
		return nil
	})
	if err != nil || whole != 40 {
		t.Errorf("%d whole, %v", whole, err)
	}
}

// A file that was closed says so and does not pretend to be on the disk.
func TestAfterClose(t *testing.T) {
	d, _ := open(t)
	f, err := d.Create("a/rec_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err == nil {
		t.Error("sync: no error")
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

// Somebody put a file where a folder has to be.
func TestFileInTheWay(t *testing.T) {
	d, root := open(t)
	if err := os.WriteFile(filepath.Join(root, "demo"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create("demo/2026/rec_1"); err == nil {
		t.Error("created below a file")
	}
	if _, err := d.Folders("demo"); err == nil {
		t.Error("a file has folders")
	}
}

// A manifest is replaced by renaming: a reader sees the old or the new one.
func TestManifestIsNeverHalf(t *testing.T) {
	d, root := open(t)
	const name = "a/rec_1"
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	long := bytes.Repeat([]byte("x"), 100_000)
	if err := d.PutManifest(name, long); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			if err := d.PutManifest(name, long); err != nil {
				t.Error(err)
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
			if b, err := d.Manifest(name); err != nil || len(b) != len(long) {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "a", "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestClosedDirectory(t *testing.T) {
	d, _ := open(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create("a/rec_1"); err == nil {
		t.Error("created in a closed directory")
	}
	if _, err := d.Open("a/rec_1"); err == nil {
		t.Error("opened in a closed directory")
	}
}
