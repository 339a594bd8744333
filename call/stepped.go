package call

import (
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// unfinished is the result of a step that the call ended in.
const unfinished = "unfinished"

// stepFacts are what an outcome adds to the story of its step: what a replay needs,
// and never which keys were pressed.
type stepFacts struct {
	keys   int
	number *uint64
	sticky string
	reply  string
	flow   string
	trials []events.StepTrial

	there              []events.Destination
	recording, consent string
}

// noteFacts keeps of an outcome what is told with its step.
func (m *machine) noteFacts(o routing.Outcome) {
	f := &m.flow.facts
	switch o := o.(type) {
	case routing.Gathered:
		f.keys = len(o.Keys)
		if m.flow.choice = ""; len(o.Keys) == 1 {
			m.flow.choice = o.Keys
		}
	case routing.Replied:
		f.reply, f.flow = replyWord(o), o.Reply.Flow
	case routing.Rung:
		f.trials = trials(o.Trials)
	}
}

// noteFact keeps an answer to a question. Who is remembered is told as destinations
// are: by a check sum.
func (m *machine) noteFact(kind routing.FactKind, s Knew) {
	f := &m.flow.facts
	switch {
	case kind != routing.FactSticky:
		f.number = &s.Number
	case s.ID != "":
		f.sticky = routing.Check(s.ID)
	}
}

// noteRing keeps who is to be rung, and what holds of the recording then.
func (m *machine) noteRing(r routing.Ring) {
	p, f := m.policy(), &m.flow.facts
	f.there, f.recording, f.consent = destinations(r.Targets), p.Mode, p.Consent
	switch {
	case m.flow.unrecorded:
		f.recording = routing.DoNotRecord
	case m.flow.record && p.Mode == routing.OnDemand:
		f.recording = recordFromAnswer
	}
}

func replyWord(o routing.Replied) string {
	switch {
	case o.Err != "":
		return o.Err
	case o.Reply.Refuse:
		return "refuse"
	case o.Reply.Flow != "":
		return "flow"
	case len(o.Reply.Targets) > 0:
		return "targets"
	}
	return "nothing"
}

func trials(all []routing.Trial) (out []events.StepTrial) {
	for _, t := range all {
		out = append(out, events.StepTrial{Target: t.Target, Result: string(t.Result)})
	}
	return out
}

// tellSteps tells of the steps that are over, with what is known of the outcome that
// the last instruction had: it belongs to the first of them.
func (m *machine) tellSteps(at time.Time) {
	for _, s := range m.decision.Walk.Stepped() {
		m.tellStep(at, s)
	}
}

// tellLast tells of the step that the call has ended in: no outcome of it goes to
// the walk.
func (m *machine) tellLast(at time.Time) {
	s, under := m.decision.Walk.Under()
	if !under {
		return
	}
	s.Result = unfinished
	switch {
	case m.flow.left:
		s.Result = "left"
	case !m.bridgedAt.IsZero() && m.desk.over.IsZero():
		s.Result = string(routing.Talked)
	}
	if m.flow.ring != nil && m.flow.facts.there != nil {
		m.flow.facts.trials = trials(m.flow.trials)
	}
	m.tellStep(at, s)
}

func (m *machine) tellStep(at time.Time, s routing.Stepped) {
	f := m.flow.facts
	m.flow.facts = stepFacts{}
	d := events.CallSteppedData{
		Step: s.Step, Kind: s.Kind, Result: s.Result, Choice: s.Choice,
		Number: f.number, Sticky: f.sticky, Reply: f.reply, Flow: f.flow, Trials: f.trials, Trace: looks(s.Looks),
		Destinations: f.there, Recording: f.recording, Consent: f.consent,
	}
	if s.Choice == "" {
		d.Keys = f.keys
	}
	m.publish(events.CallStepped, at, d)
}
