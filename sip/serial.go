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
	took, first := s.put(f, bounded)
	if first {
		go func() { // ends by itself when the queue is empty
			deepen()
			s.drain()
		}()
	}
	return took
}

// here is do for functions that never wait: it runs f before it returns, unless
// another goroutine is at it already, which then runs f as well.
func (s *serial) here(f func()) {
	if _, first := s.put(f, false); first {
		s.drain()
	}
}

// tryHere is here for what strangers send: false when too much waits already.
func (s *serial) tryHere(f func()) bool {
	took, first := s.put(f, true)
	if first {
		s.drain()
	}
	return took
}

// put queues f; first says that the caller has to see to it that it runs.
func (s *serial) put(f func(), bounded bool) (took, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bounded && len(s.queue) >= flood {
		return false, false
	}
	s.queue = append(s.queue, f)
	first = !s.running
	s.running = true
	return true, first
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

// deepen makes a new goroutine's stack as large as serving a message needs, in
// one step while it is empty. Step by step, and copied from deep down each time,
// it cost a twentieth of a call.
//
//go:noinline
func deepen() (b byte) {
	var room [12 << 10]byte
	for i := 0; i < len(room); i += 4 << 10 {
		b |= room[i]
	}
	return b
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
