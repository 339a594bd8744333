package call

import (
	"cmp"
	"time"

	"ringdown/media"
)

// Lost says that a leg has stopped answering: its session timer ran out, or a
// request inside its dialog met silence, 408 or 481 (RFC 3261 12.2.1.2). The
// leg says BYE by itself, and Gone follows. Cause.By may name who ended it;
// empty means the side the leg belongs to.
type Lost struct {
	At
	Alive time.Time // when anything was last heard of the leg in signalling
	Cause Cause
}

// silence is a side that stopped answering, and its last sign of life so far; or
// that of either side.
type silence struct {
	side  media.Side
	both  bool
	alive time.Time
}

// lost ends a call in progress of which one leg has stopped answering.
func (m *machine) lost(from LegID, s Lost) {
	side, ok := m.talk.side(from)
	if !ok {
		return // it speaks no more
	}
	by, other := cmp.Or(s.Cause.By, enderOf(side)), m.talk.on(side.Other())
	m.silent = &silence{side: side, alive: s.Alive}
	m.dropTransfer()
	m.settle(m.leg(from), s.Time, by, s.Cause)
	m.hangup(other, s.Cause.onward("other side was lost"))
	m.end(s.Time, "completed", by, s.Cause)
}

// noAck notes the side that left a later answer without its ACK. The first
// answer needs no bound: without its ACK nothing is billed.
func (m *machine) noAck(from LegID, s NoAck) {
	if !m.acked {
		return
	}
	side, ok := m.talk.side(from)
	if !ok {
		return
	}
	m.silent = &silence{side: side, alive: s.Alive}
}

// lastLife takes what the relay counted: sound is a sign of life too.
func (s *silence) lastLife(stats media.Stats) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if s.both || side == s.side {
			s.heard(stats.Of(side).Last)
		}
	}
}

func (s *silence) heard(at time.Time) {
	if at.After(s.alive) {
		s.alive = at
	}
}

// until bounds the last sign of life by the bridge and the end.
func (s *silence) until(bridged, ended time.Time) time.Time {
	switch {
	case s.alive.Before(bridged):
		return bridged
	case s.alive.After(ended):
		return ended
	}
	return s.alive
}
