package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
)

// Holds says which side wants nothing sent to it now: it has put the other on
// hold, in the new way or the old one, or taken its audio out.
type Holds struct{ Caller, Callee bool }

// on returns whether a side holds.
func (h Holds) on(s media.Side) bool {
	if s == media.Caller {
		return h.Caller
	}
	return h.Callee
}

// holding is what is known and was told of holds.
type holding struct {
	now, told Holds
	ordered   Holds         // by somebody outside
	byOrder   Holds         // as ordered was when it was told
	since     time.Time     // when the call began to be held by anyone; zero: it is not
	total     time.Duration // of the times before
}

// holdsNow takes what the relay says after a negotiation.
func (m *machine) holdsNow(at time.Time, h Holds) {
	was := m.hold.now
	m.hold.now = h
	switch {
	case m.state == inProgress:
		m.tellHolds(at)
	case m.state == attending && m.desk.speech.purpose != "" && was.Caller != h.Caller:
		m.boundSpeech(at)
	}
}

// tellHolds publishes what has changed, in a call that is connected.
func (m *machine) tellHolds(at time.Time) {
	h := &m.hold
	holds := h.all()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		l := m.leg(m.talk.on(side))
		if l == nil || holds.on(side) == h.told.on(side) {
			continue
		}
		kind := events.CallResumed
		if holds.on(side) {
			kind = events.CallHeld
		}
		d := events.CallHeldData{Party: side.String(), Leg: l.ulid}
		if !h.now.on(side) && (h.ordered.on(side) || h.byOrder.on(side)) {
			d.Source = byOrder
		}
		m.publish(kind, at, d)
	}
	h.told, h.byOrder = holds, h.ordered
	m.music()
	switch held := holds != (Holds{}); {
	case held && h.since.IsZero():
		h.since = at
	case !held && !h.since.IsZero():
		h.total += max(0, at.Sub(h.since))
		h.since = time.Time{}
	}
}

// all is who holds, by himself or by order.
func (h holding) all() Holds {
	return Holds{h.now.Caller || h.ordered.Caller, h.now.Callee || h.ordered.Callee}
}

// heldFor is how long the call was held by anyone, until a moment.
func (h holding) heldFor(until time.Time) time.Duration {
	if h.since.IsZero() {
		return h.total
	}
	return h.total + max(0, until.Sub(h.since))
}

// heldBy lists the parties who hold, for views.
func (h holding) heldBy() (parties []string) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if h.told.on(side) {
			parties = append(parties, side.String())
		}
	}
	return parties
}
