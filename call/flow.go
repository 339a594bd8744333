package call

import (
	"time"

	"ringdown/routing"
)

// flowing is a call's walk through its flow, as the machine has it.
type flowing struct {
	ring   *routing.Ring // the dialling under way, or the last one
	base   int           // index of its first target in the decision's targets
	origin []int         // which of the instruction's targets led to each: itself, or one that redirected
	trials []routing.Trial
	worst  Cause // of the attempts of this dialling
}

// hunting are the classes after which a hunt without a flow goes on: a 6xx speaks
// for every place the callee could be (RFC 3261 16.7 step 5).
var hunting = []routing.RingResult{routing.Busy, routing.NoAnswer, routing.Unreachable, routing.Full}

// begin does what the decision says is first.
func (m *machine) begin(at time.Time) {
	if first := m.decision.First; first != nil {
		m.perform(at, first)
		return
	}
	m.perform(at, routing.Ring{Targets: m.decision.Targets, Failover: hunting})
}

// goOn tells the walk what became of its instruction and does the next one.
func (m *machine) goOn(at time.Time, o routing.Outcome) {
	if m.decision.Walk == nil {
		m.perform(at, routing.End{})
		return
	}
	next := m.decision.Walk.Next(o)
	m.tellScreened(at)
	m.perform(at, next)
}

// perform begins an instruction.
func (m *machine) perform(at time.Time, i routing.Instruction) {
	switch i := i.(type) {
	case routing.Ring:
		m.ring(at, i)
	default:
		m.giveUp(at, m.worst, ByCallee)
	}
}

// ring begins to dial.
func (m *machine) ring(at time.Time, r routing.Ring) {
	if !m.mayRing(at) {
		m.goOn(at, routing.Rung{When: routing.When{Time: at}, Result: routing.Full})
		return
	}
	m.become(ringing)
	if m.flow.ring != nil { // a further one: its targets come behind those that were tried
		m.flow.base = len(m.decision.Targets)
		m.next = m.flow.base
		m.decision.Targets = append(m.decision.Targets[:m.next:m.next], r.Targets...)
	}
	m.flow.ring, m.flow.trials, m.flow.worst, m.flow.origin = &r, nil, Cause{}, nil
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
