package directory

import (
	"context"
	"errors"
	"maps"
	"os"
	"strconv"
	"sync"
	"testing"

	"ringdown/routing"
)

// memory is a bucket in memory, shared by as many nodes as are given it.
type memory struct {
	mu    sync.Mutex
	id    string
	seq   uint64
	log   []entry // heads
	pages map[string]memoryPage
	wake  chan struct{} // closed with each head
	// fault breaks an operation; with late it breaks after it was done.
	fault func(op string) (err error, late bool)
}

type memoryPage struct {
	value []byte
	seq   uint64
}

func newMemory() *memory {
	return &memory{id: "first", pages: map[string]memoryPage{}, wake: make(chan struct{})}
}

func (m *memory) broken(op string) (error, bool) {
	if m.fault == nil {
		return nil, false
	}
	return m.fault(op)
}

func (m *memory) ready(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err, _ := m.broken("ready")
	return m.id, err
}

func (m *memory) newest() entry {
	if len(m.log) == 0 {
		return entry{}
	}
	return m.log[len(m.log)-1]
}

func (m *memory) head(context.Context) (entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err, _ := m.broken("head")
	return m.newest(), err
}

func (m *memory) swap(_ context.Context, value []byte, expect uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err, late := m.broken("swap")
	if err != nil && !late {
		return 0, err
	}
	if m.newest().seq != expect {
		return 0, errMoved
	}
	m.write(value)
	return m.seq, err
}

// write is what anybody may do to the head.
func (m *memory) write(value []byte) {
	m.seq++
	m.log = append(m.log, entry{m.seq, value})
	close(m.wake)
	m.wake = make(chan struct{})
}

func (m *memory) page(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err, _ := m.broken("page"); err != nil {
		return nil, err
	}
	p, ok := m.pages[name]
	if !ok {
		return nil, errNoPage
	}
	return p.value, nil
}

func (m *memory) put(_ context.Context, pages []page) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range pages {
		if err, _ := m.broken("put"); err != nil {
			return err
		}
		m.seq++
		m.pages[p.name] = memoryPage{p.value, m.seq}
	}
	return nil
}

func (m *memory) watch(ctx context.Context, since uint64, f func(entry)) error {
	for {
		m.mu.Lock()
		wake := m.wake
		var news []entry
		for _, e := range m.log {
			if e.seq > since {
				news, since = append(news, e), e.seq
			}
		}
		err, _ := m.broken("watch")
		m.mu.Unlock()
		if err != nil {
			return err
		}
		for _, e := range news {
			f(e)
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *memory) heads(_ context.Context, f func(entry)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.log {
		if e.value != nil {
			f(e)
		}
	}
	return nil
}

func (m *memory) sweep(_ context.Context, keep map[string]bool, before uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.pages, func(name string, p memoryPage) bool { return !keep[name] && p.seq < before })
	return nil
}

func (m *memory) do(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

var errCut = errors.New("cut")

var testKey = []byte("0123456789abcdef0123456789abcdef")

// heard is what a node was told.
type heard struct {
	mu      sync.Mutex
	told    []Told
	trouble []string
}

func (h *heard) swap(_ *routing.Table, t Told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, t)
}

func (h *heard) fault(kind, _ string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = append(h.trouble, kind)
}

func (h *heard) troubles() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.trouble...)
}

// trunks is what the nodes' own files have.
func trunks() routing.Spec {
	return routing.Spec{Trunks: []routing.Trunk{{ID: "carrier", Sources: []string{"192.0.2.0/24"}}}}
}

// newNode opens a directory over a bucket. It does not run.
func newNode(t testing.TB, b bucket, dir string, mend ...func(*Deps)) (*Directory, *heard) {
	t.Helper()
	h := &heard{}
	deps := Deps{Key: testKey, Node: "edge-1", Base: trunks(), Swap: h.swap, Trouble: h.fault}
	for _, f := range mend {
		f(&deps)
	}
	cfg := Config{Dir: dir}
	cfg.Defaults()
	d, err := open(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	d.bucket = b
	return d, h
}

// number is one of many.
func number(n int) routing.TrackingNumber {
	return routing.TrackingNumber{Number: "+4721" + strconv.Itoa(100000+n), Account: "demo", Flow: "sales"}
}

// someSpec is an account, a flow and n numbers.
func someSpec(n int) routing.Spec {
	s := routing.Spec{
		Accounts: []routing.Account{{ID: "demo", Agency: "demo-agency"}},
		Flows:    map[string]routing.Flow{"sales": {{Dial: &routing.Dial{Targets: []routing.Destination{{URI: "sip:agent@192.0.2.7"}}}}}},
	}
	for i := range n {
		s.Numbers = append(s.Numbers, number(i))
	}
	return s
}

func commit(t testing.TB, d *Directory, c Change) Result {
	t.Helper()
	r, err := d.Commit(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// look has a node take up what the bucket has now.
func look(t testing.TB, d *Directory) {
	t.Helper()
	id, err := d.bucket.ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.bucket.head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.see(t.Context(), id, e)
}

func mkdir() (string, error) { return os.MkdirTemp("", "directory-*") }

func rmdir(dir string) { os.RemoveAll(dir) }
