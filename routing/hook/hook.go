// Package hook asks the owner of a number, while his caller waits, what to do
// with the call: by NATS request-reply or HTTPS, signed, with a deadline.
//
// It owns the question and the reply as others see them ([Question], docs in
// docs/routing.md), the signature, the rule which addresses may be asked, and when
// an owner who does not answer is left alone. It refuses to decide what happens
// without a reply: that is the step's fallback.
package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"ringdown/routing"
)

// Why there is no reply. Each stands for one word of [Word].
var (
	ErrTimeout     = errors.New("no reply in time")
	ErrUnreachable = errors.New("cannot be reached")
	ErrRefused     = errors.New("answered by an error")
	ErrInvalid     = errors.New("reply is not valid")
	ErrUnsigned    = errors.New("reply is not signed as it must be")
	ErrResting     = errors.New("not asked: it failed too often in a row")
	ErrCrowded     = errors.New("not asked: too many questions wait for it")
)

var words = []struct {
	err  error
	word string
}{
	{ErrTimeout, "timeout"}, {ErrUnreachable, "unreachable"}, {ErrRefused, "refused"}, {ErrInvalid, "invalid"},
	{ErrUnsigned, "unsigned"}, {ErrResting, "resting"}, {ErrCrowded, "crowded"},
}

// Word is what a decision's trace and an event say of an error: never its text,
// which may hold what the owner wrote.
func Word(err error) string {
	for _, w := range words {
		if errors.Is(err, w.err) {
			return w.word
		}
	}
	return "unreachable"
}

// MaxReply is the longest reply that is read.
const MaxReply = 64 << 10

// atOnce is how many questions may wait for one hook.
const atOnce = 64

// Asker asks hooks. Its methods may be called by many calls at the same time.
type Asker struct {
	web  http.RoundTripper
	nats Request
	log  *slog.Logger
	kept kept

	mu    sync.Mutex
	hooks map[hookKey]*state
	sweep int // as many of them as make it worth to look for those to forget
}

// Request asks over NATS and returns the first reply. It ends with the context.
// Header fields are in their canonical form.
type Request func(ctx context.Context, subject string, header map[string]string, body []byte) (reply []byte, replyHeader map[string]string, err error)

// New returns an Asker. nats is nil where there is no broker: its hooks then
// cannot be reached.
func New(c Config, nats Request, log *slog.Logger) (*Asker, error) {
	web, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	return &Asker{web: web, nats: nats, log: log, hooks: map[hookKey]*state{}}, nil
}

// Close lets idle connections go.
func (a *Asker) Close() {
	if t, ok := a.web.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// Ask puts a question and returns the reply to it. It waits until the context
// ends, and never longer. The error is one of this package's, wrapped.
func (a *Asker) Ask(ctx context.Context, h *routing.Hooked, q Question) (routing.HookReply, error) {
	key, keeps := placeOf(h, q)
	if keeps {
		if reply, ok := a.kept.find(key, time.Now()); ok {
			return reply, nil
		}
	}
	s, err := a.enter(h, q.Account)
	if err != nil {
		return routing.HookReply{}, err
	}
	reply, err := a.ask(ctx, h, q)
	how := answered
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		err, how = ErrTimeout, unwanted
	case err != nil && ctx.Err() != nil:
		err, how = ErrTimeout, failed
	case err != nil:
		how = failed
	}
	if s.leave(how, time.Now()) {
		a.log.Warn("a hook failed too often in a row and is left alone for a while", "hook", q.Step, "account", q.Account, "for", restFor, "error", Word(err))
	}
	if keeps && err == nil {
		a.kept.put(key, reply, time.Now().Add(h.Keep), time.Now())
	}
	return reply, err
}

func (a *Asker) ask(ctx context.Context, h *routing.Hooked, q Question) (routing.HookReply, error) {
	body, err := q.encode(h.Send)
	if err != nil {
		return routing.HookReply{}, err
	}
	header := sign(h.Secret.Reveal(), q.ID, time.Now(), body)
	var reply []byte
	if h.URL != "" {
		reply, err = a.byWeb(ctx, h.URL, header, body)
	} else {
		reply, err = a.byNATS(ctx, h, q.ID, header, body)
	}
	if err != nil {
		return routing.HookReply{}, err
	}
	return ReadReply(reply)
}

// byNATS asks over the broker. Who may answer there is anybody who may read the
// subject, so that a hook with a secret has to sign its reply too.
func (a *Asker) byNATS(ctx context.Context, h *routing.Hooked, id string, header map[string]string, body []byte) ([]byte, error) {
	if a.nats == nil {
		return nil, fmt.Errorf("%w: there is no broker", ErrUnreachable)
	}
	reply, signed, err := a.nats(ctx, h.Subject, header, body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(reply) > MaxReply:
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxReply)
	case !h.Secret.IsZero() && !verify(h.Secret.Reveal(), id, signed, reply, time.Now()):
		return nil, ErrUnsigned
	}
	return reply, nil
}

func (a *Asker) byWeb(ctx context.Context, url string, header map[string]string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bodyOf(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ringdown")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := a.web.RoundTrip(req) // follows no redirection
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return []byte(`{"continue": true}`), nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", ErrRefused, resp.StatusCode)
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, MaxReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(reply) > MaxReply:
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxReply)
	}
	return reply, nil
}
