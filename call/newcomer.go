package call

import (
	"time"

	"ringdown/events"
)

// newcomerSays handles the signals of who is to come.
func (m *machine) newcomerSays(t *transfer, s Signal) bool {
	l := m.leg(t.leg)
	switch s := s.(type) {
	case Ringing:
		if t.stage != inviting {
			return true // overtaken by its 2xx
		}
		if !l.rang {
			l.rang = true
			m.publish(events.LegRinging, s.Time, events.LegRingingData{Leg: l.ulid, SIP: s.Status})
		}
		if len(s.Body) > 0 {
			l.early = s.Body
		}
		m.report(t, s.Status)
	case Answered:
		if t.stage != inviting {
			return true // it was not asked
		}
		l.answered = true
		m.publish(events.LegAnswered, s.Time, events.LegAnsweredData{Leg: l.ulid})
		if t.said = s.Body; len(s.Body) == 0 {
			t.said = l.early
		}
		m.join(s.Time, t)
	case Accepted:
		if t.stage != offering {
			return false
		}
		t.said = s.Body
		m.join(s.Time, t)
	case Declined:
		m.newcomerOver(s.Time, t, "failed", s.Cause)
	case Failed:
		l.over = true
		m.publish(events.LegFailed, s.Time, events.LegFailedData{Leg: l.ulid, Status: "failed", Cause: s.Cause.event(), Reason: s.Cause.Reason, Limit: s.Cause.Limit})
		m.newcomerOver(s.Time, t, "failed", s.Cause)
	case Bye:
		m.newcomerOver(s.Time, t, "failed", Cause{Status: 480, Q850: 16, Text: "newcomer hung up", Remote: true})
	case Cancelled:
		m.newcomerOver(s.Time, t, "canceled", Cause{Status: 487, Q850: 16, Text: "newcomer gave up", Remote: true})
	case Lost:
		m.newcomerOver(s.Time, t, "failed", s.Cause)
	case NoAck:
		m.newcomerOver(s.Time, t, "failed", Cause{Status: 408, Q850: 102, Text: "ACK did not come"})
	case Gone:
		m.newcomerOver(s.Time, t, "failed", Cause{Status: 500, Text: "leg lost"})
	default:
		return false
	}
	return true
}

// newcomerOver ends who was to come, and asks the next target if there is one.
func (m *machine) newcomerOver(at time.Time, t *transfer, status string, c Cause) {
	l := m.leg(t.leg)
	m.do(doStopTimer{timerTransfer}, doStopTimer{timerRecord})
	m.hangup(l.id, c)
	if !l.over {
		if l.answered {
			by := ByFlow
			if c.Remote {
				by = enderOf(t.side)
			}
			m.settle(l, at, by, c)
		} else {
			l.over = true
			m.publish(events.LegFailed, at, events.LegFailedData{Leg: l.ulid, Status: status, Cause: c.event()})
		}
	}
	t.leg = ""
	if rank(c) >= rank(t.worst) {
		t.worst = c
	}
	if c.Status >= 600 {
		t.targets = nil
	}
	m.inviteNext(at, t)
}
