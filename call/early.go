package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
)

// ringbackWait is how long a caller may hear nothing of a target that has taken
// the call before his own phone is told to ring.
const ringbackWait = 3 * time.Second

// progress is what the caller was told last before the answer.
type progress struct {
	status int
	body   string // of the callee's description behind it; empty: none
}

// rings takes a 18x: the world is told of the first, the caller of each that
// says something new.
func (m *machine) rings(l *leg, s Ringing) {
	if !l.rang {
		l.rang = true
		m.publish(events.LegRinging, s.Time, events.LegRingingData{Leg: l.ulid, SIP: s.Status})
	}
	if m.firstRing.IsZero() {
		m.firstRing = s.Time
		m.publish(events.CallRinging, s.Time, events.CallRingingData{Status: "ringing"})
	}
	if len(s.Body) > 0 {
		if l.early == nil {
			m.publish(events.LegEarlyMedia, s.Time, events.LegRingingData{Leg: l.ulid, SIP: s.Status})
		}
		l.early = s.Body
	}
	switch {
	case m.passing != "" && m.passing != l.id: // he hears another one
	case m.hearsNobody() && (len(s.Body) > 0 || s.Status == 183):
		m.tellRinging(180)
	case len(s.Body) > 0:
		m.pass(l, s.Status)
	case s.Status == 183: // progress without sound is silence: ringback comes when it lasts
	default:
		m.tellRinging(s.Status)
	}
}

// hearsNobody reports whether no early media goes to the caller: his trunk does not
// want any, where he made no offer he would have to be made one, when he is answered
// there is none any more, and of somebody who is asked first whether he takes the
// call he hears nothing before that.
func (m *machine) hearsNobody() bool {
	return m.decision.Ringback || m.delayed() || m.attended() || m.flow.vets()
}

// pass lets the caller hear the early media of a leg.
func (m *machine) pass(l *leg, status int) {
	m.stopRingback()
	m.quiet(forRingback, media.Caller)
	m.passing = l.id
	if now := (progress{status, string(l.early)}); now != m.heardOf {
		m.heardOf = now
		m.do(doEarly{status: status, body: l.early, leg: l.id})
	}
}

// tellRinging tells the caller a status without a description, unless he knows.
func (m *machine) tellRinging(status int) {
	if m.attended() { // he hears that he waits already
		m.stopRingback()
		return
	}
	if status == 180 {
		m.stopRingback()
		if m.ringsOurselves() {
			m.ringOut()
			return
		}
	}
	if now := (progress{status: status}); now != m.heardOf {
		m.heardOf = now
		m.do(doProgress{status})
	}
}

// taken is the first sign that a target has the INVITE. From now on the caller
// does not wait in silence for long.
func (m *machine) taken(at time.Time) {
	if m.ringback.IsZero() && m.passing == "" && m.heardOf.status != 180 {
		m.awaitRingback(at)
	}
}

func (m *machine) awaitRingback(at time.Time) {
	m.ringback = at.Add(ringbackWait)
	m.do(doTimer{timerRingback, ringbackWait})
}

func (m *machine) stopRingback() {
	if !m.ringback.IsZero() {
		m.ringback = time.Time{}
		m.do(doStopTimer{timerRingback})
	}
}

// ringbackDue is timerRingback; one that was stopped while it fired is none.
func (m *machine) ringbackDue(at time.Time) {
	if m.ringback.IsZero() || at.Before(m.ringback) {
		return
	}
	m.ringback = time.Time{}
	m.tellRinging(180)
}

// silence ends the early media of a leg that rings no more: the relay forgets
// it, and the caller hears another one, or his own phone when nothing else comes.
func (m *machine) silence(l *leg, at time.Time) {
	if m.passing != l.id {
		return
	}
	m.passing = ""
	m.do(doSilence{media.Callee})
	for _, a := range m.attempts {
		if a.leg != l && a.early != nil {
			m.pass(a.leg, 183)
			return
		}
	}
	m.awaitRingback(at)
}

// sentAt corrects the time of the bridge: an answer that had to wait for a PRACK
// went later than the machine said.
func (m *machine) sentAt(sent time.Time) {
	if m.bridgedAt.IsZero() || !sent.After(m.bridgedAt) {
		return
	}
	m.bridgedAt = sent
	if m.final != nil {
		m.bill(m.final)
	}
}
