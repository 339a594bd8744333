package routing

import (
	"slices"
	"time"
)

// Past is a call as its events tell it: what was asked, what was decided and
// what became of each step.
type Past struct {
	Request   Request // with the Class where nobody can tell the number any more
	Reject    Reason  // empty: it was routed
	Screened  Verdict // what screening had found in the end
	Recording string  // mode, as it was routed
	Policy    string  // what a recording takes, as it was routed
	Consent   string  // what held at the end; a word of Walk.Consent
	Caps      map[string]int64
	First     []Direction // of the dial that came first; nil: something else did, or it is not known
	Steps     []PastStep
	Looks     []string // texts of its traces
	Lost      bool     // with its node: what it did last is not known
}

// PastStep is a step that was done.
type PastStep struct {
	At                         time.Time // when it was over
	Step, Kind, Result, Choice string
	Number                     uint64            // of a round robin and of screening
	Sticky                     string            // Check of who had answered this caller before
	Reply, Flow                string            // of a hook
	Tags                       map[string]string // that a hook gave
	Trials                     []Trial
	Directions                 []Direction // of a dial; nil: nobody was rung

	Recording, Policy, Consent string // of a dial: what held as it began
}

// unfinished is the result of a step that the call ended in.
const unfinished = "unfinished"

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
	if !slices.ContainsFunc(p.Steps, func(s PastStep) bool { return s.Directions != nil }) {
		r.first = p.First
	}
	d := t.Decide(p.Request)
	r.see(d.Trace)
	if d.Walk == nil || p.Reject != "" && d.Reject != "" {
		r.refusal(d.Reject)
		return r.out, nil
	}
	if d.Reject == "" && p.Reject == "" {
		r.compare("cap", capWords(p.Caps), capWords(d.Caps()), p.Caps != nil)
	}
	if p.Reject == "" && len(p.Steps) == 0 && p.First == nil { // he left before anything was done
		return r.out, d.Walk.Assumed()
	}
	r.follow(d.Walk, d.First)
	assumed = append(d.Walk.Assumed(), r.assumed...)
	return r.out, assumed
}

type replay struct {
	past    Past
	steps   []PastStep  // not met yet
	first   []Direction // of a dial whose end was lost
	asked   PastStep    // the entry that is asked for again
	record  string      // what the flow said last: start | stop
	now     time.Time
	visit   int    // how many steps the walk had done as it asked for a fact
	visited bool   // of a dialling that is still in steps and rang nobody
	news    string // the first look that reads otherwise than then
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

// met takes the next step of a kind that was done. Where it stood elsewhere then,
// its answer is taken over, and that is said.
func (r *replay) met(kind, step string) (PastStep, bool) {
	at := slices.IndexFunc(r.steps, func(s PastStep) bool { return s.Kind == kind })
	if at < 0 {
		return PastStep{}, false
	}
	s := r.take(at)
	if s.Step != step {
		r.assume("that " + step + " comes out as " + s.Step + " did")
	}
	return s, true
}

// take takes a step out, and its time for ours.
func (r *replay) take(at int) PastStep {
	s := r.steps[at]
	r.steps = slices.Delete(r.steps, at, at+1)
	if s.At.After(r.now) {
		r.now = s.At
	}
	return s
}

// dialled returns where the next dialling of then stands in steps; -1: nowhere.
func (r *replay) dialled() int {
	return slices.IndexFunc(r.steps, func(s PastStep) bool { return s.Kind == "dial" || s.Directions != nil })
}

func (r *replay) assume(text string) {
	if !slices.Contains(r.assumed, text) {
		r.assumed = append(r.assumed, text)
	}
}

// follow walks until the call of then ended, or what differs makes the rest
// unknown.
func (r *replay) follow(w *Walk, next Instruction) {
	r.now = r.past.Request.At
	for range maxSteps {
		r.see(w.Looks())
		var o Outcome
		switch i := next.(type) {
		case Ring:
			rung, goes := r.ring(i, w)
			if !goes {
				return
			}
			rung.When, o = When{r.now}, rung
		case Refuse:
			r.refusal(i.Reason)
			return
		case Hang, End:
			r.end("nobody")
			return
		case Message:
			r.end("voicemail")
			return
		default:
			if o = r.answer(w, next); o == nil {
				return
			}
		}
		next = w.Next(o)
	}
}
