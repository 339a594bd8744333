package kernel

import (
	"encoding/binary"
	"runtime/debug"
	"time"
)

// drainEvery is how long a copy waits in the ring at most, but for a machine that
// is too busy: 16 MB hold 0.8 s of 1,000 recorded calls.
const drainEvery = 20 * time.Millisecond

// pump drains the ring while flows are copied, and sleeps while none is.
func (e *Engine) pump() {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.quit:
			return
		case <-tick.C:
		}
		e.Drain()
		if e.copied() {
			continue
		}
		e.Drain() // what came until the last flow ended
		tick.Stop()
		select {
		case <-e.quit:
			return
		case <-e.copies:
		}
		tick.Reset(drainEvery)
	}
}

func (e *Engine) copied() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.copying > 0
}

// Drain hands over the copies that are in the ring. When it returns, the tap has
// every copy made before the call.
func (e *Engine) Drain() {
	e.draining.Lock()
	defer e.draining.Unlock()
	if e.ring == nil {
		return
	}
	now := e.now()
	e.ring.drain(func(record []byte) { e.deliver(now, record) })
}

const recordHeader = 16 // tag and time

// deliver gives one record to the tap.
func (e *Engine) deliver(now clock, record []byte) {
	defer e.rescue()
	tag, at := binary.NativeEndian.Uint64(record), binary.NativeEndian.Uint64(record[8:])
	e.tap(tag, now.time(at), record[recordHeader:])
}

func (e *Engine) rescue() {
	if cause := recover(); cause != nil && e.panics.Add(1) == 1 {
		e.log.Error("kernel engine: the tap panicked and lost a copy; said once", "panic", cause, "stack", string(debug.Stack()))
	}
}
