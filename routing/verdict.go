package routing

import "fmt"

// Verdict is what screening has found of a caller so far. The zero value: nobody
// has looked, since there are no rules.
type Verdict struct {
	Result string // passed | refused | challenged
	Rule   string // that decided: allow-list, block-list, attestation, anonymous, repeat-rate, reputation, challenge; empty: none did
	Of     string // whose rule: number, account, agency, table
	List   string // id of the list
}

// Words of Verdict.Result.
const (
	ScreenPassed     = "passed"
	ScreenRefused    = "refused"
	ScreenChallenged = "challenged" // he was asked to press a key
)

// Words of Verdict.Rule.
const (
	RuleAllow       = "allow-list"
	RuleBlock       = "block-list"
	RuleAttestation = "attestation"
	RuleAnonymous   = "anonymous"
	RuleRepeat      = "repeat-rate"
	RuleReputation  = "reputation"
	RuleChallenge   = "challenge"
)

// Verdict returns what screening has found; it changes with the walk. Nothing is
// found while it waits to hear how often the caller called, or of what name he is:
// who may be refused has not passed. A nil walk has found nothing.
func (w *Walk) Verdict() Verdict {
	if w == nil || w.state.judging {
		return Verdict{}
	}
	return w.state.verdict
}

// screen is the prologue of a walk: what can be said at once is said by its first
// run, the rest by questions, in the order of its phases.
type screen struct{}

// screening is what comes before a flow.
var screening = &block{steps: []stage{{screen{}, "screening", "screening"}}}

// Phases of a screen: what it waits for.
const (
	askRepeats = iota + 1
	askReputation
	askKey
)

// level is one place where screening is written, the nearest first.
type level struct {
	name  string
	rules *Screening
}

// levels are those that say anything.
func (w *Walk) levels() (out []level) {
	e := w.facts.entry
	for _, l := range [...]level{{ScopeNumber, e.screening}, {ScopeAccount, e.account.screening}, {ScopeAgency, e.account.agency.screening}, {ScopeTable, w.table.rest.Screening}} {
		if l.rules != nil {
			out = append(out, l)
		}
	}
	return out
}

// nearest returns the first level that says something.
func nearest(levels []level, says func(*Screening) bool) (level, bool) {
	for _, l := range levels {
		if says(l.rules) {
			return l, true
		}
	}
	return level{rules: &Screening{}}, false
}

func (s screen) run(w *Walk, o Outcome) Instruction {
	levels := w.levels()
	w.state.judging = false
	switch o := o.(type) {
	case Fact:
		return s.counted(w, levels, o.Number)
	case Replied:
		return s.replied(w, levels, o)
	case Gathered:
		return s.pressed(w, levels, o)
	}
	w.state.verdict = Verdict{Result: ScreenPassed}
	if refused := s.attested(w, levels); refused != nil {
		return refused
	}
	if listed, refused := s.listed(w, levels); listed {
		return refused
	}
	return s.anonymous(w, levels)
}

// refuse ends the walk.
func (s screen) refuse(w *Walk, why Reason, v Verdict, text string) Instruction {
	v.Result = ScreenRefused
	w.state.verdict = v
	w.look("screening", Missed, text)
	return Refuse{Step: "screening", Reason: why}
}

// attested asks for the least attestation; an allow list does not spare it, since
// it lets in a number and not whoever shows it.
func (s screen) attested(w *Walk, levels []level) Instruction {
	l, _ := nearest(levels, func(s *Screening) bool { return s.Attestation != "" })
	if l.rules.Attestation == "" || enough(l.rules.Attestation, w.facts.request.Attested) {
		return nil
	}
	return s.refuse(w, AttestationTooLow, Verdict{Rule: RuleAttestation, Of: l.name},
		"the "+l.name+" requires attestation "+l.rules.Attestation)
}

// listed reports whether a list names the caller, and how it ends then: the
// nearest level decides, of its lists the allowing ones.
func (s screen) listed(w *Walk, levels []level) (bool, Instruction) {
	for _, l := range levels {
		if id := w.onList(l.rules.Allow); id != "" {
			w.state.verdict = Verdict{ScreenPassed, RuleAllow, l.name, id}
			w.look("screening", Matched, fmt.Sprintf("the caller is on list %s, which the %s lets in", id, l.name))
			return true, nil
		}
		if id := w.onList(l.rules.Block); id != "" {
			return true, s.refuse(w, BlockedCaller, Verdict{Rule: RuleBlock, Of: l.name, List: id},
				fmt.Sprintf("the caller is on list %s, which the %s blocks", id, l.name))
		}
	}
	return false, nil
}

// onList returns the first of some lists that the caller is on.
func (w *Walk) onList(ids []string) string {
	for _, id := range ids {
		if w.table.lists[id].has(w.facts.caller) {
			return id
		}
	}
	return ""
}

func (s screen) anonymous(w *Walk, levels []level) Instruction {
	l, _ := nearest(levels, func(s *Screening) bool { return s.Anonymous != "" })
	if w.facts.withheld() {
		v := Verdict{Rule: RuleAnonymous, Of: l.name}
		switch l.rules.Anonymous {
		case ScreenReject:
			return s.refuse(w, AnonymousRefused, v, "the caller withholds his number, and the "+l.name+" takes no such calls")
		case ScreenChallenge:
			return s.challenge(w, v)
		}
	}
	return s.repeats(w, levels)
}

// withheld reports whether the caller does not want to be known.
func (f walkFacts) withheld() bool {
	if f.request.Private {
		return true
	}
	_, how := read(f.request.From, f.trunk.country)
	return how == withheld
}

// repeats asks how often he has called. Who withholds his number cannot be told
// from others who do.
func (s screen) repeats(w *Walk, levels []level) Instruction {
	l, said := nearest(levels, func(s *Screening) bool { return s.Repeat.Calls > 0 })
	if !said || w.facts.withheld() {
		return s.reputation(w, levels)
	}
	key := ScopeAccount
	if l.name == ScopeNumber {
		key = ScopeNumber
	}
	window, _ := l.rules.Repeat.Within.Exact()
	w.local.phase, w.state.judging = askRepeats, true
	return Want{Step: "screening.repeat", Kind: FactRepeats, Key: key, Over: window, Most: l.rules.Repeat.Calls}
}

func (s screen) counted(w *Walk, levels []level, calls uint64) Instruction {
	if w.local.phase != askRepeats {
		return nil
	}
	l, _ := nearest(levels, func(s *Screening) bool { return s.Repeat.Calls > 0 })
	r := l.rules.Repeat
	window, _ := r.Within.Exact()
	text := fmt.Sprintf("call %d of this caller within %s, the %s takes %d", calls, window, l.name, r.Calls)
	if calls <= uint64(r.Calls) {
		w.look("screening", Matched, text)
		return s.reputation(w, levels)
	}
	v := Verdict{Rule: RuleRepeat, Of: l.name}
	if r.Then == ScreenChallenge {
		w.look("screening", Missed, text)
		return s.challenge(w, v)
	}
	return s.refuse(w, RepeatRate, v, text)
}

func (s screen) reputation(w *Walk, levels []level) Instruction {
	l, said := nearest(levels, func(s *Screening) bool { return s.Reputation.isSaid() })
	if !said {
		return s.mustPress(w, levels)
	}
	w.local.phase, w.state.judging = askReputation, true
	return l.rules.Reputation.asked()
}

func (s screen) replied(w *Walk, levels []level, o Replied) Instruction {
	if w.local.phase != askReputation {
		return nil
	}
	l, _ := nearest(levels, func(s *Screening) bool { return s.Reputation.isSaid() })
	v := Verdict{Rule: RuleReputation, Of: l.name}
	switch {
	case o.Err == "" && o.Reply.Refuse:
		return s.refuse(w, BadReputation, v, "whom the "+l.name+" asks about callers refuses this one")
	case o.Err != "" && l.rules.Reputation.Otherwise == ScreenReject:
		return s.refuse(w, BadReputation, v, "whom the "+l.name+" asks about callers gave no answer ("+o.Err+"), and nobody is let in without")
	case o.Err != "":
		w.look("screening", Skipped, "whom the "+l.name+" asks about callers gave no answer: "+o.Err)
	default:
		w.look("screening", Matched, "whom the "+l.name+" asks about callers lets this one in")
	}
	return s.mustPress(w, levels)
}

// mustPress asks for a key of those who have to press one though no other rule
// asks for it.
func (s screen) mustPress(w *Walk, levels []level) Instruction {
	if w.local.text == hasPressed {
		return nil
	}
	l, _ := nearest(levels, func(s *Screening) bool { return s.Challenge != "" })
	all := l.rules.Challenge == ChallengeAll
	if all || l.rules.Challenge == ChallengeUnattested && w.facts.request.Attested.Verstat != verstatPassed {
		return s.challenge(w, Verdict{Rule: RuleChallenge, Of: l.name})
	}
	return nil
}
