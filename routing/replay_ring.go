package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ring compares a dial with the one of then, and says how it came out; false:
// the call of then went no further, or elsewhere.
func (r *replay) ring(i Ring, w *Walk) (Rung, bool) {
	was, then := r.was()
	if was == nil && r.past.Reject != "" {
		r.differ("refusal", string(r.past.Reject), "none")
		return Rung{}, false
	}
	if was == nil && r.past.Lost {
		r.assume("that " + i.Step + " rings whom it rang then")
		return Rung{}, false
	}
	is := directions(i.Targets)
	same := slices.EqualFunc(was, is, func(a, b Direction) bool { return a.Check == b.Check && a.Trunk == b.Trunk })
	if !same {
		r.differ("destination", cmp.Or(directionWords(was), r.elsewhere()), directionWords(is))
		r.compare("price", classWords(was), classWords(is), was != nil)
	}
	if was != nil {
		r.recorded(then, w)
	}
	if !same || then.Result == "" || then.Result == string(Talked) || then.Result == unfinished {
		return Rung{}, false
	}
	return Rung{Result: RingResult(then.Result), Trials: slices.Clone(then.Trials)}, true
}

// was is whom the next dialling of then rang; nil: there was none. What it came to
// is not known of one whose node was lost.
func (r *replay) was() ([]Direction, PastStep) {
	at := r.dialled()
	for at >= 0 && r.steps[at].Directions == nil { // nobody was left to ring, or he left before it was known whom
		if r.take(at).Result == unfinished {
			r.past.Lost = true
		}
		at = r.dialled()
	}
	if at < 0 {
		first := r.first
		r.first = nil
		return first, PastStep{Recording: r.past.Recording, Policy: r.past.Policy, Consent: r.past.Consent}
	}
	then := r.take(at)
	return then.Directions, then
}

// elsewhere is where a call of then went that rang nobody any more.
func (r *replay) elsewhere() string {
	for _, s := range r.steps {
		switch {
		case s.Kind == "voicemail":
			return "voicemail"
		case s.Result == unfinished:
			r.assume("that the caller, who left in " + s.Step + ", stays")
		}
	}
	return "nobody"
}

// recorded compares what holds of the recording as a dial begins: its mode, what it
// takes, and what the caller has agreed to.
func (r *replay) recorded(then PastStep, w *Walk) {
	now := w.Recording()
	switch {
	case r.record == "stop":
		now.Mode = DoNotRecord
	case r.record == "start" && now.Mode == OnDemand:
		now.Mode = RecordFromAnswer
	}
	r.compare("recording", then.Recording, now.Mode, then.Recording != "")
	if then.Recording != DoNotRecord || now.Mode != DoNotRecord {
		r.compare("consent", "needs "+then.Policy, "needs "+now.Consent, then.Policy != "")
	}
	r.compare("consent", then.Consent, w.Consent(), true)
}

// end compares a way that rings nobody any more with where the call went then.
func (r *replay) end(is string) {
	was, _ := r.was()
	if was == nil && r.past.Reject != "" {
		r.refusal("")
		return
	}
	switch text := cmp.Or(directionWords(was), r.elsewhere()); {
	case was == nil && r.past.Lost:
		r.assume("that the call, whose end is not known, came to " + is)
	case text != is:
		r.differ("destination", text, is)
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
