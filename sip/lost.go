package sip

import (
	"sync/atomic"
	"time"

	"ringdown/call"
)

// moment is a time that the call may read at any time.
type moment = atomic.Pointer[time.Time]

// heard notes a sign of life: a request or a response of the peer inside the dialog.
func (l *leg) heard() {
	now := time.Now()
	l.alive.Store(&now)
}

// Alive is when that was; zero: never.
func (l *leg) Alive() time.Time {
	if at := l.alive.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// lost ends a confirmed leg whose peer has stopped answering: its session timer
// ran out, or a request inside the dialog met silence, 408 or 481
// (RFC 3261 12.2.1.2). The peer is told goodbye whatever the call does.
func (l *leg) lost(c call.Cause) {
	if l.state != confirmed {
		return
	}
	l.tell(call.Lost{At: call.Now(), Alive: l.Alive(), Cause: c})
	l.bye(c)
}
