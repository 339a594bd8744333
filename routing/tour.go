package routing

import (
	"fmt"
	"time"
)

// Assume is what becomes of a walk's instructions where nobody really calls.
type Assume struct {
	Press   []string  // what is pressed at each question, in order; then nothing
	Answers []string  // how each dialling comes out, in order: first, or a RingResult; the last holds for all further ones; none: no-answer
	Hook    HookReply // what each hook says
	HookErr string    // why each hook says nothing instead
	Turn    uint64
	Sticky  string // identity of a target
	Repeats uint64
	Tree    bool // every choice is looked at, instead
}

// AnsweredFirst is the word of Assume.Answers for a dialling that its first target
// answers.
const AnsweredFirst = "first"

// Visit is an instruction of such a walk.
type Visit struct {
	Step    string
	Does    string    // the instruction in words
	Targets []Target  // of a Ring
	Passed  []Stepped // the steps that were over before it; of one that ends the call it is the last
	Ways    []Way     // none: the call ends
	Cut     bool      // there would be more: the tree is too large
}

// Way is what may become of a visit.
type Way struct {
	When string // in words
	Then *Visit
}

// mostVisits is how many instructions of a tree are looked at.
const mostVisits = 500

// Tour walks on from a decision by what is assumed; nil when it was refused before
// its flow. The decision's own walk stays where it is.
func (d Decision) Tour(a Assume, at time.Time) *Visit {
	if d.Walk == nil {
		return nil
	}
	t := tour{Assume: a, at: at, left: mostVisits}
	return t.visit(d.Walk.Clone(), d.First)
}

type tour struct {
	Assume
	at      time.Time
	left    int
	pressed int
	rung    int
}

func (t *tour) visit(w *Walk, i Instruction) *Visit {
	v := &Visit{Step: StepOf(i), Does: Describe(i), Passed: w.Stepped()}
	if r, ok := i.(Ring); ok {
		v.Targets = r.Targets
	}
	switch i.(type) {
	case Refuse, Hang, End:
		return v
	}
	if t.left--; t.left < 0 {
		v.Cut = true
		return v
	}
	ways := t.ways(w, i)
	for n, o := range ways {
		if o.outcome == nil {
			v.Ways = append(v.Ways, Way{o.text, nil})
			continue
		}
		on := w
		if n < len(ways)-1 {
			on = w.Clone()
		}
		next := on.Next(o.outcome)
		if t.Tree && o.again {
			for n := 0; n < maxTries && sameQuestion(i, next); n++ {
				next = on.Next(o.outcome)
			}
		}
		v.Ways = append(v.Ways, Way{o.text, t.visit(on, next)})
	}
	return v
}

// sameQuestion reports whether the caller is asked again.
func sameQuestion(i, next Instruction) bool {
	a, ok := i.(Gather)
	b, again := next.(Gather)
	return ok && again && a.Step == b.Step
}

// turn is one of the ways that an instruction may come out; no outcome: the call
// ends with the talk.
type turn struct {
	text    string
	outcome Outcome
	again   bool // given again for as long as it is asked for
}

func (t *tour) ways(w *Walk, i Instruction) []turn {
	now := When{t.at}
	switch i := i.(type) {
	case Say:
		return []turn{{"heard to the end", Said{When: now, Complete: true}, false}}
	case Gather:
		return t.presses(w, now)
	case Ring:
		return t.answers(i, now)
	case Ask:
		return t.replies(w, now)
	case Want:
		f := Fact{When: now, Number: t.Turn, ID: t.Sticky}
		text := fmt.Sprintf("turn %d", t.Turn)
		switch i.Kind {
		case FactRepeats:
			f.Number = max(t.Repeats, 1)
			text = plural(int(f.Number), "call")
		case FactSticky:
			if text = "nobody"; t.Sticky != "" {
				text = "the one given"
			}
		}
		return []turn{{text, f, false}}
	case Message:
		return []turn{{"a message is left", Messaged{When: now, Left: true}, false}}
	}
	return []turn{{"done", Done{now}, false}}
}

func (t *tour) presses(w *Walk, now When) (out []turn) {
	if t.Tree {
		for _, keys := range w.keyed() {
			out = append(out, turn{"pressed " + keys, Gathered{now, keys, true}, false})
		}
		return append(out, turn{"nothing pressed", Gathered{When: now, Complete: true}, true})
	}
	if t.pressed >= len(t.Press) {
		return []turn{{"nothing pressed", Gathered{When: now, Complete: true}, false}}
	}
	keys := t.Press[t.pressed]
	t.pressed++
	return []turn{{"pressed " + keys, Gathered{now, keys, true}, false}}
}

// keyed are the entries that mean something to the step under way.
func (w *Walk) keyed() []string {
	s := w.current()
	if s == nil {
		return nil
	}
	switch n := s.node.(type) {
	case *menuStep:
		return n.words
	case *surveyStep:
		return n.gather.Among[:1] // one answer leads where all do
	}
	return nil
}

func (t *tour) answers(r Ring, now When) (out []turn) {
	answered := turn{"answered, and the call ends with the talk", nil, false}
	if r.Keep {
		answered = turn{"answered, and the callee has hung up", Rung{When: now, Result: Talked}, false}
	}
	failed := func(result RingResult) turn {
		return turn{string(result), Rung{When: now, Result: result, Trials: r.trials(result)}, false}
	}
	if t.Tree {
		return []turn{answered, failed(NoAnswer)}
	}
	word := string(NoAnswer)
	if n := len(t.Answers); n > 0 {
		word = t.Answers[min(t.rung, n-1)]
		t.rung++
	}
	if word == AnsweredFirst {
		return []turn{answered}
	}
	return []turn{failed(RingResult(word))}
}

func (t *tour) replies(w *Walk, now When) (out []turn) {
	if !t.Tree {
		if t.HookErr != "" {
			return []turn{{"no answer: " + t.HookErr, Replied{When: now, Err: t.HookErr}, false}}
		}
		return []turn{{"answered", Replied{When: now, Reply: t.Hook}, false}}
	}
	if s := w.current(); s != nil {
		if h, ok := s.node.(*hookStep); ok {
			for _, f := range h.flows {
				out = append(out, turn{"it says flow " + f.id, Replied{When: now, Reply: HookReply{Flow: f.id}}, false})
			}
		}
	}
	return append(out, turn{"it says nothing", Replied{When: now}, false}, turn{"no answer", Replied{When: now, Err: "timeout"}, false})
}
