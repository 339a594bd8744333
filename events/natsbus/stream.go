package natsbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ringdown/events"
)

// Stream is the one stream that holds all events.
const Stream = "RINGDOWN"

// dedupe is how long the broker itself remembers ids. Nothing depends on it: a
// doubt is settled by reading the stream. It is short because the broker keeps
// each id in memory for as long.
const dedupe = 10 * time.Second

// wire is what delivery needs of a stream; tests put losses in between.
type wire interface {
	// ready makes sure of the stream.
	ready(ctx context.Context) error
	// publish stores body if the last message under filter is number expect
	// (0: none), and returns its number in the stream. errMoved: it is not;
	// errStored: the broker remembers id.
	publish(ctx context.Context, subject, id string, body []byte, filter string, expect uint64) (uint64, error)
	// last returns the last message under filter; 0 when there is none.
	last(ctx context.Context, filter string) (seq uint64, body []byte, err error)
}

var (
	errMoved  = errors.New("natsbus: stream stands elsewhere than expected")
	errStored = errors.New("natsbus: message was stored before")
)

// subjects lists what the stream takes: the families of events, not commands,
// whose replies it would get in the way of.
func subjects() []string {
	var all []string
	for _, family := range []string{"call", "node", "billing", "attribution", "privacy"} {
		all = append(all, "ringdown."+events.Version+".*."+family+".>")
	}
	return all
}

type stream struct {
	cfg Config
	js  jetstream.JetStream
}

// want is how the stream has to be.
func (s *stream) want() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        Stream,
		Description: "what happened to calls; see SCHEMA.md",
		Subjects:    subjects(),
		Storage:     jetstream.FileStorage,
		Replicas:    s.cfg.Replicas,
		Duplicates:  dedupe,
		MaxAge:      s.cfg.MaxAge,
		MaxBytes:    s.cfg.MaxBytes,
		// A full stream refuses what is new, which waits in the outbox; it must
		// not drop what nobody may have read yet.
		Discard: jetstream.DiscardNew,
		// One message cannot be taken out: seq would have a gap that means loss.
		// Personal data goes by its key, an account by purging its subjects.
		DenyDelete: true,
		// Reads are the leader's: a doubt must not be settled by a replica that
		// is behind. (Direct gets do not take a filter either.)
		AllowDirect: false,
	}
}

// ready makes the stream or brings it to what it has to be. What an operator
// may choose in a cluster (placement, more replicas) is left alone.
func (s *stream) ready(ctx context.Context) error {
	if s.js.Conn().Status() != nats.CONNECTED {
		return errors.New("not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	want := s.want()
	have, err := s.js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err = s.js.CreateStream(ctx, want); err != nil {
			return fmt.Errorf("create stream: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at stream: %w", err)
	}
	got := have.CachedInfo().Config
	if got.Storage != want.Storage || got.Retention != jetstream.LimitsPolicy {
		return errors.New("stream: is not on file with limits, and cannot be changed")
	}
	if got.PersistMode == jetstream.AsyncPersistMode {
		return errors.New("stream: persist mode is async: an ack would prove nothing")
	}
	next := got
	next.Subjects, next.Duplicates, next.Discard, next.DenyDelete, next.AllowDirect = want.Subjects, want.Duplicates, want.Discard, true, false
	next.MaxAge, next.MaxBytes, next.Replicas = want.MaxAge, want.MaxBytes, max(got.Replicas, want.Replicas)
	if same(got, next) {
		return nil
	}
	if _, err := s.js.UpdateStream(ctx, next); err != nil {
		return fmt.Errorf("change stream: %w", err)
	}
	return nil
}

func same(a, b jetstream.StreamConfig) bool {
	return slices.Equal(a.Subjects, b.Subjects) && a.Duplicates == b.Duplicates && a.Discard == b.Discard &&
		a.DenyDelete == b.DenyDelete && a.AllowDirect == b.AllowDirect && a.MaxAge == b.MaxAge &&
		a.MaxBytes == b.MaxBytes && a.Replicas == b.Replicas
}

func (s *stream) publish(ctx context.Context, subject, id string, body []byte, filter string, expect uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	ack, err := s.js.Publish(ctx, subject, body, jetstream.WithMsgID(id), jetstream.WithExpectStream(Stream),
		jetstream.WithExpectLastSequenceForSubject(expect, filter), jetstream.WithRetryAttempts(0))
	if err != nil {
		if api, ok := errors.AsType[*jetstream.APIError](err); ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
			return 0, errMoved
		}
		return 0, err
	}
	if ack.Duplicate {
		return 0, errStored
	}
	return ack.Sequence, nil
}

func (s *stream) last(ctx context.Context, filter string) (uint64, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	st, err := s.js.Stream(ctx, Stream)
	if err != nil {
		return 0, nil, err
	}
	m, err := st.GetLastMsgForSubject(ctx, filter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	return m.Sequence, m.Data, nil
}
