package routing

import (
	"strconv"
	"time"
)

// Bounds of a challenge: the key is said twice at most.
const (
	challengeTries = 2
	challengeWait  = 6 * time.Second

	hasPressed = "pressed" // local.text of a screen whose challenge was met
)

// challengeKey is the key that this call has to press: one of 1 to 9 by its draw,
// so that what presses the same key in every call is found out.
func (f walkFacts) challengeKey() string { return strconv.Itoa(int(f.request.Draw%9) + 1) }

// challenge asks the caller for a key, because of a rule. He is answered for it:
// before an answer most networks carry no keys. A call that is refused in the end
// costs nothing all the same.
func (s screen) challenge(w *Walk, because Verdict) Instruction {
	because.Result = ScreenChallenged
	w.state.verdict = because
	w.local.phase = askKey
	w.look("screening", Near, "the caller is asked to press a key")
	return s.again(w)
}

func (s screen) again(w *Walk) Instruction {
	w.local.tries++
	id := "press-" + w.facts.challengeKey()
	said := w.prompt(id)
	if said.IsZero() {
		said = shippedPrompt(id, DefaultLanguage)
	}
	return Gather{Step: "screening.challenge", Prompts: []Prompt{said}, Keys: 1, First: challengeWait}
}

func (s screen) pressed(w *Walk, levels []level, o Gathered) Instruction {
	v := w.state.verdict
	switch {
	case w.local.phase != askKey:
		return nil
	case o.Keys == w.facts.challengeKey():
		v.Result = ScreenPassed
		w.state.verdict = v
		w.look("screening", Matched, "the caller pressed the key he was asked for")
		w.local.text = hasPressed
		if v.Rule != RuleChallenge {
			return s.reputation(w, levels)
		}
		return nil
	case w.local.tries < challengeTries:
		return s.again(w)
	}
	return s.refuse(w, ChallengeFailed, v, "the caller did not press the key he was asked for")
}
