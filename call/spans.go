package call

import (
	"time"

	"ringdown/routing"
)

// Timers of how long a call may do what.
const (
	timerRings     Timer = "rings"      // it has rung for as long as it may, all attempts together
	timerPreAnswer Timer = "pre-answer" // the caller has waited for an answer as long as he may
)

// Why a call was not rung on: values of reason in the events.
const (
	ReasonRingLimit      = "ring-limit"
	ReasonPreAnswerLimit = "pre-answer-limit"
)

// spanning is how much a call has used of what it may.
type spanning struct {
	rung      time.Duration // until it last stopped ringing
	rings     time.Time     // since when it does; zero: it does not
	waits     bool          // for an answer, with a timer
	talkUntil time.Time     // zero: it does not talk yet
	talkOf    string        // whose limit that is
}

// span starts and stops the timers of what the call has begun or is over with by
// this signal, whatever it was.
func (m *machine) span(at time.Time) {
	if m.state == ended {
		return
	}
	s, may := &m.spans, m.decision.Spans
	switch rings := m.state == ringing; {
	case may.Ring.For == 0:
	case rings && s.rings.IsZero():
		s.rings = at
		m.do(doTimer{timerRings, max(0, may.Ring.For-s.rung)})
	case !rings && !s.rings.IsZero():
		s.rung += at.Sub(s.rings)
		s.rings = time.Time{}
		m.do(doStopTimer{timerRings})
	}
	switch waits := m.relay && m.connectedAt().IsZero(); {
	case may.PreAnswer.For == 0 || waits == s.waits:
	case waits:
		s.waits = true
		m.do(doTimer{timerPreAnswer, max(0, may.PreAnswer.For-at.Sub(m.invite.At))})
	default:
		s.waits = false
		m.do(doStopTimer{timerPreAnswer})
	}
}

// mayRing reports whether the call may be rung on.
func (m *machine) mayRing(at time.Time) bool {
	may, s := m.decision.Spans.Ring.For, m.spans
	if !s.rings.IsZero() {
		s.rung += at.Sub(s.rings)
	}
	return may == 0 || s.rung < may
}

// rangEnough ends the dialling that is under way: what the flow says behind it
// goes on, as when nobody answers.
func (m *machine) rangEnough(at time.Time) {
	if m.state != ringing || m.mayRing(at) {
		return // it fired while it was being stopped
	}
	c := Cause{Status: 480, Q850: 19, Text: "rung for as long as it may", Limit: m.decision.Spans.Ring.Of, Reason: ReasonRingLimit}
	m.next = len(m.decision.Targets)
	all := m.attempts
	m.attempts = nil
	m.unanswered(at, all, c)
}

// waitedEnough gives up a call that nobody has answered yet, whatever its flow
// would do next.
func (m *machine) waitedEnough(at time.Time) {
	switch {
	case !m.spans.waits:
	case m.state == answering, m.desk.stage == committing: // it is about to be
		m.do(doTimer{timerPreAnswer, recordWait})
	default:
		for _, l := range m.legs[1:] {
			m.hangup(l.id, Cause{Status: 487, Text: "no answer"})
		}
		m.giveUp(at, Cause{Status: 480, Q850: 19, Text: "not answered for as long as that may take",
			Limit: m.decision.Spans.PreAnswer.Of, Reason: ReasonPreAnswerLimit}, ByLimit)
	}
}

// boundTalk sets when the talk has to end: by who the call is of from its
// beginning, by who takes part in it from when he joins.
func (m *machine) boundTalk(at time.Time, l *leg) {
	s, before := &m.spans, m.spans.talkUntil
	if before.IsZero() {
		most := m.decision.Spans.Talk.Or(routing.Span{For: m.max, Of: limitNode})
		s.talkUntil, s.talkOf = at.Add(most.For), most.Of
	}
	if t := l.origin.talk; t.For > 0 && at.Add(t.For).Before(s.talkUntil) {
		s.talkUntil, s.talkOf = at.Add(t.For), t.Of
	}
	if !s.talkUntil.Equal(before) {
		m.do(doTimer{timerMax, s.talkUntil.Sub(at)})
	}
}

// talkedEnough ends a call that has lasted for as long as it may.
func (m *machine) talkedEnough(at time.Time) {
	if at.Before(m.spans.talkUntil) {
		return // it fired while it was being set anew
	}
	m.endBoth(at, ByLimit, Cause{Status: 200, Q850: 16, Text: "longest call allowed", Limit: m.spans.talkOf})
}
