package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"ringdown/privacy"
)

// Walk is a call's way through its flow: a cursor without clock, chance or
// memory of its own, that says what is to be done next and is told what became
// of it. The call's machine, explain, replay and the invariants drive it in the
// same way. It keeps the table that decided. One goroutine at a time.
type Walk struct {
	table *Table
	facts walkFacts

	stack []frame
	local local // of the step under way
	under bool  // a step is under way
	moved bool  // it has gone elsewhere: the walk is not to go on behind it
	steps int   // done so far
	now   time.Time
	state walkState
	looks []Look
	here  Stepped // the step under way
	done  []Stepped
	over  bool

	assumed []string // see Assumed; never changed in place
}

// walkFacts are what the walk knows of its call from the beginning.
type walkFacts struct {
	request Request
	caller  number // 0: withheld, or none
	trunk   *trunk
	called  number
	entry   entry
	refused Reason // an intercept: the call is refused for this in the end, whatever the flow says
}

// walkState is what steps leave behind for those after them.
type walkState struct {
	tags    map[string]string // never changed in place
	consent string
	whisper *whisperStep
	screen  *screenStep
	reached map[string]RingResult // by a target's identity: declined or busy; never changed in place
	talked  bool                  // the callee of a talk has hung up; the caller is still there
	flow    *flow                 // the one the walk is in
	jumps   int                   // redirections so far
	verdict Verdict               // of screening
	judging bool                  // it waits for an answer that may change that

	recording Recording // the policy in force
	said      word      // of the flows about it
}

// frame is a place in a list of steps.
type frame struct {
	block *block
	at    int // the step to do next, or under way
}

// node is a compiled step. run takes the outcome of the step's last instruction,
// [Began] at first, and returns the next one, or nil when the step is over. A step
// that branches calls enter and returns nil. A node is shared by all walks: what
// one walk has to remember stands in w.local.
type node interface {
	run(w *Walk, o Outcome) Instruction
}

// local is what a step under way remembers: plain values, so that a walk can be
// cloned. A new step finds it empty.
type local struct {
	phase  int
	tries  int
	number uint64
	text   string
	ids    []string    // never changed in place
	reply  *hookAnswer // never changed in place
}

// Bounds of a walk: a flow cannot keep a call for ever.
const (
	maxSteps = 1000
	maxJumps = 20
)

// newWalk stands before the first step of a flow.
func newWalk(t *Table, f walkFacts, start *flow, r Recording) *Walk {
	w := &Walk{table: t, facts: f, state: walkState{flow: start, recording: r, said: word{start.recording, "flow " + start.id}}}
	w.enter(start.steps)
	if len(w.levels()) > 0 {
		w.stack = append(w.stack, frame{block: screening})
	}
	return w
}

// Next takes the outcome of the instruction it returned last ([Began] at first)
// and returns the next one. Behind the last one it always returns [End].
func (w *Walk) Next(o Outcome) Instruction {
	w.now = o.at()
	for !w.over {
		s := w.current()
		if s == nil {
			break
		}
		if !w.under {
			if w.steps++; w.steps > maxSteps {
				w.look("flow", Missed, fmt.Sprintf("the flow takes more than %d steps", maxSteps))
				break
			}
			w.step(s)
			o = Began{When{w.now}}
		}
		w.moved = false
		switch i := s.run(w, o).(type) {
		case nil:
			w.close()
			if !w.moved {
				w.stack[len(w.stack)-1].at++
			}
		case Refuse:
			w.close()
			w.over = true
			i.Reason = cmp.Or(w.facts.refused, i.Reason)
			return i
		case Hang:
			w.close()
			w.over = true
			return i
		default:
			return i
		}
	}
	w.over = true
	if w.facts.refused != "" {
		return Refuse{Reason: w.facts.refused}
	}
	return End{}
}

// current is the step under way, or to be done; nil: there is none left.
func (w *Walk) current() *stage {
	for len(w.stack) > 0 {
		f := &w.stack[len(w.stack)-1]
		if f.at < len(f.block.steps) {
			return &f.block.steps[f.at]
		}
		w.stack = w.stack[:len(w.stack)-1]
	}
	return nil
}

// enter goes into a list of steps; the walk comes back behind the step that
// called it.
func (w *Walk) enter(b *block) {
	if n := len(w.stack); n > 0 {
		w.stack[n-1].at++
	}
	w.stack = append(w.stack, frame{block: b})
	w.moved = true
}

// jump leaves all lists for the flow.
func (w *Walk) jump(f *flow) {
	w.stack = []frame{{block: f.steps}}
	w.state.flow, w.moved = f, true
}

// Looks returns what was looked at since it was asked last.
func (w *Walk) Looks() []Look {
	out := w.looks
	w.looks = nil
	return out
}

// Tags returns the tags of the call so far.
func (w *Walk) Tags() map[string]string { return maps.Clone(w.state.tags) }

// Consent is what holds of the caller's consent to a recording.
func (w *Walk) Consent() string { return w.state.consent }

// Flow is the id of the flow that the walk is in.
func (w *Walk) Flow() string { return w.state.flow.id }

// Caller is who calls, zero when that is withheld or no number.
func (w *Walk) Caller() privacy.Number {
	if w.facts.caller == 0 {
		return privacy.Number{}
	}
	return w.facts.caller.private()
}

// Clone returns a walk that stands at the same place and goes its own way.
func (w *Walk) Clone() *Walk {
	c := *w
	c.stack, c.looks, c.done = slices.Clone(w.stack), slices.Clone(w.looks), slices.Clone(w.done)
	return &c
}
