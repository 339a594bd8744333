package outbox

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
)

// memDisk is a disk that can break and be cut off: bytes that were not synced,
// and names that were not, may be gone after a crash.
type memDisk struct {
	mu    sync.Mutex
	files map[string]*memFile
	ops   int
	// fault is asked before each operation that changes something; the bytes it
	// allows are done before the error is returned.
	fault func(op, name string, n int) (int, error)
	// after is called when an operation is done, or half done, with the lock held.
	after func(op, name string)
	room  int64 // bytes of the volume; 0: no limit
}

type memFile struct {
	d      *memDisk
	name   string
	data   []byte
	synced int
	named  bool
}

func newMemDisk() *memDisk { return &memDisk{files: make(map[string]*memFile)} }

func (d *memDisk) ask(op, name string, n int) (int, error) {
	d.ops++
	if d.fault == nil {
		return n, nil
	}
	return d.fault(op, name, n)
}

func (d *memDisk) did(op, name string) {
	if d.after != nil {
		d.after(op, name)
	}
}

func (d *memDisk) used() (n int64) {
	for _, f := range d.files {
		n += int64(len(f.data))
	}
	return n
}

func (d *memDisk) list() (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.files {
		names = append(names, name)
	}
	return names, nil
}

func (d *memDisk) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("create", name, 0); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, fs.ErrExist
	}
	f := &memFile{d: d, name: name}
	d.files[name] = f
	d.did("create", name)
	return f, nil
}

func (d *memDisk) open(name string) (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return &memReader{f: f}, nil
}

// memReader sees what is appended after it was opened, as a file's does.
type memReader struct {
	f   *memFile
	off int
}

func (r *memReader) Read(b []byte) (int, error) {
	r.f.d.mu.Lock()
	defer r.f.d.mu.Unlock()
	if r.off >= len(r.f.data) {
		return 0, io.EOF
	}
	n := copy(b, r.f.data[r.off:])
	r.off += n
	return n, nil
}

func (r *memReader) Close() error { return nil }

func (d *memDisk) size(name string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return 0, fs.ErrNotExist
	}
	return int64(len(f.data)), nil
}

func (d *memDisk) truncate(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	f.data = f.data[:size]
	f.synced = min(f.synced, int(size))
	return nil
}

func (d *memDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("remove", name, 0); err != nil {
		return err
	}
	delete(d.files, name)
	d.did("remove", name)
	return nil
}

func (d *memDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[from]
	delete(d.files, from)
	f.name = to
	d.files[to] = f
	return nil
}

func (d *memDisk) replace(name string, b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("replace", name, len(b)); err != nil {
		return err
	}
	d.files[name] = &memFile{d: d, name: name, data: bytes.Clone(b), synced: len(b), named: true}
	d.did("replace", name)
	return nil
}

func (d *memDisk) reserve(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	have := int64(0)
	if f := d.files[reserveName]; f != nil {
		have = int64(len(f.data))
	}
	if d.room > 0 && d.used()-have+size > d.room {
		return errNoSpace
	}
	d.files[reserveName] = &memFile{d: d, name: reserveName, data: make([]byte, size), synced: int(size), named: true}
	return nil
}

func (d *memDisk) close() error { return nil }

func (f *memFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	n, err := f.d.ask("write", f.name, len(b))
	if free := f.d.room - f.d.used(); f.d.room > 0 && err == nil && int64(n) > free {
		n, err = int(max(0, free)), errNoSpace
	}
	f.data = append(f.data, b[:n]...)
	f.d.did("write", f.name)
	return n, err
}

func (f *memFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if _, err := f.d.ask("sync", f.name, 0); err != nil {
		return err
	}
	f.synced, f.named = len(f.data), true
	f.d.did("sync", f.name)
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if _, err := f.d.ask("truncate", f.name, 0); err != nil {
		return err
	}
	f.data = f.data[:size]
	f.synced = min(f.synced, int(size))
	return nil
}

func (f *memFile) Close() error { return nil }

// crash returns what a power cut leaves of d, which is locked: of each file
// what was synced and, as pick(n) in 0..n says, some of what was not.
func (d *memDisk) crash(pick func(n int) int) *memDisk {
	c := newMemDisk()
	var names []string
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := d.files[name]
		if !f.named && pick(1) == 0 {
			continue
		}
		n := f.synced + pick(len(f.data)-f.synced)
		c.files[name] = &memFile{d: c, name: name, data: bytes.Clone(f.data[:n]), synced: n, named: true}
	}
	return c
}

// segment returns the name of the i-th segment, from the end when below zero.
func (d *memDisk) segment(i int) string {
	names, _ := d.list()
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") })
	slices.Sort(names)
	if i < 0 {
		i += len(names)
	}
	return names[i]
}

func TestFolder(t *testing.T) {
	dir := t.TempDir() + "/outbox"
	d, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(dir); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("taken twice: %v", err)
	}
	f, err := d.create("a.log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.create("a.log"); err == nil {
		t.Error("created twice")
	}
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(4); err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("!"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.truncate("a.log", 4); err != nil {
		t.Fatal(err)
	}
	if err := d.rename("a.log", "b.log"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"one", "another"} {
		if err := d.replace("cursor", []byte(c)); err != nil {
			t.Fatal(err)
		}
		r, err := d.open("cursor")
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(r); string(b) != c {
			t.Errorf("cursor %q", b)
		}
		r.Close()
	}
	for _, n := range []int64{1 << 16, 1 << 17, 1 << 17, 0, 1 << 16} {
		if err := d.reserve(n); err != nil {
			t.Fatal(err)
		}
		if got, err := d.size(reserveName); got != n || err != nil {
			t.Errorf("reserve %d, %v; want %d", got, err, n)
		}
	}
	names, err := d.list()
	slices.Sort(names)
	if err != nil || strings.Join(names, " ") != "b.log cursor lock reserve" {
		t.Errorf("%v, %v", names, err)
	}
	if n, err := d.size("b.log"); n != 4 || err != nil {
		t.Errorf("size %d, %v", n, err)
	}
	if err := d.remove("b.log"); err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	again, err := openFolder(dir)
	if err != nil {
		t.Fatalf("not given back: %v", err)
	}
	again.close()
}
