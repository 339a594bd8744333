package call

import (
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// stepFacts are what an outcome adds to the story of its step: what a replay needs,
// and never which keys were pressed.
type stepFacts struct {
	keys   int
	number *uint64
	flow   string
	trials []events.StepTrial
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
	case routing.Fact:
		f.number = &o.Number
	case routing.Replied:
		f.flow = o.Reply.Flow
	case routing.Rung:
		f.trials = nil
		for _, t := range o.Trials {
			f.trials = append(f.trials, events.StepTrial{Target: t.Target, Result: string(t.Result)})
		}
	}
}

// tellSteps tells of the steps that are over, with what is known of the outcome that
// the last instruction had: it belongs to the first of them.
func (m *machine) tellSteps(at time.Time) {
	for _, s := range m.decision.Walk.Stepped() {
		f := m.flow.facts
		m.flow.facts = stepFacts{}
		d := events.CallSteppedData{
			Step: s.Step, Kind: s.Kind, Result: s.Result, Choice: s.Choice,
			Number: f.number, Flow: f.flow, Trials: f.trials, Trace: looks(s.Looks),
		}
		if s.Choice == "" {
			d.Keys = f.keys
		}
		m.publish(events.CallStepped, at, d)
	}
}
