package routing

// dialStep is a compiled dial.
type dialStep struct {
	path     string
	strategy string
	targets  []target
}

func (s *dialStep) run(w *Walk, o Outcome) Instruction {
	if _, rung := o.(Rung); rung {
		return nil // whoever answers and talks until the end does not come back here
	}
	r := Ring{Step: s.path, Strategy: s.strategy, Failover: allResults, Whisper: w.state.whisper, Screen: w.state.screen}
	for _, t := range s.targets {
		r.Targets = append(r.Targets, t.Target.clone())
		w.look("target", Chosen, t.text)
	}
	return r
}
