package hook

import (
	"cmp"
	"sync"
	"time"

	"ringdown/routing"
)

// An owner who fails failures times in a row is not asked for restFor: each of his
// callers would wait for the whole deadline. Then one question at a time finds out
// whether he is back.
const (
	failures = 5
	restFor  = 10 * time.Second
)

// state is how one hook does.
type state struct {
	mu      sync.Mutex
	waiting int
	failed  int       // in a row
	rests   time.Time // until when
}

// enter lets a question through, or says why not.
func (a *Asker) enter(h *routing.Hooked) (*state, error) {
	key := cmp.Or(h.URL, h.Subject)
	a.mu.Lock()
	s := a.hooks[key]
	if s == nil {
		s = &state{}
		a.hooks[key] = s
	}
	a.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed >= failures && (time.Now().Before(s.rests) || s.waiting > 0):
		return nil, ErrResting
	case s.waiting >= atOnce:
		return nil, ErrCrowded
	}
	s.waiting++
	return s, nil
}

// leave notes how it went, and reports whether the hook begins to rest for it.
func (s *state) leave(ok bool, at time.Time) (begins bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if ok {
		s.failed = 0
		return false
	}
	s.failed++
	if s.failed >= failures {
		s.rests = at.Add(restFor)
	}
	return s.failed == failures
}
