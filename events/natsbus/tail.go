package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"ringdown/events"
)

// Filter picks events; what is empty picks all.
type Filter struct {
	Account string
	Call    string
	Since   time.Time // taken into the stream at or after it
}

// Tail reads events back from the stream, in its order, and hands each envelope
// to f, whose error ends it and is returned. With follow it goes on with what
// comes, until ctx ends; without, it returns nil after what was there.
func (b *Bus) Tail(ctx context.Context, filter Filter, follow bool, f func(raw json.RawMessage) error) error {
	subjects, err := filter.subjects()
	if err != nil {
		return err
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: subjects}
	if !filter.Since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &filter.Since
	}
	c, err := b.js.OrderedConsumer(ctx, Stream, cfg)
	if err != nil {
		return fmt.Errorf("natsbus: tail: %w", err)
	}
	if !follow && c.CachedInfo().NumPending == 0 {
		return nil
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("natsbus: tail: %w", err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			if ctx.Err() != nil && follow {
				return nil
			}
			return fmt.Errorf("natsbus: tail: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("natsbus: tail: %w", err)
		}
		if err := f(json.RawMessage(m.Data())); err != nil {
			return err
		}
		if !follow && meta.NumPending == 0 {
			return nil
		}
	}
}

// subjects are those of the calls asked for, and of the node unless one is.
func (f Filter) subjects() ([]string, error) {
	calls, err := f.subject()
	if err != nil || f.Call != "" || f.Account != "" && f.Account != events.System {
		return []string{calls}, err
	}
	return []string{calls, "ringdown." + events.Version + "." + events.System + ".node.>"}, nil
}

func (f Filter) subject() (string, error) {
	account, call := "*", "*"
	if f.Account != "" {
		if !events.ValidAccount(f.Account) {
			return "", errors.New("natsbus: tail: account: not an id")
		}
		account = f.Account
	}
	if f.Call != "" {
		if !events.ValidCall(f.Call) {
			return "", errors.New("natsbus: tail: call: not a call id")
		}
		call = f.Call
	}
	return "ringdown." + events.Version + "." + account + ".call." + call + ".>", nil
}
