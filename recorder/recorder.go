// Package recorder writes calls to encrypted files while they are spoken. It
// owns the way from the [media.Tap] to a signed file: a bounded queue that never
// holds up the relay, one goroutine a recording that seals and writes, the
// common sync of all files, parts when a disk fails, the manifest, and the
// finishing of what a crash left behind.
//
// It does not decode: what a side spoke is kept as it came, and recorder/render
// turns it into sound on reading. The seal is privacy/seal, the keys are those
// of privacy/keys, the records inside recorder/format, the disk recorder/store.
// It decides nothing about who may be recorded.
package recorder

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/recorder/format"
)

// Config is the recordings section of the configuration file.
type Config struct {
	Store        string        `yaml:"store"`         // dir
	Flush        time.Duration `yaml:"flush"`         // longest that audio waits to be sealed and written
	Sync         time.Duration `yaml:"sync"`          // how often everything written is forced to the disk
	CloseTimeout time.Duration `yaml:"close_timeout"` // longest that the end of a call waits for its file
}

// Defaults fills in what is empty.
func (c *Config) Defaults() {
	if c.Store == "" {
		c.Store = "dir"
	}
	if c.Flush == 0 {
		c.Flush = 250 * time.Millisecond
	}
	if c.Sync == 0 {
		c.Sync = time.Second
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = 10 * time.Second
	}
}

// Validate reports every fault, with its path in the section.
func (c Config) Validate(report func(path, msg string)) {
	if c.Store != "dir" {
		report("store", fmt.Sprintf("%q is not known; the only store is dir", c.Store))
	}
	for _, d := range []struct {
		path        string
		value       time.Duration
		least, most time.Duration
	}{
		{"flush", c.Flush, 20 * time.Millisecond, time.Second},
		{"sync", c.Sync, 100 * time.Millisecond, 10 * time.Second},
		{"close_timeout", c.CloseTimeout, time.Second, time.Minute},
	} {
		if d.value < d.least || d.value > d.most {
			report(d.path, fmt.Sprintf("%v is not between %v and %v", d.value, d.least, d.most))
		}
	}
}

// Keys is what the recorder needs of the key store.
type Keys interface {
	// NewRecordingKey makes a key for one part. It is durable when it returns;
	// the file holds nothing of it but ref.
	NewRecordingKey(account, subject, recording string) (dek []byte, ref string, err error)
	RecordingKey(ref string) (dek []byte, err error)
	// Signer is the node's key for manifests, PublicKey any node's.
	Signer() (key ed25519.PrivateKey, keyID string, err error)
	PublicKey(keyID string) (ed25519.PublicKey, error)
}

// Renderer turns the records of a recording into something to listen to:
// render.WAV. open may be called several times.
type Renderer func(ctx context.Context, w io.Writer, open func() (*format.Reader, error), channels string) error

// Deps is what the recorder is given. Publish and Renderers may be missing when
// it only reads.
type Deps struct {
	Keys      Keys
	Store     Store
	Publish   events.Publisher
	Renderers map[string]Renderer // by the name of the format: "wav"
	Log       *slog.Logger
	Node      string
	Region    string
}

// Recorder opens, finishes and reads recordings.
type Recorder struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	mu     sync.Mutex
	open   map[*Recording]struct{}
	closed bool

	counters counters
	chunks   chunks
	outs     sync.Pool // of *[]byte: room for a sealed segment
}

// ErrClosed is what Open returns after Close.
var ErrClosed = errors.New("recorder is closed")

// New checks the configuration and starts nothing.
func New(cfg Config, deps Deps) (*Recorder, error) {
	cfg.Defaults()
	var faults []error
	cfg.Validate(func(path, msg string) { faults = append(faults, fmt.Errorf("recordings.%s: %s", path, msg)) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if deps.Keys == nil || deps.Store == nil {
		return nil, errors.New("recorder: keys and store are needed")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{cfg: cfg, deps: deps, log: deps.Log, open: map[*Recording]struct{}{}}, nil
}

// Run syncs what is written, once every Sync, until ctx ends. Recordings that
// are open then go on and are synced by their Close.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Sync)
	defer tick.Stop()
	var syncs sync.WaitGroup // of this Run; they end when the disk answers
	free := make(chan struct{}, maxSyncs)
	for {
		select {
		case <-ctx.Done():
			syncs.Wait()
			return nil
		case <-tick.C:
			r.syncAll(&syncs, free)
		}
	}
}

// Close ends what is still open, as of now, and waits for it. Idempotent.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	now := time.Now()
	var all sync.WaitGroup
	for _, rec := range r.live() {
		all.Go(func() { rec.Close(now) })
	}
	all.Wait()
	return nil
}

// add registers an open recording, remove takes it out again.
func (r *Recorder) add(rec *Recording) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.open[rec] = struct{}{}
	return nil
}

func (r *Recorder) remove(rec *Recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, rec)
}

// publish tells a fact about a recording's call.
func (r *Recorder) publish(account, call, typ string, data any, durable func(error)) {
	if r.deps.Publish == nil {
		if durable != nil {
			durable(nil)
		}
		return
	}
	r.deps.Publish.Publish(events.Event{Account: account, Call: call, Type: typ, Time: time.Now(), Data: data}, durable)
}
