package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// flowing is a call's walk through its flow, as the machine has it.
type flowing struct {
	ring   *routing.Ring // the dialling under way, or the last one
	base   int           // index of its first target in the decision's targets
	origin []int         // which of the instruction's targets led to each: itself, or one that redirected
	trials []routing.Trial
	worst  Cause // of the attempts of this dialling

	facts      stepFacts
	choice     string // the key that the caller chose last by
	sticky     string // whose answer is to be remembered: what the walk asked by
	left       bool   // a message
	record     bool   // said by the flow: start
	unrecorded bool   // stop
	blocked    string // why nothing is recorded, as it was told last
	refused    *Cause // why the call is refused: call.rejected was told; nil: it is not
}

// hunting are the classes after which a hunt without a flow goes on: a 6xx speaks
// for every place the callee could be (RFC 3261 16.7 step 5).
var hunting = []routing.RingResult{routing.Busy, routing.NoAnswer, routing.Unreachable, routing.Full}

// begin does what the decision says is first.
func (m *machine) begin(at time.Time) {
	if first := m.decision.First; first != nil {
		if m.decision.Walk != nil {
			m.tellSteps(at)
		}
		m.perform(at, first)
		return
	}
	m.perform(at, routing.Ring{Targets: m.decision.Targets, Failover: hunting, Redial: true})
}

// goOn tells the walk what became of its instruction and does the next one.
func (m *machine) goOn(at time.Time, o routing.Outcome) {
	if m.decision.Walk == nil {
		m.perform(at, routing.End{})
		return
	}
	m.noteFacts(o)
	next := m.decision.Walk.Next(o)
	m.tellScreened(at)
	m.tellSteps(at)
	m.heedConsent(at)
	m.perform(at, next)
}

// perform begins an instruction.
func (m *machine) perform(at time.Time, i routing.Instruction) {
	switch i := i.(type) {
	case routing.Ring:
		m.ring(at, i)
	case routing.Say:
		m.attend(at, i, i.Step, i.Early)
	case routing.Gather:
		m.attend(at, i, i.Step, i.Early)
	case routing.Message:
		m.attend(at, i, i.Step, false)
	case routing.Ask:
		m.ask(at, i)
	case routing.Want:
		m.want(at, i)
	case routing.Control:
		m.control(at, i)
		m.done(at)
	case routing.Label:
		m.publish(events.CallTagged, at, events.CallTaggedData{Step: i.Step, Tags: i.Tags})
		m.done(at)
	case routing.Told:
		m.consented(at, i)
		m.done(at)
	case routing.Refuse:
		m.refuseAfter(at, i)
	case routing.Hang:
		m.hangAfter(at, i)
	default:
		m.through(at)
	}
}

func (m *machine) done(at time.Time) { m.goOn(at, routing.Done{When: routing.When{Time: at}}) }

// refuseAfter refuses the caller, behind prompts when he can hear them without
// being answered for that.
func (m *machine) refuseAfter(at time.Time, i routing.Refuse) {
	if len(i.Prompts) == 0 || !m.attended() && !m.hearsEarly() {
		m.refuseBy(at, i)
		return
	}
	m.tellRejected(at, refusalOf(i)) // he may hang up before he has heard it all
	m.attend(at, i, i.Step, true)
}

// refuseBy refuses him.
func (m *machine) refuseBy(at time.Time, i routing.Refuse) {
	m.closeDesk(at, ByFlow)
	m.reject(at, refusalOf(i))
}

func refusalOf(i routing.Refuse) Cause {
	c := Refused(string(i.Reason), "")
	if i.Status != 0 {
		c.Status, c.Q850 = i.Status, Q850(i.Status)
	}
	return c
}

// refusesAloud reports whether a call that is refused is told so first: that takes
// a relay.
func (m *machine) refusesAloud() bool {
	i, ok := m.decision.First.(routing.Refuse)
	return ok && len(i.Prompts) > 0 && m.hearsEarly()
}

// hangAfter ends the call well. Who is to hear something for that is answered.
func (m *machine) hangAfter(at time.Time, i routing.Hang) {
	if len(i.Prompts) == 0 {
		m.hangUp(at)
		return
	}
	m.attend(at, i, i.Step, false)
}

// hangUp ends the call as its flow says.
func (m *machine) hangUp(at time.Time) {
	m.closeDesk(at, ByFlow)
	if !m.attended() {
		c := Cause{Status: 480, Q850: 16, Text: "hung up by the flow"}
		m.hangup(A, c)
		m.end(at, "canceled", ByFlow, c)
		return
	}
	c := Cause{Status: 200, Q850: 16, Text: "hung up by the flow"}
	m.hangup(A, c)
	m.end(at, "completed", ByFlow, c)
}

// through is the end of the flow: it has come to something, or reached nobody.
func (m *machine) through(at time.Time) {
	if m.attended() && (m.doneOr("") != "" || m.worst.Status == 0) {
		m.hangUp(at)
		return
	}
	m.closeDesk(at, ByFlow)
	m.giveUp(at, m.worst, ByCallee)
}

// ring begins to dial.
func (m *machine) ring(at time.Time, r routing.Ring) {
	if !m.desk.over.IsZero() { // one talk is what a call is for
		m.hangUp(at)
		return
	}
	m.noteRing(r)
	if !m.mayRing(at) {
		m.flow.sticky = ""
		m.goOn(at, routing.Rung{When: routing.When{Time: at}, Result: routing.Full})
		return
	}
	m.become(ringing)
	m.desk.doing, m.desk.entry = nil, entry{}
	if records := m.records(at, recordFromRinging); records && (m.recording == notRecording || m.recording == recordingLate) {
		m.startRecording(talking{caller: A})
	}
	if m.lacksConsent(recordFromRinging) {
		m.refuseUnrecorded(at)
		return
	}
	if _, first := m.decision.First.(routing.Ring); m.flow.ring != nil || m.decision.First != nil && !first { // its targets come behind those that were tried
		m.flow.base = len(m.decision.Targets)
		m.next = m.flow.base
		m.decision.Targets = append(m.decision.Targets[:m.next:m.next], r.Targets...)
	}
	m.flow.ring, m.flow.trials, m.flow.worst, m.flow.origin = &r, nil, Cause{}, nil
	m.entertain()
	for i := range r.Targets {
		m.flow.origin = append(m.flow.origin, i)
	}
	m.dialNext(at)
}

// rung tells the walk that nobody took the call.
func (m *machine) rung(at time.Time) {
	result := routing.Unreachable
	if m.flow.worst.Status != 0 {
		result = class(m.flow.worst)
	}
	m.rungWith(at, result)
}

func (m *machine) rungWith(at time.Time, result routing.RingResult) {
	m.quiet(forRingback, media.Caller)
	m.meet()
	m.flow.sticky = "" // whoever takes the call at a later step is not this one's
	m.goOn(at, routing.Rung{When: routing.When{Time: at}, Result: result, Trials: m.flow.trials})
}

// class is what a failure means for whoever decides what comes next.
func class(c Cause) routing.RingResult {
	switch c = truer(c); {
	case c.Reason == ReasonConcurrencyLimit || c.Reason == ReasonCPSLimit || c.Reason == ReasonFraudGuard:
		return routing.Full
	case c.Status >= 600:
		return routing.Declined
	case c.Status == 486:
		return routing.Busy
	case c.Status == 480 && (c.Remote || c.Q850 == 19), c.Status == 408 && c.Remote, c.Status == 487:
		return routing.NoAnswer
	}
	return routing.Unreachable
}
