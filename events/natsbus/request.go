package natsbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// ErrNobody says that nobody listens to the subject of a request.
var ErrNobody = errors.New("natsbus: nobody listens to the subject")

// Request asks over core NATS and returns the first reply. It is not kept and not
// repeated: whoever does not answer until the context ends has not been asked.
func (b *Bus) Request(ctx context.Context, subject string, header map[string]string, body []byte) (reply []byte, replyHeader map[string]string, err error) {
	m := nats.NewMsg(subject)
	m.Data = body
	for name, value := range header {
		m.Header.Set(name, value)
	}
	r, err := b.conn.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, nil, ErrNobody
	case err != nil:
		return nil, nil, fmt.Errorf("natsbus: request: %w", err)
	}
	replyHeader = map[string]string{}
	for name := range r.Header {
		replyHeader[name] = r.Header.Get(name)
	}
	return r.Data, replyHeader, nil
}
