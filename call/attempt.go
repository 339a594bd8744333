package call

import (
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// dialNext starts the next attempt; when there is none left the flow goes on.
func (m *machine) dialNext(at time.Time) {
	if m.next >= len(m.decision.Targets) {
		m.rung(at)
		return
	}
	n := m.next
	m.next++
	l := &leg{id: bLeg(len(m.legs)), ulid: m.mint(), target: n, origin: originOfTarget(m.target(n))}
	m.legs = append(m.legs, l)
	m.current = l.id
	t := m.target(n)
	m.deadline = at.Add(t.Timeout)
	m.publish(events.LegCreated, at, events.LegCreatedData{Leg: l.ulid, Role: "b", Attempt: n + 1, Trunk: t.Trunk, RedirectedBy: m.redirectedBy[n]})
	m.do(doTimer{timerRing, t.Timeout}, doDial{leg: l.id, target: n})
}

// attemptFailed ends an attempt that the other side refused or that could not be reached.
func (m *machine) attemptFailed(at time.Time, l *leg, c Cause) {
	m.do(doStopTimer{timerRing})
	m.attemptOver(at, l, "failed", c)
}

// attemptOver goes to the next target, but for a 6xx, which speaks for every
// place the callee could be (RFC 3261 16.7 step 5).
func (m *machine) attemptOver(at time.Time, l *leg, status string, c Cause) {
	l.over = true
	followed := m.redirect(l, c)
	m.publish(events.LegFailed, at, events.LegFailedData{Leg: l.ulid, Status: status, Cause: c.event(), Redirect: followed, Reason: c.Reason, Limit: c.Limit})
	m.stopRingback()
	m.silence(l, at)
	c = truer(c)
	m.flow.trials = append(m.flow.trials, routing.Trial{Target: l.target - m.flow.base, Result: class(c)})
	if rank(c) >= rank(m.worst) {
		m.worst = c
	}
	if c.Status >= 600 {
		m.giveUp(at, c, ByCallee)
		return
	}
	m.dialNext(at)
}
