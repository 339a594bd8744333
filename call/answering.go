package call

import (
	"slices"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// picksUp is the first answer: what it says goes to the caller once the relay agrees.
func (m *machine) picksUp(a *attempt, s Answered) {
	if m.flow.vets() {
		m.receive(a, s)
		return
	}
	l := a.leg
	l.answered = true
	m.publish(events.LegAnswered, s.Time, events.LegAnsweredData{Leg: l.ulid})
	m.wins(s.Time, a)
	m.owed = s.Offer && m.delayed()
	body := s.Body
	if len(body) == 0 && !s.Offer { // against RFC 3261 13.2.1, but gateways do: the answer was in the 183
		body = l.early
	}
	m.do(doAgree{leg: l.id, body: body, target: l.target, offer: s.Offer})
}

// wins gives an attempt the call, once the relay agrees.
func (m *machine) wins(at time.Time, a *attempt) {
	m.attempts = slices.DeleteFunc(m.attempts, func(b *attempt) bool { return a == b })
	m.winner, m.answeredAt = a.id, at
	m.become(answering)
	m.stopRingback()
	m.quiet(forRingback, media.Caller)
	m.arm(at)
	m.keepBack(m.attended() && !m.apart)
}

// keepBack keeps a caller whose media flows already, because we have answered him, and
// the callee from hearing each other until the talk is told of, recorded and billed.
// Apart would not do: what is agreed on for keys meanwhile is to hold between the two.
func (m *machine) keepBack(on bool) {
	m.mute(media.Caller, on)
	m.mute(media.Callee, on)
}

func (m *machine) inAnswering(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Agreed:
		m.agreedOn(s)
	case Timeout:
		return m.answeringTimeout(s)
	case Durable:
		switch {
		case !m.committed:
			return true
		case s.Err != nil:
			m.hangup(m.winner, Cause{Status: 503, Text: "events cannot be stored"})
			m.reject(s.Time, Refused(ReasonOverload, "events cannot be stored"))
		default:
			m.bridge(s.Time, false)
		}
	case Bye:
		if from == m.winner {
			m.settle(m.leg(from), s.Time, ByCallee, s.Cause)
			m.giveUp(s.Time, Cause{Status: 480, Q850: 16, Text: "callee hung up"}, ByCallee)
			return true
		}
		return m.leftEarly(from, s)
	case Gone:
		if from == m.winner { // without a Bye: nobody is left to connect the caller to
			m.giveUp(s.Time, Cause{Status: 500, Text: "leg lost"}, ByCallee)
			return true
		}
		return m.leftEarly(from, s)
	case Lost:
		if from == m.winner {
			m.settle(m.leg(from), s.Time, ByCallee, s.Cause)
			m.giveUp(s.Time, s.Cause, ByCallee)
			return true
		}
		return m.leftEarly(from, s)
	case Offered: // the callee may change the session as soon as our ACK is out
		m.offeredEarly(from, s)
	case Withdrawn:
		m.withdrawn(from, media.Callee, s)
	case Settled:
		m.settled(s)
	case Failed:
		return from != m.winner
	default:
		return m.leftEarly(from, s)
	}
	return true
}

func (m *machine) answeringTimeout(s Timeout) bool {
	switch s.Timer {
	case timerRecord:
		if m.recording != opening || m.committed {
			return true
		}
		if m.mustRecord() {
			m.refuseUnrecorded(s.Time)
			return true
		}
		m.commit(s.Time)
	case timerDurable:
		if m.committed {
			m.bridge(s.Time, true)
		}
	case timerRing, timerRingback: // fired while it was being stopped
	default:
		return false
	}
	return true
}

func (m *machine) agreedOn(s Agreed) {
	if m.agreed != nil {
		return // asked once, answered once
	}
	l := m.leg(m.winner)
	if s.Err != nil {
		c := causeOf(s.Err, 488, "answer not acceptable")
		m.hangup(l.id, c)
		m.winner, m.answeredAt = "", time.Time{}
		m.keepBack(false)
		m.become(ringing)
		m.attemptOver(s.Time, &attempt{leg: l}, "failed", c)
		if m.state == ringing {
			m.entertain()
			m.nextGuest(s.Time)
		}
		return
	}
	m.agreed, m.desk.told = s.Body, s.Told
	m.closeRoom(l)
	m.dropAttempts(s.Time, elsewhere)
	switch {
	case m.recording != recording && m.records(s.Time, recordFromAnswer):
		m.startRecording(talking{A, m.winner})
		m.do(doTimer{timerRecord, recordWait})
	case m.recording == opening: // from ringing, still being opened
		m.do(doTimer{timerRecord, recordWait})
	case m.lacksConsent(recordFromAnswer), m.recording == recordingOver && m.mustRecord():
		m.refuseUnrecorded(s.Time)
	default:
		m.commit(s.Time)
	}
}

// recorded takes the news of the recording in any state before the end.
func (m *machine) recorded(s Recorded) {
	if m.fresh == opening {
		m.segmentOpened(s)
		return
	}
	if m.recording == recordingLate { // it is not wanted any more
		m.recording = recordingOver
		if m.desk.over.IsZero() { // but another one may be
			m.recording = notRecording
		}
		if s.Err == nil {
			m.do(doCloseRecording{ended: s.Time, fresh: true, discard: m.optedOut()})
		}
		return
	}
	if m.recording != opening {
		return
	}
	if s.Err != nil {
		m.recording = recordingOver
		if m.mustRecord() && m.state != inProgress {
			m.refuseUnrecorded(s.Time)
			return
		}
	} else {
		m.recording = recording
		m.do(doTap{m.pausedBy()})
		m.beeps()
	}
	if m.state == answering && m.agreed != nil && !m.committed {
		m.do(doStopTimer{timerRecord})
		m.commit(s.Time)
	}
}

// commit writes call.answered; the caller's 200 waits for it.
func (m *machine) commit(at time.Time) {
	m.committed = true
	m.do(doPublish{kind: events.CallAnswered, at: m.answeredAt, wait: true,
		data: events.CallAnsweredData{Winner: m.leg(m.winner).ulid}})
	m.do(doTimer{timerDurable, durableWait})
}

// bridge tells the caller. Billing starts here: before it he has no answer.
func (m *machine) bridge(at time.Time, late bool) {
	m.bridgedAt = at
	m.talk = talking{A, m.winner}
	if m.delayed() && !m.attended() {
		m.exchange = &exchange{step: firstAnswer, leg: A, asked: A}
	}
	m.become(inProgress)
	m.do(doStopTimer{timerDurable})
	m.meet()
	m.keepBack(false)
	if m.attended() {
		m.connect()
	} else {
		m.do(doAnswer{m.agreed})
	}
	m.stickTo(m.leg(m.winner))
	m.publish(events.CallBridged, at, events.CallBridgedData{Winner: m.leg(m.winner).ulid, LateDurable: late})
	m.tellHolds(at)
	m.beeps()
	m.boundTalk(at, m.leg(m.winner))
	m.listenForCodes()
}
