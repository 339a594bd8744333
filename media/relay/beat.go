package relay

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// The clock of a pool: each relay gets a turn once a second, a tenth of them
// every tenth of a second, and one every 20 ms while it asks for that.
const (
	fastBeat = 20 * time.Millisecond
	slowBeat = 100 * time.Millisecond
	slots    = 10
)

// beat is the clock that the relays of a pool share: one goroutine, and one for its
// rounds, which live while there are any. Safe for concurrent use; its methods are not to be called
// with a Relay.mu held, but for hurry and rest.
type beat struct {
	round func() // once a second, while there are relays, one at a time and in nobody's way; nil: nothing

	rounding sync.Mutex // held while round runs

	mu    sync.Mutex
	slots [slots][]*Relay
	fast  []*Relay
	count int
	next  int           // slot whose turn comes
	stop  chan struct{} // of the goroutine that runs; nil: none
	woken chan struct{} // something asked for the fast beat
}

// join gives a relay a turn each second until it leaves.
func (b *beat) join(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	least := 0
	for i := range b.slots {
		if len(b.slots[i]) < len(b.slots[least]) {
			least = i
		}
	}
	b.slots[least] = append(b.slots[least], r)
	r.slot = least
	if b.count++; b.count == 1 {
		b.stop, b.woken = make(chan struct{}), make(chan struct{}, 1)
		due := make(chan struct{}, 1)
		go b.run(b.stop, b.woken, due) // until the last relay leaves
		go b.rounds(b.stop, due)       // as long
	}
}

// leave ends a relay's turns; one that has begun may still go on.
func (b *beat) leave(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots[r.slot] = without(b.slots[r.slot], r)
	b.fast = without(b.fast, r)
	if b.count--; b.count == 0 {
		close(b.stop)
	}
}

// hurry gives a relay that has joined a turn every 20 ms, until rest. Idempotent.
func (b *beat) hurry(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.fast, r) {
		return
	}
	b.fast = append(b.fast, r)
	select {
	case b.woken <- struct{}{}:
	default:
	}
}

// rest ends what hurry began. Idempotent.
func (b *beat) rest(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fast = without(b.fast, r)
}

func without(all []*Relay, r *Relay) []*Relay {
	i := slices.Index(all, r)
	if i < 0 {
		return all
	}
	last := len(all) - 1
	all[i], all[last] = all[last], nil
	return all[:last]
}

// rounds runs what is due once a second. It may wait for the kernel, which the
// clock must not. One that is due while another runs is left out.
func (b *beat) rounds(stop, due chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-due:
			if b.rounding.TryLock() { // else that of a clock before still runs
				b.round()
				b.rounding.Unlock()
			}
		}
	}
}

func (b *beat) run(stop, woken, due chan struct{}) {
	slow, fast := time.NewTicker(slowBeat), time.NewTicker(fastBeat)
	defer slow.Stop()
	defer fast.Stop()
	fast.Stop()
	ticking := false
	var turn []*Relay
	for {
		select {
		case <-stop:
			return
		case <-woken:
			if !ticking {
				ticking = true
				fast.Reset(fastBeat)
			}
		case now := <-slow.C:
			b.mu.Lock()
			turn = append(turn[:0], b.slots[b.next]...)
			b.next = (b.next + 1) % slots
			round := b.next == 0
			b.mu.Unlock()
			each(turn, now, (*Relay).slow)
			if round && b.round != nil {
				select {
				case due <- struct{}{}:
				default:
				}
			}
		case now := <-fast.C:
			b.mu.Lock()
			turn = append(turn[:0], b.fast...)
			if len(turn) == 0 {
				ticking = false
				fast.Stop()
			}
			b.mu.Unlock()
			each(turn, now, (*Relay).fast)
		}
	}
}

// each gives turns and forgets who got them.
func each(turn []*Relay, now time.Time, do func(*Relay, time.Time)) {
	for i, r := range turn {
		r.beat(now, do)
		turn[i] = nil
	}
}

// beat runs what the clock has to do in a relay, unless it is closed. A panic
// costs this turn.
func (r *Relay) beat(now time.Time, do func(*Relay, time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.rescue()
	if !r.over {
		do(r, now)
	}
}

func (r *Relay) rescue() {
	cause := recover()
	if cause == nil {
		return
	}
	r.pool.engine.panics.Add(1)
	if !r.panicked {
		r.panicked = true
		r.pool.engine.log.Error("media clock or tap made us panic", "call", r.id, "panic", cause, "stack", string(debug.Stack()))
	}
}

// slow is what a relay does once a second, with or without packets.
func (r *Relay) slow(now time.Time) {
	r.playSoon(now)
	for i := range r.lanes {
		if k := r.lanes[i].digits; k != nil {
			k.slow(r.clock(now))
		}
	}
	r.observe(now)
	r.replan()
}

// fast is what it does every 20 ms while it asked for that.
func (r *Relay) fast(now time.Time) {
	busy := r.playOn(now)
	if busy = r.convertOn(now) || busy; !busy {
		r.pool.beat.rest(r)
	}
}
