package call

import (
	"slices"
	"strconv"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

const (
	recordFromRinging = "record-from-ringing"
	recordFromAnswer  = "record-from-answer"
	refuseCall        = "refuse-call"

	retryLater = 10 // seconds, for Retry-After
)

func bLeg(n int) LegID { return LegID("b" + strconv.Itoa(n)) }

func (m *machine) mustRecord() bool { return m.policy().OnFailure == refuseCall }

// leftEarly handles what ends a call before it is answered: the caller gives
// up, his leg is lost, or somebody stops the call.
func (m *machine) leftEarly(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Cancelled:
		m.cancelled(s)
	case Bye:
		if from != A {
			return false
		}
		m.abandon(s.Time, s.Cause)
	case Gone:
		if from != A {
			return false
		}
		m.abandon(s.Time, Cause{Status: 500, Text: "leg lost"})
	case Lost:
		if from != A {
			return false
		}
		m.abandon(s.Time, s.Cause)
	case Stop:
		c := Cause{Status: 503, Q850: 41, Text: "stopped", Retry: retryLater}
		if s.By == ByAPI { // this call alone: the caller's carrier must not think the node is going
			c = Cause{Status: 480, Q850: 31, Text: "stopped"}
		}
		m.hangupAll(c)
		m.end(s.Time, "canceled", s.By, c)
	default:
		return false
	}
	return true
}

// cancelled is the caller's side giving up, or telling that another place took
// his call.
func (m *machine) cancelled(s Cancelled) {
	if s.Cause.Elsewhere() {
		m.hangupAll(elsewhere)
		m.end(s.Time, "canceled", ByCaller, s.Cause)
		return
	}
	c := Cause{Status: 487, Q850: 16, Text: "caller gave up", Remote: true}
	if s.Cause.Q850 != 0 {
		c.Q850 = s.Cause.Q850
	}
	m.abandon(s.Time, c)
}

func (m *machine) abandon(at time.Time, c Cause) {
	out := Cause{Status: 487, Q850: 16, Text: "caller gave up"}
	if c.Q850 != 0 {
		out.Q850 = c.Q850
	}
	m.hangupAll(out)
	m.end(at, "abandoned", ByCaller, c)
}

// reject refuses a call for a reason of ours.
func (m *machine) reject(at time.Time, c Cause) {
	by := ByFlow
	switch c.Reason {
	case ReasonOverload, ReasonConcurrencyLimit, ReasonCPSLimit:
		by = ByLimit
	}
	m.tellRejected(at, c)
	m.hangup(A, c)
	m.end(at, "rejected", by, c)
}

func (m *machine) refuseUnrecorded(at time.Time) {
	c := Refused(ReasonRecordingImpossible, "recording impossible")
	for _, l := range m.legs[1:] {
		m.hangup(l.id, c)
	}
	m.reject(at, c)
}

// giveUp ends a call that reached nobody.
func (m *machine) giveUp(at time.Time, c Cause, by Ender) {
	c = truer(c)
	status := "failed"
	switch {
	case c.Status == 486 || c.Status == 600 || c.Status == 603:
		status = "busy"
	case c.Status == 480 && c.Q850 == 19, c.Status == 408 && c.Remote, c.Status == 480 && c.Remote:
		status = "no-answer"
	}
	switch {
	case c.Limit != "":
		by = ByLimit
	case c.Reason == ReasonFraudGuard:
		by = ByGuard
	case !c.Remote:
		by = ByFlow
	}
	// The call's cause is what the caller heard; the legs keep their own.
	c.Pass = m.decision.PassRedirect
	c = c.TowardsCaller()
	m.hangup(A, c)
	m.end(at, status, by, c)
}

func (m *machine) hangupAll(c Cause) {
	for _, l := range m.legs {
		m.hangup(l.id, c)
	}
}

// hangup asks a leg to end, once.
func (m *machine) hangup(id LegID, c Cause) {
	l := m.leg(id)
	if l == nil || l.hung || l.gone {
		return
	}
	l.hung = true
	m.do(doHangup{id, c})
}

// dismiss ends a leg that answered although nobody waits for it any more.
func (m *machine) dismiss(id LegID, at time.Time) {
	l := m.leg(id)
	if l.answered {
		return
	}
	l.answered, l.hung, l.over = true, true, true
	c := Cause{Status: 200, Q850: 16, Text: "answered too late"}
	if m.winner != "" && m.winner != id {
		c = elsewhere
	}
	m.publish(events.LegAnswered, at, events.LegAnsweredData{Leg: l.ulid})
	m.do(doHangup{id, c})
	m.publish(events.LegEnded, at, events.LegEndedData{Leg: l.ulid, EndedBy: string(ByFlow), Cause: c.event()})
}

// settle tells the end of a leg, once.
func (m *machine) settle(l *leg, at time.Time, by Ender, c Cause) {
	if l.over {
		return
	}
	l.over = true
	if l.id != A && !l.answered {
		m.publish(events.LegFailed, at, events.LegFailedData{Leg: l.ulid, Status: "canceled", Cause: c.event()})
		return
	}
	m.publish(events.LegEnded, at, events.LegEndedData{Leg: l.ulid, EndedBy: string(by), Cause: c.event()})
}

// end is the one way into the state ended. Everything that was begun is closed
// here; call.ended goes out when the relay has told what it counted and it is
// known whether the caller ever heard of the answer.
func (m *machine) end(at time.Time, status string, by Ender, c Cause) {
	status, c = m.asRefused(status, c)
	m.closeDesk(at, by)
	m.tellLast(at)
	m.tellBursts(at)
	m.become(ended)
	m.dropTransfer()
	m.status, m.endedAt = status, at
	for _, a := range m.attempts {
		m.hangup(a.id, Cause{Status: 487, Q850: 16, Text: "the call is over"})
	}
	for i := len(m.legs) - 1; i >= 0; i-- {
		m.settle(m.legs[i], at, by, c)
	}
	m.final = m.summary(status, by, c)
	m.uncounted = m.relay
	m.unheard = m.mayStillHear() && by != ByNoACK
	m.do(doStopTimer{}, doTimer{timerLinger, lingerWait})
	if m.recording == recording && m.allGone() { // nothing waits for the relay's last word then
		m.recording = recordingOver
		m.do(doCloseRecording{ended: at, live: true})
	}
	if m.relay {
		m.quietAll()
		for _, l := range m.legs {
			m.closeRoom(l)
		}
		m.do(doCloseRelay{})
	}
	m.attempts = nil
	m.publishEnd()
	if m.recording == recording {
		m.recording = recordingOver
		m.do(doCloseRecording{ended: at})
	}
	m.finishWhenGone()
}

// lastWords closes the books of a call whose goroutine broke: what was not told
// of the ends of its legs and of itself.
func (m *machine) lastWords(at time.Time) []doPublish {
	m.out = nil
	if m.state != ended {
		m.become(ended)
		m.endedAt = at
		for i := len(m.legs) - 1; i >= 0; i-- {
			m.settle(m.legs[i], at, ByNodeLoss, internalError)
		}
		status, c := m.asRefused("failed", internalError)
		m.final = m.summary(status, ByNodeLoss, c)
	}
	m.uncounted, m.unheard = false, false
	m.publishEnd()
	var out []doPublish
	for _, a := range m.out {
		out = append(out, a.(doPublish))
	}
	return out
}

// finishWhenGone lets the call go when no leg and no recording can speak any more.
func (m *machine) finishWhenGone() {
	if m.finished || m.recording == opening || m.recording == recordingLate || m.fresh == opening || m.final != nil {
		return
	}
	if !m.allGone() {
		return
	}
	m.finished = true
	m.do(doFinish{})
}

// allGone reports whether no leg can say anything any more.
func (m *machine) allGone() bool {
	return !slices.ContainsFunc(m.legs, func(l *leg) bool { return !l.gone })
}

// callStatus is the state in the world's words.
func (m *machine) callStatus() string {
	switch m.state {
	case answering, ringing:
		if !m.attended() {
			return string(ringing)
		}
		return string(inProgress)
	case attending:
		if !m.attended() {
			return string(routingSt)
		}
		return string(inProgress)
	case ended:
		return m.status
	}
	return string(m.state)
}

func looks(trace []routing.Look) []events.Look {
	out := make([]events.Look, len(trace))
	for i, l := range trace {
		out[i] = events.Look(l)
	}
	return out
}

func totals(s media.Stats) *events.MediaTotals {
	return &events.MediaTotals{Caller: flow(s.Caller), Callee: flow(s.Callee)}
}

func flow(f media.Flow) events.MediaFlow {
	out := events.MediaFlow{Packets: f.Packets, Bytes: f.Bytes, RTCP: f.RTCP, Codec: f.Heard.Codec, Lost: f.Heard.Lost, JitterMS: milli(f.Heard.Jitter)}
	if f.Heard.Rated {
		out.MOSLQ = round(f.Heard.ListeningMOS, 100)
	}
	for d, n := range f.Drops {
		if n > 0 {
			if out.Drops == nil {
				out.Drops = map[string]uint64{}
			}
			out.Drops[media.Drop(d).String()] = n
		}
	}
	return out
}
