// Package directory keeps the routing table in a NATS key-value bucket: accounts
// under agencies, trunks, numbers, flows and whatever else a [routing.Spec] has.
// Every node that shares the bucket has the same table a moment after a change.
//
// A commit is one head that names its pages by what is in them, as a commit of
// git names its tree. Pages are written first and never changed; then the head
// is swapped if it is still the one the change was made for. So a commit takes
// effect whole or not at all, on any broker, whatever its size, and of two
// writers one is told that he lost. A reader that has a head and its pages has
// the table; one that misses a page, or finds it damaged, invalid or not ours,
// keeps the last good table and says so.
//
// It decides nothing about calls and knows no rule of a table: routing checks
// every change before it is written and again where it is read. It keeps the
// last good table sealed on the disk, so that a node starts without a broker.
package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"ringdown/routing"
)

// Deps is what the directory needs of others.
type Deps struct {
	JetStream jetstream.JetStream
	Key       []byte // the directory key
	Node      string // id of this node, written into its commits
	// Base is what stands in the node's own file and belongs to every table.
	Base routing.Spec
	// Reveal reads what a reference to a secret stands for, on this node.
	Reveal func(reference string) (secret, msg string)
	// Swap is told of every table that takes effect, in order, from one goroutine
	// at a time; it must not wait. The first is told when it is there.
	Swap func(next *routing.Table, c Told)
	// Trouble is told when the newest commit cannot be used, with a word of
	// [Status.Fault]; it must not wait. nil: nobody.
	Trouble func(kind, text string)
	// Sync makes durable what the broker has taken, where it does not itself; nil: it does.
	Sync func() error
	Log  *slog.Logger
}

// Told says of a table where it came from.
type Told struct {
	Commit   uint64
	Previous uint64 // commit before; 0: none
	Table    string // versions
	Before   string
	Source   string // SourceDisk, SourceNATS
	Node     string // that wrote the commit
	By       string
	Changed  Changes
}

// Where the table in use was last seen.
const (
	SourceDisk = "disk" // the broker has not been reached since the start
	SourceNATS = "nats"
)

// Directory is one node's view of the table and its way to change it. Its
// methods may be called from any goroutine.
type Directory struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	schema *schema
	ring   *keyring
	bucket bucket
	disk   *disk

	mu    sync.Mutex // one change of the state at a time, ours or another node's
	now   atomic.Pointer[state]
	first chan struct{} // closed when there is a table
	once  sync.Once
	dirty chan struct{} // the disk is behind
	sweep chan struct{} // pages have been dropped
	// dropped are the pages of late that the table no longer has; of mu.
	dropped []map[string]bool

	look   time.Duration // lookEvery; less in tests
	fault  atomic.Pointer[trouble]
	saved  atomic.Uint64 // commit on the disk
	counts counts
}

// state is what holds now.
type state struct {
	snapshot
	table  *routing.Table
	seq    uint64 // of the head in the bucket
	bucket string // id of the bucket it was seen in; empty: only on the disk
	source string
}

// trouble is why the newest head is not in use.
type trouble struct {
	since  time.Time
	bucket string // id of the one that the head is in
	seq    uint64
	kind   string // one of the words of [Status.Fault]
	text   string
}

type counts struct {
	applied, committed, conflicts, refused, saves, saveFaults atomic.Uint64
}

// Open reads the last good table from the disk, if there is one. It does not
// need the broker. A table on the disk that does not read is an error: it is
// said, not passed over, because the broker may be gone at that very moment;
// whoever removes the folder has the node start from the broker alone.
func Open(cfg Config, deps Deps) (*Directory, error) {
	cfg.Defaults()
	d, err := open(cfg, deps)
	if err != nil {
		return nil, err
	}
	d.bucket = &store{js: deps.JetStream, bucket: cfg.Bucket, timeout: cfg.Timeout, replicas: cfg.Replicas, maxBytes: cfg.MaxBytes}
	return d, nil
}

func open(cfg Config, deps Deps) (*Directory, error) {
	d := &Directory{cfg: cfg, deps: deps, log: deps.Log, look: lookEvery, first: make(chan struct{}), dirty: make(chan struct{}, 1), sweep: make(chan struct{}, 1)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if d.schema, err = newSchema(); err != nil {
		return nil, err
	}
	d.schema.reveal = deps.Reveal
	if d.ring, err = newKeyring(deps.Key); err != nil {
		return nil, err
	}
	if d.disk, err = openDisk(cfg.Dir, d.ring); err != nil {
		return nil, err
	}
	kept, err := d.disk.load()
	if err != nil {
		return nil, unreadable(cfg.Dir, err)
	}
	if kept == nil {
		return d, nil
	}
	return d, d.resume(kept)
}

func unreadable(dir string, err error) error {
	return fmt.Errorf("directory: the table in %s cannot be read; remove the folder to start from the broker alone: %w", dir, err)
}

// resume takes up the table of the disk.
func (d *Directory) resume(kept *kept) error {
	table, faults, err := d.whole(&kept.snapshot)
	if err != nil {
		return unreadable(d.cfg.Dir, err)
	}
	if err := d.refusal(faults); err != nil {
		return fmt.Errorf("directory: the table in %s is not valid with this node's file; mend the file, or remove the folder to start from the broker alone: %w", d.cfg.Dir, err)
	}
	d.saved.Store(kept.head.Commit)
	d.take(&state{snapshot: kept.snapshot, table: table, seq: kept.seq, bucket: kept.bucket, source: SourceDisk})
	return nil
}

// refusal is faults as one error.
func (d *Directory) refusal(faults []routing.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	more := ""
	if len(faults) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(faults)-1)
	}
	return fmt.Errorf("%s: %s%s", faults[0].Path, faults[0].Msg, more)
}

// take puts a state into effect. mu is held, or nobody else is there yet.
func (d *Directory) take(next *state) {
	before := d.now.Swap(next)
	told := Told{Commit: next.head.Commit, Table: next.table.Version(), Source: next.source,
		Node: next.head.Node, By: next.head.By, Changed: next.head.Changed}
	if before != nil {
		told.Previous, told.Before = before.head.Commit, before.table.Version()
		d.drop(&before.snapshot, &next.snapshot)
	}
	d.counts.applied.Add(1)
	if d.deps.Swap != nil {
		d.deps.Swap(next.table, told)
	}
	d.once.Do(func() { close(d.first) })
	if next.head.Commit != d.saved.Load() || next.source == SourceNATS {
		poke(d.dirty)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Table is the one in effect; nil before there is one.
func (d *Directory) Table() *routing.Table {
	if s := d.now.Load(); s != nil {
		return s.table
	}
	return nil
}

// Await waits for the first table, at most as long as the configuration says.
// Run must be running.
func (d *Directory) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.cfg.Wait, errors.New("there is no table on the disk, and none came from the broker"))
	defer cancel()
	select {
	case <-d.first:
		return nil
	case <-ctx.Done():
	}
	why := context.Cause(ctx)
	if t := d.fault.Load(); t != nil {
		return fmt.Errorf("directory: no table in %s: %w: %s", d.cfg.Wait, why, t.text)
	}
	return fmt.Errorf("directory: no table in %s: %w", d.cfg.Wait, why)
}
