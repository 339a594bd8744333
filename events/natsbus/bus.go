// Package natsbus brings what the outbox keeps to NATS JetStream: each call's
// events in their order, each once, however often the broker, the network or
// this process stops in between.
//
// It decides nothing about events and keeps nothing: the outbox is the truth,
// the stream what others read. The broker is one inside this process or one by
// URL; neither has to be up for calls to go on. nats.go and nats-server are
// known nowhere else.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ringdown/events/outbox"
)

// Bus is the way to one broker. Its methods may be called from any goroutine.
type Bus struct {
	cfg    Config
	log    *slog.Logger
	server *server.Server // nil when the broker is not ours
	conn   *nats.Conn
	js     jetstream.JetStream
	wire   wire // the stream, as delivery needs it

	counts counts
	stream atomic.Pointer[string]  // why the stream cannot be used; nil until looked at, "" when it can
	stall  atomic.Pointer[string]  // why it does not take an event; nil while it does
	fatal  atomic.Bool             // stall is for good
	sync   func(*storeFiles) error // tests put faults in between

	mu     sync.Mutex
	box    *outbox.Outbox     // while Run runs
	acked  chan struct{}      // closed and made anew with each ack
	cancel context.CancelFunc // of Run
	closed bool
	done   sync.WaitGroup // Run
	once   sync.Once
}

// Open starts the embedded broker, or begins to connect to the one at the URL:
// an absent one is not an error, it is tried until Close.
func Open(cfg Config, log *slog.Logger) (*Bus, error) {
	cfg.Defaults()
	var faults []error
	cfg.Validate(func(path, msg string) { faults = append(faults, fmt.Errorf("natsbus: %s: %s", path, msg)) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	// A connection that is tried again and again would hide a missing file.
	for path, name := range map[string]string{"credentials": cfg.Credentials, "ca": cfg.CA, "cert": cfg.Cert, "cert_key": cfg.CertKey} {
		if name == "" {
			continue
		}
		if _, err := os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("natsbus: %s: %w", path, err)
		}
	}
	b := &Bus{cfg: cfg, log: log, acked: make(chan struct{}), sync: (*storeFiles).sync}
	url := cfg.URL
	var opts []nats.Option
	if cfg.Embedded {
		s, err := startServer(cfg, log)
		if err != nil {
			return nil, err
		}
		b.server, url = s, nats.DefaultURL // not dialled: the connection is in the process
		opts = append(opts, nats.InProcessServer(s))
	}
	conn, err := nats.Connect(url, append(opts, b.options()...)...)
	if err == nil {
		b.conn = conn
		b.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(cfg.Timeout))
		b.wire = &stream{cfg: cfg, js: b.js}
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	return b, nil
}

func (b *Bus) options() []nats.Option {
	opts := []nats.Option{
		nats.Name("ringdown"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// What cannot be sent now must fail now: a message that leaves later from
		// a buffer would be one more doubt.
		nats.ReconnectBufSize(-1),
		nats.Timeout(b.cfg.Timeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if !b.isClosed() {
				b.log.Warn("nats: disconnected: events wait in the outbox", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("nats: connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.log.Warn("nats: error", "error", err) }),
	}
	if b.cfg.Token != "" {
		opts = append(opts, nats.Token(b.cfg.Token))
	}
	if b.cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(b.cfg.Credentials))
	}
	if b.cfg.CA != "" {
		opts = append(opts, nats.RootCAs(b.cfg.CA))
	}
	if b.cfg.Cert != "" && !b.cfg.Embedded {
		opts = append(opts, nats.ClientCert(b.cfg.Cert, b.cfg.CertKey))
	}
	return opts
}

// Ready says why events cannot be delivered at this moment, or nil.
func (b *Bus) Ready() error {
	if b.isClosed() {
		return errors.New("natsbus: closed")
	}
	if b.conn.Status() != nats.CONNECTED {
		return errors.New("natsbus: not connected")
	}
	switch why := b.stream.Load(); {
	case why == nil:
		return errors.New("natsbus: stream not looked at yet")
	case *why != "":
		return errors.New("natsbus: " + *why)
	}
	if why := b.stall.Load(); why != nil {
		return errors.New("natsbus: " + *why)
	}
	return nil
}

// Flush waits until the broker has everything that the outbox held durable, and
// whatever is added meanwhile. Run must be running.
func (b *Bus) Flush(ctx context.Context) error {
	for {
		b.mu.Lock()
		box, acked := b.box, b.acked
		b.mu.Unlock()
		if box == nil {
			return errors.New("natsbus: flush: not running")
		}
		if box.Stats().Backlog == 0 {
			return nil
		}
		select {
		case <-acked:
		case <-ctx.Done():
			return fmt.Errorf("natsbus: flush: %d events wait: %w", box.Stats().Backlog, context.Cause(ctx))
		}
	}
}

// Close ends Run, the connection and the embedded broker, and waits for them.
func (b *Bus) Close() error {
	b.once.Do(func() {
		b.mu.Lock()
		b.closed = true
		cancel := b.cancel
		b.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		if b.conn != nil {
			b.conn.Close() // whatever Run waits for fails now
		}
		b.done.Wait()
		if b.server != nil {
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}
	})
	return nil
}

func (b *Bus) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Address is where the embedded broker listens; empty when it does not.
func (b *Bus) Address() string {
	if b.server == nil || b.server.Addr() == nil {
		return ""
	}
	return b.server.Addr().String()
}

// Stats are the bus's figures; counts are since Open.
type Stats struct {
	Connected bool
	Backlog   int           // events of the outbox that the broker does not have
	Age       time.Duration // of the oldest of them that is being delivered

	Published uint64 // acked by the broker
	Found     uint64 // were there already: an ack was lost, or this process was stopped before it noted it
	Doubts    uint64 // times the stream was read to know
	Refused   uint64 // times the stream stood elsewhere than expected (error 10071)
	Retries   uint64 // tries that failed
	Conflicts uint64 // another event with the same id was there: an alarm
}

type counts struct {
	published, found, doubts, refused, retries, conflicts atomic.Uint64
}

// Stats returns the figures of now.
func (b *Bus) Stats() Stats {
	c := &b.counts
	s := Stats{
		Connected: b.conn.Status() == nats.CONNECTED,
		Published: c.published.Load(), Found: c.found.Load(), Doubts: c.doubts.Load(),
		Refused: c.refused.Load(), Retries: c.retries.Load(), Conflicts: c.conflicts.Load(),
	}
	b.mu.Lock()
	box := b.box
	b.mu.Unlock()
	if box != nil {
		o := box.Stats()
		s.Backlog = o.Backlog
		if !o.Oldest.IsZero() {
			s.Age = time.Since(o.Oldest)
		}
	}
	return s
}
