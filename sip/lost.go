package sip

import (
	"time"

	"ringdown/call"
)

// heard notes a sign of life: a request or a response of the peer inside the dialog.
func (l *leg) heard() { l.alive = time.Now() }

// lost ends a confirmed leg whose peer has stopped answering: its session timer
// ran out, or a request inside the dialog met silence, 408 or 481
// (RFC 3261 12.2.1.2). The peer is told goodbye whatever the call does.
func (l *leg) lost(c call.Cause) {
	if l.state != confirmed {
		return
	}
	l.tell(call.Lost{At: call.Now(), Alive: l.alive, Cause: c})
	l.bye(c)
}
