package call

import (
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// This file is what holds of a call that is refused, from when that is decided: the
// caller may hear a prompt first, and leave meanwhile.

// tellRejected tells that a call is refused, once.
func (m *machine) tellRejected(at time.Time, c Cause) {
	if m.flow.refused != nil {
		return
	}
	m.flow.refused = &c
	if l, ok := c.look(); ok {
		m.decision.Trace = append(m.decision.Trace, l)
	}
	m.publish(events.CallRejected, at, events.CallRejectedData{
		Status: "rejected", RejectReason: c.Reason, Limit: c.Limit, Cause: c.event(), Trace: looks(m.decision.Trace),
		Draw: routing.Chance(m.decision.Draw), Class: callerClass(m.decision),
	})
}

// asRefused is the end of a call that was refused before, whoever brings it and how.
func (m *machine) asRefused(status string, c Cause) (string, Cause) {
	if r := m.flow.refused; r != nil {
		status, c.Reason = "rejected", r.Reason
	}
	return status, c
}

// challenged reports whether the caller still owes the key that screening asked for.
func (m *machine) challenged() bool {
	return m.decision.Walk.Verdict().Result == routing.ScreenChallenged
}

// leavesUnscreened is a caller who goes without having pressed that key: he has failed.
func (m *machine) leavesUnscreened(at time.Time) {
	if m.challenged() {
		m.tellRejected(at, Refused(string(routing.ChallengeFailed), "left without the key"))
	}
}
