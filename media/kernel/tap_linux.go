package kernel

import (
	"encoding/binary"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
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
		e.empty()
		if e.copied() {
			continue
		}
		e.empty() // what came until the last flow ended
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

// busyTries is how often a record that is being written is looked at again: it
// takes a microsecond, unless the machine below this one has stopped a processor.
const busyTries = 10_000

// Drain hands over the copies that are in the ring. When it returns, the tap has
// every copy of a flow that went out of force before the call; for that it may wait
// some milliseconds, without work.
func (e *Engine) Drain() {
	e.settling.Lock() // who comes while another waits has to wait as long
	if e.stale.Swap(false) {
		gracePeriod()
	}
	e.settling.Unlock()
	for range busyTries {
		if e.empty() {
			return
		}
		runtime.Gosched()
	}
}

// empty hands over what is in the ring; whole is false when something is still
// being written.
func (e *Engine) empty() (whole bool) {
	e.draining.Lock()
	defer e.draining.Unlock()
	if e.ring == nil {
		return true
	}
	now := e.now()
	return e.ring.drain(func(record []byte) { e.deliver(now, record) })
}

// gracePeriod returns when every run of the program that had begun is over:
// membarrier waits for the kernel's readers (RCU), and a BPF program is one. Where
// it is not there, a copy may come after Drain.
func gracePeriod() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
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
