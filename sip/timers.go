package sip

import (
	"sync"
	"time"
)

// deadline is what a transaction is reminded of.
type deadline uint8

const (
	dueRepeat deadline = iota // A, E: nobody has answered yet
	dueGiveUp                 // B, F: nobody ever will
	dueLinger                 // D, K, M; H, I, J, L: nothing more will come
)

// timers are the three durations that nearly all timers of transactions have.
// A transaction starts up to three of them and nearly none matters when it
// fires, so they are not runtime timers that are started and stopped but lines
// of a queue that nobody leaves.
type timers struct {
	afterT1   *queue
	afterT4   *queue
	afterAll  *queue // 64*T1
	afterLate *queue // of legs that are over
}

func newTimers(panicked func(any)) timers {
	make := func(d time.Duration) *queue { return &queue{after: d, panicked: panicked} }
	return timers{make(t1), make(t4), make(allT1), make(welcome)}
}

func (t *timers) stop() {
	for _, q := range []*queue{t.afterT1, t.afterT4, t.afterAll, t.afterLate} {
		q.stop()
	}
}

// slack is by how much a timer may be late: one wake-up serves all until then.
const slack = 10 * time.Millisecond

// queue reminds of what was added, after a time that is the same for all.
type queue struct {
	after    time.Duration
	panicked func(any)

	mu      sync.Mutex
	base    time.Time // zero of the times in lines
	lines   []line    // in order, as all wait equally long
	timer   *time.Timer
	stopped bool
}

type line struct {
	at   time.Duration
	who  interface{ due(deadline) }
	what deadline
}

func (q *queue) add(who interface{ due(deadline) }, what deadline) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	now := time.Now()
	if len(q.lines) == 0 {
		q.base = now
		if q.timer == nil {
			q.timer = time.AfterFunc(q.after, q.fire)
		} else {
			q.timer.Reset(q.after)
		}
	}
	q.lines = append(q.lines, line{now.Sub(q.base) + q.after, who, what})
}

// fire reminds of all that is due and waits for the next.
func (q *queue) fire() {
	for _, l := range q.take() {
		guard(func() { l.who.due(l.what) }, q.panicked)
	}
}

func (q *queue) take() []line {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, n := time.Since(q.base), 0
	for n < len(q.lines) && q.lines[n].at <= now {
		n++
	}
	ready := q.lines[:n:n]
	if q.lines = q.lines[n:]; len(q.lines) == 0 {
		q.lines = nil
	} else if !q.stopped {
		q.timer.Reset(max(q.lines[0].at-now, slack))
	}
	return ready
}

func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped, q.lines = true, nil
	if q.timer != nil {
		q.timer.Stop()
	}
}
