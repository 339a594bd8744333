package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Past is a call as its events tell it: what was asked, what was decided and
// what became of each step.
type Past struct {
	Request   Request // with the Class where nobody can tell the number any more
	Reject    Reason  // empty: it was routed
	Recording string  // mode
	Consent   string  // what held at the end; a word of Walk.Consent
	Caps      map[string]int64
	First     []Direction // of the dial that came first; nil: something else did, or it is not known
	Steps     []PastStep
	Looks     []string // texts of its traces
}

// PastStep is a step that was done.
type PastStep struct {
	Step, Kind, Result, Choice, Flow string
	Number                           uint64
	Trials                           []Trial
	Directions                       []Direction // of a dial; nil: not known
}

// Direction is a destination without telling who it is.
type Direction struct{ Check, Class, Trunk string }

// Difference is one thing that would come out otherwise.
type Difference struct {
	What string `json:"what"` // refusal | destination | price | recording | consent | cap
	Was  string `json:"was"`
	Is   string `json:"is"`
	Why  string `json:"why"` // what the table looks at that reads otherwise than then
}

// Replay decides a past call again, with its clock, its draw and what became of
// its steps, and tells what would come out otherwise. Where the call would go
// another way than it did, what was not asked then is assumed, and told in
// assumed: that prompts are heard, that nothing is pressed, that nobody answers.
func (t *Table) Replay(p Past) (out []Difference, assumed []string) {
	r := replay{past: p, steps: slices.Clone(p.Steps)}
	d := t.Decide(p.Request)
	r.see(d.Trace)
	if d.Walk == nil || p.Reject != "" && d.Reject != "" {
		r.refusal(d.Reject)
		return r.out, nil
	}
	if d.Reject == "" && p.Reject == "" {
		r.compare("cap", capWords(p.Caps), capWords(d.Caps()), p.Caps != nil)
		r.compare("recording", p.Recording, d.Recording.Mode, p.Recording != "")
	}
	r.follow(d.Walk, d.First)
	assumed = append(d.Walk.Assumed(), r.assumed...)
	return r.out, assumed
}

type replay struct {
	past    Past
	steps   []PastStep // not met yet
	dials   int        // met
	news    string     // the first look that reads otherwise than then
	out     []Difference
	assumed []string
}

// see looks for what reads otherwise than then.
func (r *replay) see(looks []Look) {
	for _, l := range looks {
		switch l.What {
		case "caller", "recording", "target": // a class reads otherwise than its number; the others are what is compared
			continue
		}
		if r.news == "" && !slices.Contains(r.past.Looks, l.Text) {
			r.news = l.What + ": " + l.Text
		}
	}
}

func (r *replay) differ(what, was, is string) {
	why := r.news
	if why == "" {
		why = "the table says so"
	}
	r.out = append(r.out, Difference{what, orNone(was), orNone(is), why})
}

func (r *replay) compare(what, was, is string, known bool) {
	if known && was != is {
		r.differ(what, was, is)
	}
}

func (r *replay) refusal(is Reason) { r.compare("refusal", string(r.past.Reject), string(is), true) }

// met takes the next step of a kind that was done at a place, or anywhere.
func (r *replay) met(kind, step string) (PastStep, bool) {
	for i, s := range r.steps {
		if s.Kind == kind && (step == "" || s.Step == step) {
			r.steps = slices.Delete(r.steps, i, i+1)
			return s, true
		}
	}
	return PastStep{}, false
}

func (r *replay) assume(text string) {
	if !slices.Contains(r.assumed, text) {
		r.assumed = append(r.assumed, text)
	}
}

// follow walks until the call of then ended, or what differs makes the rest
// unknown.
func (r *replay) follow(w *Walk, next Instruction) {
	at := When{r.past.Request.At}
	for range maxSteps {
		r.see(w.Looks())
		var o Outcome = Done{at}
		switch i := next.(type) {
		case Ring:
			rung, goes := r.ring(i, w)
			if !goes {
				return
			}
			rung.When, o = at, rung
		case Refuse:
			r.refusal(i.Reason)
			return
		case Hang, End:
			r.end("nobody")
			return
		case Message:
			if _, left := r.met("voicemail", ""); !left {
				r.end("voicemail")
			}
			return
		default:
			o = r.answer(next, at)
		}
		next = w.Next(o)
	}
}

// answer is what became then of an instruction that rings nobody.
func (r *replay) answer(next Instruction, at When) Outcome {
	switch i := next.(type) {
	case Say:
		s, done := r.met("greeting", i.Step)
		if !done {
			r.assume("that the prompt of " + i.Step + " is heard")
		}
		return Said{When: at, Complete: !done || s.Result != "interrupted" && s.Result != "failed"}
	case Gather:
		s, done := r.met("menu", i.Step)
		if !done {
			r.assume("that nothing is pressed in " + i.Step)
		}
		return Gathered{When: at, Keys: s.Choice, Complete: true}
	case Ask:
		s, done := r.met("hook", i.Step)
		if !done {
			r.assume("that the hook of " + i.Step + " does not answer")
			return Replied{When: at, Err: "timeout"}
		}
		switch s.Result {
		case "flow", "refuse", "nothing", "targets":
			return Replied{When: at, Reply: HookReply{Flow: s.Flow, Refuse: s.Result == "refuse"}}
		}
		return Replied{When: at, Err: s.Result}
	case Want:
		s, done := r.met(string(i.Kind), "")
		if !done {
			r.assume("the fact that " + i.Step + " asks for")
		}
		return Fact{When: at, Number: s.Number}
	}
	return Done{at}
}

// ring compares a dial with the one of then, and says how it came out; false:
// the call of then went no further, or elsewhere.
func (r *replay) ring(i Ring, w *Walk) (Rung, bool) {
	then, over := r.met("dial", "")
	was := then.Directions
	if was == nil && r.dials == 0 {
		was = r.past.First
	}
	r.dials++
	if r.past.Reject != "" {
		r.differ("refusal", string(r.past.Reject), "none")
		return Rung{}, false
	}
	is := directions(i.Targets)
	known := was != nil
	if !known {
		r.assume("that " + i.Step + " rings whom it rang then")
	}
	same := !known || slices.EqualFunc(was, is, func(a, b Direction) bool { return a.Check == b.Check && a.Trunk == b.Trunk })
	if !same {
		r.differ("destination", directionWords(was), directionWords(is))
		r.compare("price", classWords(was), classWords(is), true)
	}
	r.compare("consent", r.past.Consent, w.Consent(), r.past.Consent != "" || w.Consent() != "")
	if !over || !same || then.Result == string(Talked) {
		return Rung{}, false
	}
	return Rung{Result: RingResult(then.Result), Trials: slices.DeleteFunc(slices.Clone(then.Trials), func(t Trial) bool { return t.Target < 0 || t.Target >= len(i.Targets) })}, true
}

// end compares a way that rings nobody any more with where the call went then.
func (r *replay) end(is string) {
	if r.past.Reject != "" {
		r.refusal("")
		return
	}
	if s, dialled := r.met("dial", ""); dialled || r.dials == 0 && r.past.First != nil {
		was := s.Directions
		if was == nil {
			was = r.past.First
		}
		r.differ("destination", directionWords(was), is)
		return
	}
	if _, left := r.met("voicemail", ""); left != (is == "voicemail") {
		was := "nobody"
		if left {
			was = "voicemail"
		}
		r.differ("destination", was, is)
	}
}

func directions(all []Target) []Direction {
	out := make([]Direction, len(all))
	for i, t := range all {
		out[i] = Direction{t.Check(), t.Class(), t.Trunk}
	}
	return out
}

func directionWords(all []Direction) string {
	var words []string
	for _, d := range all {
		s := fmt.Sprintf("%s (%s", d.Class, d.Check)
		if d.Trunk != "" {
			s += " by " + d.Trunk
		}
		words = append(words, s+")")
	}
	return strings.Join(words, ", ")
}

func classWords(all []Direction) string {
	var classes []string
	for _, d := range all {
		classes = append(classes, d.Class)
	}
	slices.Sort(classes)
	return strings.Join(slices.Compact(classes), ", ")
}

func capWords(caps map[string]int64) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(caps)) {
		words = append(words, fmt.Sprintf("%s %d", name, caps[name]))
	}
	return strings.Join(words, ", ")
}
