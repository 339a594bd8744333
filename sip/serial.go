package sip

import "sync"

// serial runs functions one after another in the order they were given, each
// seeing what the earlier ones did. It costs no goroutine while it has nothing
// to do. The zero value is ready once caught is set.
type serial struct {
	caught func(v any) // a function panicked; runs in the same order

	mu      sync.Mutex
	queue   []func()
	running bool
}

// flood is how many messages may wait in one serial. A dialog never has more
// than a few; whoever sends more loses them.
const flood = 128

// do runs f after everything given before. It never waits.
func (s *serial) do(f func()) { s.add(f, false) }

// tryDo is do for what strangers send: false when too much waits already.
func (s *serial) tryDo(f func()) bool { return s.add(f, true) }

func (s *serial) add(f func(), bounded bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bounded && len(s.queue) >= flood {
		return false
	}
	s.queue = append(s.queue, f)
	if !s.running {
		s.running = true
		go s.drain() // ends by itself when the queue is empty
	}
	return true
}

func (s *serial) drain() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.running, s.queue = false, nil
			s.mu.Unlock()
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		guard(f, func(v any) { guard(func() { s.caught(v) }, func(any) {}) })
	}
}

// guard runs f and hands a panic to caught.
func guard(f func(), caught func(v any)) {
	defer func() {
		if v := recover(); v != nil {
			caught(v)
		}
	}()
	f()
}
