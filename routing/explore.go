package routing

import (
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
	walk    *Walk
	next    Instruction
	trail   *trail
	reached reached
}

// reached is what a way has come to, by the places of reachWords.
type reached [4]bool

// explorer goes all the ways that calls can take.
type explorer struct {
	left  int // instructions that may still be looked at
	visit func(moment) (stop bool)
	stop  bool
}

// explore looks at what comes of an instruction: all the ways behind it. The walk is not used again.
func (e *explorer) explore(m moment, at time.Time, asked string) {
	if e.left--; e.left < 0 {
		e.stop = true
	}
	if e.stop {
		return
	}
	switch m.next.(type) {
	case Ring:
		m.reached[0] = true
	case Message:
		m.reached[1] = true
	case Refuse:
		m.reached[2] = true
	case Hang:
		m.reached[3] = true
	}
	if e.visit(m) {
		e.stop = true
		return
	}
	ways := outcomes(m, at, asked)
	if g, gathers := m.next.(Gather); gathers {
		asked = g.Step
	}
	for i, o := range ways {
		w := m.walk
		if i < len(ways)-1 {
			w = w.Clone()
		}
		t := m.trail
		if o.text != "" {
			t = &trail{t, o.text}
		}
		e.explore(moment{w, w.Next(o.outcome), t, m.reached}, at, asked)
	}
}

// happening is one outcome of an instruction, in words where there are others.
type happening struct {
	outcome Outcome
	text    string
}

// outcomes are those of an instruction that can lead to different ways; none
// when the walk is over. Of the answers of a hook only those are looked at that
// name no target: whatever it names at the time of a call is its owner's.
func outcomes(m moment, at time.Time, asked string) []happening {
	now := When{at}
	switch i := m.next.(type) {
	case Say:
		return []happening{{Said{When: now, Complete: true}, ""}, {Said{When: now}, "the prompt of " + i.Step + " is not heard to its end"}}
	case Gather:
		return m.keys(i, now, asked)
	case Ring:
		return m.rings(i, now)
	case Ask:
		out := []happening{{Replied{When: now, Err: "timeout"}, "the hook of " + i.Step + " does not answer"}, {Replied{When: now}, "the hook of " + i.Step + " has nothing to say"}}
		return append(out, happening{Replied{When: now, Reply: HookReply{Refuse: true}}, "the hook of " + i.Step + " refuses"})
	case Want:
		if i.Kind == FactRepeats {
			return []happening{{Fact{When: now, Number: 1}, ""}, {Fact{When: now, Number: 1000}, "the caller has called a thousand times"}}
		}
		return []happening{{Fact{When: now}, ""}}
	case Message:
		return []happening{{Messaged{When: now, Left: true}, "a message is left"}, {Messaged{When: now, Failed: true}, "the message cannot be recorded"}}
	case Refuse, Hang, End:
		return nil
	}
	return []happening{{Done{now}, ""}}
}

// keys are what a caller may press: each option of a menu, else any key; or
// nothing, which is all when he is asked again at the same place.
func (m moment) keys(g Gather, now When, asked string) []happening {
	nothing := happening{Gathered{When: now, Complete: true}, "nothing is pressed in " + g.Step}
	if asked == g.Step {
		return []happening{nothing}
	}
	var out []happening
	if s := m.walk.current(); s != nil {
		if menu, ok := s.node.(*menuStep); ok {
			for _, keys := range menu.words {
				out = append(out, happening{Gathered{When: now, Keys: keys, Complete: true}, keys + " is pressed in " + g.Step})
			}
			return append(out, nothing)
		}
	}
	for _, key := range "1234567890*#" {
		out = append(out, happening{Gathered{When: now, Keys: string(key), Complete: true}, string(key) + " is pressed in " + g.Step})
	}
	return append(out, nothing)
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
		trials := make([]Trial, len(r.Targets))
		for i := range trials {
			trials[i] = Trial{i, of.result}
		}
		if of.result == Talked {
			trials = trials[:min(1, len(trials))]
		}
		out = append(out, happening{Rung{When: now, Result: of.result, Trials: trials}, of.text + r.Step})
	}
	return out
}
