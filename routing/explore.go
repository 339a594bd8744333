package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// trail is what has happened on a way through a flow, the last in front. Ways
// share what they have in common.
type trail struct {
	before *trail
	text   string
}

func (t *trail) words() string {
	var all []string
	for ; t != nil; t = t.before {
		if t.text != "" {
			all = append(all, t.text)
		}
	}
	slices.Reverse(all)
	return strings.Join(all, ", then ")
}

// moment is an instruction on one of the ways of a call.
type moment struct {
	walk     *Walk
	next     Instruction
	trail    *trail
	reached  reached
	recorded bool // somebody was rung whose talk would have been recorded
}

// reached is what a way has come to, by the places of reachWords.
type reached [4]bool

// note adds what the instruction itself comes to.
func (m *moment) note() {
	switch m.next.(type) {
	case Ring:
		m.reached[0] = true
		m.recorded = m.recorded || m.walk.Recording().Mode != DoNotRecord && m.walk.MayRecord()
	case Message:
		m.reached[1] = true
	case Refuse:
		m.reached[2] = true
	case Hang:
		m.reached[3] = true
	}
}

// letIn reports whether the caller has come past the screening.
func (m moment) letIn() bool { return !strings.HasPrefix(StepOf(m.next), "screening") }

// final reports whether nothing comes behind it.
func (m moment) final() bool {
	switch m.next.(type) {
	case Refuse, Hang, End:
		return true
	}
	return false
}

// key is all that what comes behind depends on: two moments with the same one
// have the same future. How many steps were done counts only when it may be too many soon.
func (m moment) key() string {
	w := m.walk
	at := make([]frame, 0, len(w.stack))
	for _, f := range w.stack {
		if f.at < len(f.block.steps) {
			at = append(at, f)
		}
	}
	return fmt.Sprintf("%T %v %+v %+v %d %v %t", m.next, at, w.state, w.local, max(0, w.steps-maxSteps/2), m.reached, m.recorded)
}

// explorer goes all the ways that calls can take.
type explorer struct {
	left   int                 // instructions that may still be looked at
	tags   []map[string]string // that a hook may set, as far as steps ask for them
	cannot string              // why not all ways could be gone
	visit  func(moment) (stop bool)
}

// explore looks at an instruction and all the ways behind it, the short ones
// first, each state that calls can come to once. The walk is not used again.
func (e *explorer) explore(first moment, at time.Time) {
	known := map[string]bool{}
	for waiting := []moment{first}; len(waiting) > 0; waiting = waiting[1:] {
		m := waiting[0]
		if e.left--; e.left < 0 {
			return
		}
		m.note()
		if e.visit(m) {
			return
		}
		for _, o := range e.outcomes(m, at) {
			next := m
			next.walk = m.walk.Clone()
			next.next = next.walk.Next(o.outcome)
			next.walk.Looks() // nobody reads them, nor the steps
			next.walk.Stepped()
			if o.text != "" {
				next.trail = &trail{m.trail, o.text}
			}
			if !next.final() {
				key := next.key()
				if known[key] {
					continue
				}
				known[key] = true
			}
			waiting = append(waiting, next)
		}
	}
}

// happening is one outcome of an instruction, in words where there are others.
type happening struct {
	outcome Outcome
	text    string
}

// outcomes are those of an instruction that can lead to different ways; none
// when the walk is over.
func (e *explorer) outcomes(m moment, at time.Time) []happening {
	now := When{at}
	switch i := m.next.(type) {
	case Say:
		return []happening{{Said{When: now, Complete: true}, ""}, {Said{When: now}, "the prompt of " + i.Step + " is not heard to its end"}}
	case Gather:
		return m.keys(i, now)
	case Ring:
		return m.rings(i, now)
	case Ask:
		return e.replies(m, i, now)
	case Want:
		if i.Kind == FactRepeats {
			return []happening{{Fact{When: now, Number: 1}, ""}, {Fact{When: now, Number: uint64(i.Most) + 1}, "the caller has called more often than he may"}}
		}
		return []happening{{Fact{When: now}, ""}}
	case Message:
		return []happening{{Messaged{When: now, Left: true}, "a message is left"}, {Messaged{When: now, Failed: true}, "the message cannot be recorded"}}
	case Refuse, Hang, End:
		return nil
	}
	return []happening{{Done{now}, ""}}
}

// keys are what a caller may press: what means something at the step, else any
// key; or nothing.
func (m moment) keys(g Gather, now When) (out []happening) {
	words := g.Among
	if len(words) == 0 {
		words = strings.Split("1234567890*#", "")
	}
	if s := m.walk.current(); s != nil {
		if menu, ok := s.node.(*menuStep); ok {
			words = menu.words
		}
	}
	for _, keys := range words {
		out = append(out, happening{Gathered{When: now, Keys: keys, Complete: true}, keys + " is pressed in " + g.Step})
	}
	return append(out, happening{Gathered{When: now, Complete: true}, "nothing is pressed in " + g.Step})
}

// rings are one result of each kind: by a person, by nobody, by no way there;
// and a talk that the callee has ended.
func (m moment) rings(r Ring, now When) []happening {
	results := []struct {
		result RingResult
		text   string
	}{{NoAnswer, "nobody answers "}, {Declined, "all decline "}, {Unreachable, "nobody can be reached by "}, {Talked, "the callee has hung up after the talk of "}}
	var out []happening
	for _, of := range results {
		trials := r.trials(of.result)
		if of.result == Talked {
			trials = trials[:min(1, len(trials))]
		}
		out = append(out, happening{Rung{When: now, Result: of.result, Trials: trials}, of.text + r.Step})
	}
	return out
}
