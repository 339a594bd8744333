package call

import (
	"time"

	"ringdown/events"
)

// tellScreened tells what screening has found of the caller, each time it is
// something new.
func (m *machine) tellScreened(at time.Time) {
	v := m.decision.Walk.Verdict()
	if v.Result == "" || v == m.verdict { // nothing is said, or nothing is known yet
		return
	}
	m.verdict = v
	m.publish(events.CallScreened, at, events.CallScreenedData{Verdict: v.Result, Rule: v.Rule, Of: v.Of, List: v.List})
}
