package call

import (
	"slices"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// maxTogether is how many targets are rung at the same time.
const maxTogether = 16

// attempt is a target that is being dialled. In a hunt there is one at a time.
type attempt struct {
	*leg
	deadline time.Time // until when it may ring, or listen
	guest    *guest    // has answered and is spoken to first; nil: it rings
}

// attempt returns the one that a leg is, nil when it is none any more.
func (m *machine) attempt(id LegID) *attempt {
	for _, a := range m.attempts {
		if a.id == id {
			return a
		}
	}
	return nil
}

// heardOnRelay is who speaks on the callee's side of the relay before the call is
// answered: whose early media passes, or the only one who could.
func (m *machine) heardOnRelay() LegID {
	if m.passing == "" && len(m.attempts) == 1 {
		return m.attempts[0].id
	}
	return m.passing
}

// dialNext starts the next attempt, or as many as may ring together; when there is
// none left the flow goes on.
func (m *machine) dialNext(at time.Time) {
	most := 1
	if m.flow.ring.Together {
		most = maxTogether
	}
	for len(m.attempts) < most && m.next < len(m.decision.Targets) {
		if m.refused(m.target(m.next)) {
			m.next++
			continue
		}
		m.dial(at)
	}
	if len(m.attempts) == 0 {
		m.rung(at)
	}
}

// refused reports whether a target that the list names again, as one destination
// in the manner of two trunks, has declined or was busy at its first try.
func (m *machine) refused(t routing.Target) bool {
	r, id := m.flow.ring, t.Identity()
	return !r.Redial && id != "" && slices.ContainsFunc(m.flow.trials, func(done routing.Trial) bool {
		return (done.Result == routing.Declined || done.Result == routing.Busy) &&
			done.Target >= 0 && done.Target < len(r.Targets) && r.Targets[done.Target].Identity() == id
	})
}

// dial starts an attempt.
func (m *machine) dial(at time.Time) {
	n := m.next
	m.next++
	t := m.target(n)
	a := &attempt{leg: &leg{id: bLeg(len(m.legs)), ulid: m.mint(), target: n, origin: originOfTarget(t)}, deadline: at.Add(t.Timeout)}
	a.named = m.flow.ring.Together
	a.room = a.named && m.flow.vets() // several may listen at once
	m.legs = append(m.legs, a.leg)
	m.attempts = append(m.attempts, a)
	m.publish(events.LegCreated, at, events.LegCreatedData{Leg: a.ulid, Role: "b", Attempt: n + 1, Trunk: t.Trunk, RedirectedBy: m.redirectedBy[n]})
	m.arm(at)
	if m.flow.vets() && !a.room {
		m.part()
	}
	m.do(doDial{leg: a.id, target: n})
}

// arm lets timerRing go off when the first attempt has rung long enough.
func (m *machine) arm(at time.Time) {
	var first time.Time
	for _, a := range m.attempts {
		if first.IsZero() || a.deadline.Before(first) {
			first = a.deadline
		}
	}
	switch {
	case first.Equal(m.armed):
		return
	case first.IsZero():
		m.do(doStopTimer{timerRing})
	default:
		m.do(doTimer{timerRing, first.Sub(at)})
	}
	m.armed = first
}

// someRangEnough is timerRing: some attempt has rung long enough, unless the timer was
// being stopped as it fired.
func (m *machine) someRangEnough(at time.Time) {
	if at.Before(m.armed) {
		return
	}
	m.armed = time.Time{}
	var late, rest []*attempt
	for _, a := range m.attempts {
		if at.Before(a.deadline) {
			rest = append(rest, a)
		} else {
			late = append(late, a)
		}
	}
	m.attempts = rest
	m.unanswered(at, late, Cause{Status: 480, Q850: 19, Text: "no answer"})
}

// unanswered ends attempts that have rung for long enough.
func (m *machine) unanswered(at time.Time, late []*attempt, c Cause) {
	m.arm(at)
	var last verdict
	for _, a := range late {
		switch {
		case a.guest == nil:
			m.hangup(a.id, Cause{Status: 487, Text: "no answer"})
			last = m.note(at, a, "canceled", c)
		case a.guest.stage == asked || a.guest.stage == hearing:
			last = m.turnsDown(at, a, declinedLate, Cause{Status: 480, Q850: 19, Text: "not taken in time"})
		default:
			last = m.turnsDown(at, a, declinedLost, Cause{Status: 504, Q850: 102, Text: "no answer to the new media"})
		}
	}
	if len(late) > 0 {
		m.proceed(at, last)
	}
	if m.state == ringing {
		m.nextGuest(at)
	}
}

// attemptOver ends an attempt that came to nothing, and goes on with the others or
// the next target as far as the flow wants it after a failure of this class.
func (m *machine) attemptOver(at time.Time, a *attempt, status string, c Cause) {
	m.attempts = slices.DeleteFunc(m.attempts, func(b *attempt) bool { return a == b })
	m.arm(at)
	m.proceed(at, m.note(at, a, status, c))
}

// verdict is how an attempt came out, for what follows.
type verdict struct {
	result   routing.RingResult
	followed bool // its redirection is; that decides
}

// note tells of the end of an attempt that came to nothing.
func (m *machine) note(at time.Time, a *attempt, status string, c Cause) verdict {
	a.over = true
	redirection := m.redirect(a.leg, c)
	m.publish(events.LegFailed, at, events.LegFailedData{Leg: a.ulid, Status: status, Cause: c.event(), Redirect: redirection, Reason: c.Reason, Limit: c.Limit})
	if len(m.attempts) == 0 {
		m.stopRingback()
	}
	m.silence(a.leg, at)
	m.closeRoom(a.leg)
	c = truer(c)
	return m.tried(a, c, class(c), redirection == redirectFollowed)
}

// tried keeps how an attempt came out, but for one that goes on elsewhere.
func (m *machine) tried(a *attempt, c Cause, result routing.RingResult, followed bool) verdict {
	v := verdict{result, followed}
	if !followed {
		m.flow.trials = append(m.flow.trials, routing.Trial{Target: m.flow.origin[a.target-m.flow.base], Result: v.result})
	}
	for _, worst := range []*Cause{&m.worst, &m.flow.worst} {
		if rank(c) >= rank(*worst) {
			*worst = c
		}
	}
	return v
}

// proceed goes on after an attempt that came to nothing, if the flow wants that.
func (m *machine) proceed(at time.Time, v verdict) {
	switch {
	case v.followed || slices.Contains(m.flow.ring.Failover, v.result):
	case m.flow.ring.Together && v.result != routing.Declined: // the others may still answer
	default:
		m.ringOver(at, v.result)
		return
	}
	m.dialNext(at)
}

// ringOver ends a dialling before every target was tried.
func (m *machine) ringOver(at time.Time, result routing.RingResult) {
	m.dropAttempts(at, Cause{Status: 487, Q850: 16, Text: "nobody else is to be rung"})
	m.rungWith(at, result)
}

// dropAttempts ends all attempts there are.
func (m *machine) dropAttempts(at time.Time, c Cause) {
	all := m.attempts
	m.attempts = nil
	m.arm(at)
	for _, a := range all {
		m.hangup(a.id, c)
		m.sendOff(a)
		m.settle(a.leg, at, ByFlow, c)
	}
}
