package hook

import (
	"cmp"
	"maps"
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

	forgottenAfter = time.Hour // since it failed last
)

// hookKey is a hook of an account: what one makes of an address is no other's.
type hookKey struct{ account, address string }

// fewHooks is how many are known before it is looked for those that nothing is to
// be remembered of.
const fewHooks = 256

// state is how one hook does.
type state struct {
	mu      sync.Mutex
	waiting int
	failed  int       // in a row
	rests   time.Time // until when, once it has failed often enough
}

// enter lets a question of an account through, or says why not.
func (a *Asker) enter(h *routing.Hooked, account string) (*state, error) {
	s := a.stateOf(hookKey{account, cmp.Or(h.URL, h.Subject)})
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

// stateOf returns a hook's state, locked.
func (a *Asker) stateOf(key hookKey) *state {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.hooks[key]
	if s == nil {
		a.forget()
		s = &state{}
		a.hooks[key] = s
	}
	s.mu.Lock()
	return s
}

// forget drops the hooks that nothing is to be remembered of: tables change, and
// accounts go. It costs each new one about one look at another.
func (a *Asker) forget() {
	if len(a.hooks) < max(a.sweep, fewHooks) {
		return
	}
	maps.DeleteFunc(a.hooks, func(_ hookKey, s *state) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.waiting == 0 && (s.failed == 0 || time.Now().After(s.rests.Add(forgottenAfter)))
	})
	a.sweep = 2 * len(a.hooks)
}

// outcome is how a question went.
type outcome uint8

const (
	answered outcome = iota
	failed
	unwanted // the caller has hung up: it says nothing of the hook
)

// leave notes it, and reports whether the hook begins to rest for it.
func (s *state) leave(how outcome, at time.Time) (begins bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	switch how {
	case answered:
		s.failed = 0
		return false
	case unwanted:
		return false
	}
	s.failed++
	s.rests = at.Add(restFor)
	return s.failed == failures
}
