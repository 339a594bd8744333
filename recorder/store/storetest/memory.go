package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Errors of the failing disk. ErrDead is what everything gets after a crash.
var ErrDead = errors.New("the process is dead")

// Memory is a store in memory. Its zero value is empty and works.
type Memory struct {
	mu    sync.Mutex
	files map[string]*disk // with their endings
	steps int              // changes made so far
	dead  bool

	// Fault, when set, is asked before each change: op is "create", "write",
	// "sync", "finish", "manifest", "resume" or "remove". It may wait, and its
	// error is the operation's; a write that fails takes half of its bytes.
	// It must be set before the store is used.
	Fault func(op, name string) error
}

type disk struct {
	data   []byte
	synced int
}

// DieAt makes the n-th change from the beginning the last, and torn, one: from
// then on nothing changes any more, as after a kill.
func (m *Memory) DieAt(n int) {
	before := m.Fault
	m.Fault = func(op, name string) error {
		m.mu.Lock()
		m.steps++
		dead := m.steps >= n
		m.mu.Unlock()
		if dead {
			return ErrDead
		}
		if before != nil {
			return before(op, name)
		}
		return nil
	}
}

// Steps is how many changes were asked for since DieAt.
func (m *Memory) Steps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

// Restart returns the disk as the next process finds it: all that was written,
// or after a power cut only what was synced, with zeros where the rest of each
// file was to be.
func (m *Memory) Restart(powerCut bool) *Memory {
	return m.RestartTorn(func() bool { return !powerCut })
}

// RestartTorn is Restart after a power cut that kept some of what was not
// synced: keep is asked for each 512 bytes. The length of a file is always kept.
func (m *Memory) RestartTorn(keep func() bool) *Memory {
	const sector = 512
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	next := &Memory{files: map[string]*disk{}}
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		d := m.files[name]
		data := bytes.Clone(d.data)
		for part := range slices.Chunk(data[d.synced:], sector) {
			if !keep() {
				clear(part)
			}
		}
		next.files[name] = &disk{data: data, synced: len(data)}
	}
	return next
}

// Bytes is the content of a file, ending included, for a test to look at or damage.
func (m *Memory) Bytes(file string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.files[file]; d != nil {
		return d.data
	}
	return nil
}

// Put replaces a file, ending included.
func (m *Memory) Put(file string, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string]*disk{}
	}
	m.files[file] = &disk{data: b, synced: len(b)}
}

// Files lists all, with their endings.
func (m *Memory) Files() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files))
}

// change runs f under the lock unless the disk refuses.
func (m *Memory) change(op, name string, f func(refused error) error) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("name %q is not valid", name)
	}
	var refused error
	if m.Fault != nil {
		refused = m.Fault(op, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrDead
	}
	if m.files == nil {
		m.files = map[string]*disk{}
	}
	if refused != nil && op != "write" {
		return refused
	}
	return f(refused)
}

func (m *Memory) Create(name string) (File, error) {
	d := &disk{}
	err := m.change("create", name, func(error) error {
		if m.files[name+".part"] != nil || m.files[name+".ctr"] != nil {
			return fs.ErrExist
		}
		m.files[name+".part"] = d
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &memoryFile{m, name, d}, nil
}

func (m *Memory) Resume(name string, size int64) (File, error) {
	var d *disk
	err := m.change("resume", name, func(error) error {
		if d = m.files[name+".part"]; d == nil {
			return fs.ErrNotExist
		}
		d.data = d.data[:min(size, int64(len(d.data)))]
		d.synced = min(d.synced, len(d.data))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &memoryFile{m, name, d}, nil
}

func (m *Memory) Finish(name string) error {
	return m.change("finish", name, func(error) error {
		d := m.files[name+".part"]
		switch {
		case d == nil:
			return fs.ErrNotExist
		case m.files[name+".ctr"] != nil:
			return fs.ErrExist
		}
		delete(m.files, name+".part")
		m.files[name+".ctr"] = d
		return nil
	})
}

func (m *Memory) Remove(name string) error {
	return m.change("remove", name, func(error) error {
		if m.files[name+".part"] == nil {
			return fs.ErrNotExist
		}
		delete(m.files, name+".part")
		return nil
	})
}

func (m *Memory) PutManifest(name string, b []byte) error {
	return m.change("manifest", name, func(error) error {
		m.files[name+".json"] = &disk{data: bytes.Clone(b), synced: len(b)}
		return nil
	})
}

func (m *Memory) Manifest(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	d := m.files[name+".json"]
	if d == nil {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(d.data), nil
}

func (m *Memory) Open(name string) (Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	for _, ending := range []string{".ctr", ".part"} {
		if d := m.files[name+ending]; d != nil {
			return memoryReader{bytes.NewReader(bytes.Clone(d.data))}, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (m *Memory) Walk(folder string, visit func(name, ending string) error) error {
	if folder != "" && !fs.ValidPath(folder) {
		return fs.ErrInvalid
	}
	for _, file := range m.Files() {
		dot := strings.LastIndexByte(file, '.')
		if folder != "" && !strings.HasPrefix(file, folder+"/") {
			continue
		}
		if err := visit(file[:dot], file[dot:]); err != nil {
			if err == fs.SkipAll {
				return nil
			}
			return err
		}
	}
	return nil
}

func (m *Memory) Folders(folder string) ([]string, error) {
	if folder != "" {
		folder += "/"
	}
	seen := map[string]bool{}
	for _, file := range m.Files() {
		if rest, below := strings.CutPrefix(file, folder); below {
			if first, _, deeper := strings.Cut(rest, "/"); deeper {
				seen[first] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

type memoryFile struct {
	m    *Memory
	name string
	d    *disk
}

func (f *memoryFile) Write(b []byte) (n int, err error) {
	err = f.m.change("write", f.name, func(refused error) error {
		n = len(b)
		if refused != nil {
			n /= 2
		}
		f.d.data = append(f.d.data, b[:n]...)
		f.m.dead = f.m.dead || errors.Is(refused, ErrDead)
		return refused
	})
	return n, err
}

func (f *memoryFile) Sync() error {
	return f.m.change("sync", f.name, func(error) error {
		f.d.synced = len(f.d.data)
		return nil
	})
}

func (f *memoryFile) Close() error { return nil }

type memoryReader struct{ *bytes.Reader }

func (r memoryReader) Close() error { return nil }

var _ io.ReaderAt = memoryReader{}
