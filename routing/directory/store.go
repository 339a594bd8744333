package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// store is the bucket in JetStream: the stream that a key-value bucket of this
// name is, so that the usual tools can look at it.
type store struct {
	js      jetstream.JetStream
	bucket  string
	timeout time.Duration
	// replicas and maxBytes are of a bucket that is made here.
	replicas int
	maxBytes int64

	handle atomic.Pointer[jetstream.Stream] // by name: it serves the next bucket of the name too
}

// history is how many heads the bucket keeps: what `directory history` shows.
const history = 64

func (s *store) stream() string             { return "KV_" + s.bucket }
func (s *store) subject(key string) string  { return "$KV." + s.bucket + "." + key }
func (s *store) pageKey(name string) string { return s.subject("page." + name) }

func (s *store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// want is how the stream of a bucket has to be.
func (s *store) want() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              s.stream(),
		Description:       "routing tables; see docs/routing.md",
		Subjects:          []string{s.subject(">")},
		Storage:           jetstream.FileStorage,
		Replicas:          s.replicas,
		MaxBytes:          s.maxBytes,
		MaxMsgsPerSubject: history,
		// A full bucket refuses a commit; it must not drop pages of the last one.
		Discard:     jetstream.DiscardNew,
		DenyDelete:  true,
		AllowRollup: true,
		// Reads are the leader's: a replica that is behind has not the pages of
		// the head that it was told of.
		AllowDirect: false,
	}
}

func (s *store) ready(ctx context.Context) (string, error) {
	if s.js.Conn().Status() != nats.CONNECTED {
		return "", errors.New("not connected")
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	want := s.want()
	have, err := s.js.Stream(ctx, s.stream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		have, err = s.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
			have, err = s.js.Stream(ctx, s.stream())
		}
	}
	if err != nil {
		return "", fmt.Errorf("look at bucket: %w", err)
	}
	got := have.CachedInfo().Config
	if got.Storage != jetstream.FileStorage || got.MaxAge != 0 || got.PersistMode == jetstream.AsyncPersistMode {
		return "", errors.New("bucket is not on file for good: it is somebody else's, or was made by hand")
	}
	if !slices.Equal(got.Subjects, want.Subjects) || got.Discard != want.Discard || got.AllowDirect || got.MaxMsgsPerSubject < 1 {
		next := got
		next.Subjects, next.Discard, next.AllowDirect, next.MaxMsgsPerSubject = want.Subjects, want.Discard, false, history
		if _, err := s.js.UpdateStream(ctx, next); err != nil {
			return "", fmt.Errorf("change bucket: %w", err)
		}
	}
	s.handle.Store(&have)
	return have.CachedInfo().Created.UTC().Format(time.RFC3339Nano), nil
}

func (s *store) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	st := s.handle.Load()
	if st == nil {
		return nil, errors.New("bucket not looked at yet")
	}
	return (*st).GetLastMsgForSubject(ctx, subject)
}

// removed reports whether a message says that its key was deleted.
func removed(h nats.Header) bool {
	op := h.Get(jetstreamOperation)
	return op == "DEL" || op == "PURGE"
}

const jetstreamOperation = "KV-Operation"

func (s *store) head(ctx context.Context) (entry, error) {
	m, err := s.last(ctx, s.subject(headPlace))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return entry{}, nil
	case err != nil:
		return entry{}, fmt.Errorf("read head: %w", err)
	case removed(m.Header):
		return entry{seq: m.Sequence}, nil
	}
	return entry{m.Sequence, m.Data}, nil
}

func (s *store) swap(ctx context.Context, value []byte, expect uint64) (uint64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	ack, err := s.js.Publish(ctx, s.subject(headPlace), value, jetstream.WithExpectStream(s.stream()),
		jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithRetryAttempts(0))
	if err == nil {
		return ack.Sequence, nil
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return 0, errMoved
	}
	return 0, fmt.Errorf("write head: %w", err)
}

func (s *store) page(ctx context.Context, name string) ([]byte, error) {
	m, err := s.last(ctx, s.pageKey(name))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, errNoPage
	case err != nil:
		return nil, fmt.Errorf("read page: %w", err)
	case removed(m.Header):
		return nil, errNoPage
	}
	return m.Data, nil
}

// inFlight bounds pages that are sent before the first is acknowledged.
const inFlight = 64

func (s *store) put(ctx context.Context, pages []page) error {
	most := int(s.js.Conn().MaxPayload())
	for _, p := range pages {
		if len(p.value) > most-1024 {
			return fmt.Errorf("a page of %d bytes is larger than the broker takes: raise its max_payload of %d", len(p.value), most)
		}
	}
	for group := range slices.Chunk(pages, inFlight) {
		ctx, cancel := s.within(ctx)
		acks := make([]jetstream.PubAckFuture, 0, len(group))
		for _, p := range group {
			ack, err := s.js.PublishMsgAsync(&nats.Msg{Subject: s.pageKey(p.name), Data: p.value}, jetstream.WithExpectStream(s.stream()))
			if err != nil {
				cancel()
				return fmt.Errorf("write page: %w", err)
			}
			acks = append(acks, ack)
		}
		for _, ack := range acks {
			var err error
			select {
			case <-ack.Ok():
			case err = <-ack.Err():
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
			if err != nil {
				cancel()
				return fmt.Errorf("write page: %w", err)
			}
		}
		cancel()
	}
	return nil
}

func (s *store) watch(ctx context.Context, since uint64, f func(entry)) error {
	c, err := s.js.OrderedConsumer(ctx, s.stream(), jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{s.subject(headPlace)}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: since + 1,
	})
	if err != nil {
		return fmt.Errorf("watch head: %w", err)
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("watch head: %w", err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("watch head: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("watch head: %w", err)
		}
		e := entry{seq: meta.Sequence.Stream, value: m.Data()}
		if removed(m.Headers()) {
			e.value = nil
		}
		f(e)
	}
}

func (s *store) heads(ctx context.Context, f func(entry)) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	c, err := s.js.OrderedConsumer(ctx, s.stream(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{s.subject(headPlace)}})
	if err != nil {
		return fmt.Errorf("read heads: %w", err)
	}
	if c.CachedInfo().NumPending == 0 {
		return nil
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read heads: %w", err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read heads: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read heads: %w", err)
		}
		if !removed(m.Headers()) {
			f(entry{meta.Sequence.Stream, m.Data()})
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}

func (s *store) sweep(ctx context.Context, keep map[string]bool, before uint64) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	st, err := s.js.Stream(ctx, s.stream())
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	info, err := st.Info(ctx, jetstream.WithSubjectFilter(s.pageKey("*")))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	prefix := s.pageKey("")
	for subject := range info.State.Subjects {
		if keep[strings.TrimPrefix(subject, prefix)] {
			continue
		}
		// Written before: who makes the next commit may have just put a page of
		// the same name there.
		if err := st.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(before)); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}
