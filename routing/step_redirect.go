package routing

import "fmt"

// Redirected goes on with another flow and does not come back.
type Redirected struct {
	Flow string `yaml:"flow"` // id
}

type redirectStep struct{ to *flow }

func (b *builder) redirected(spec Redirected, path string) node {
	b.refer("flow", spec.Flow, path+".flow", b.hasFlow, b.flowIDs)
	return &redirectStep{b.flows[spec.Flow]}
}

func (s *redirectStep) ends() {}

func (s *redirectStep) run(w *Walk, _ Outcome) Instruction {
	w.redirect(s.to)
	return nil
}

// redirect goes on with a flow, if the call has not been sent about too often.
func (w *Walk) redirect(to *flow) {
	if w.state.jumps++; w.state.jumps > maxJumps {
		w.result("too often")
		w.look("flow", Missed, fmt.Sprintf("the call was redirected more than %d times", maxJumps))
		w.stack, w.moved = nil, true
		return
	}
	w.look("flow", Chosen, "on with flow "+to.id)
	w.result(to.id)
	w.jump(to)
	if to.recording != (RecordingPolicy{}) {
		w.records(to.recording)
		w.result(to.id)
	}
}
