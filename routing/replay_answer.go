package routing

import "slices"

// answer is what became then of an instruction that rings nobody; nil: the call
// ended in it.
func (r *replay) answer(w *Walk, next Instruction) Outcome {
	switch i := next.(type) {
	case Say:
		s, done := r.met("greeting", i.Step)
		if !done {
			r.assume("that the prompt of " + i.Step + " is heard")
			return Said{When: r.when(), Complete: true}
		}
		if s.Result == unfinished {
			return nil
		}
		return Said{When: r.when(), Complete: s.Result != "interrupted" && s.Result != "failed", Failed: s.Result == "failed"}
	case Gather:
		return r.entry(w, i)
	case Ask:
		return r.reply(w, i)
	case Want:
		return r.fact(w, i)
	case Control:
		if i.What == "start" || i.What == "stop" {
			r.record = i.What
		}
	}
	return Done{r.when()}
}

func (r *replay) when() When { return When{r.now} }

// entry is what the caller pressed.
func (r *replay) entry(w *Walk, i Gather) Outcome {
	kind := w.here.Kind
	if kind == "screening" {
		return r.challenged(w, i)
	}
	if w.local.tries == 0 {
		var done bool
		if r.asked, done = r.met(kind, i.Step); !done {
			r.assume("that nothing is pressed in " + i.Step)
		}
	} else if r.asked.Choice != "" {
		r.assume("that nothing else is pressed in " + i.Step)
	}
	if r.asked.Result == unfinished {
		return nil
	}
	return Gathered{When: r.when(), Keys: r.asked.Choice, Complete: true}
}

// challenged is whether the caller pressed the key that screening asked him for.
func (r *replay) challenged(w *Walk, i Gather) Outcome {
	s, done := r.screened()
	switch {
	case done && s.Result == unfinished && r.past.Screened.Result == ScreenChallenged:
		return nil
	case r.past.Reject == ChallengeFailed:
		return Gathered{When: r.when(), Complete: true}
	case r.past.Screened.Result == ScreenPassed && r.past.Screened.Rule == w.state.verdict.Rule:
		return Gathered{When: r.when(), Keys: w.facts.challengeKey(), Complete: true}
	}
	r.assume("that nothing is pressed in " + i.Step)
	return Gathered{When: r.when(), Complete: true}
}

// screened is the screening of then, which stays where it is: it asks several things.
func (r *replay) screened() (PastStep, bool) { return r.peek("screening") }

func (r *replay) peek(kind string) (PastStep, bool) {
	at := slices.IndexFunc(r.steps, func(s PastStep) bool { return s.Kind == kind })
	if at < 0 {
		return PastStep{}, false
	}
	return r.steps[at], true
}

// reply is what the owner's hook said.
func (r *replay) reply(w *Walk, i Ask) Outcome {
	var s PastStep
	var done bool
	if w.here.Kind == "screening" {
		s, done = r.screened()
		done = done && s.Reply != ""
	} else if s, done = r.peek("hook"); done && s.Reply != "targets" {
		s, done = r.met("hook", i.Step)
	}
	switch {
	case !done:
		r.assume("that the hook of " + i.Step + " does not answer")
		return Replied{When: r.when(), Err: "timeout"}
	case s.Reply == "" && s.Result == unfinished:
		return nil
	case s.Reply == "targets":
		return r.named(s, i)
	case s.Reply == "flow", s.Reply == "refuse", s.Reply == "nothing":
		return Replied{When: r.when(), Reply: HookReply{Flow: s.Flow, Refuse: s.Reply == "refuse", Tags: s.Tags}}
	}
	return Replied{When: r.when(), Err: s.Reply}
}

// named is a reply that named targets, which events do not tell: they are rung again
// whatever the table says, and where that came to nothing the flow goes on behind it.
func (r *replay) named(s PastStep, i Ask) Outcome {
	r.assume("that " + i.Step + " rings whom its hook named then")
	r.take(slices.IndexFunc(r.steps, func(s PastStep) bool { return s.Kind == "hook" }))
	if s.Result == string(Talked) || s.Result == unfinished {
		return nil
	}
	return Replied{When: r.when(), Reply: HookReply{Tags: s.Tags}}
}

// fact is what the table could not know.
func (r *replay) fact(w *Walk, i Want) Outcome {
	if i.Kind == FactRepeats {
		s, done := r.screened()
		if !done {
			r.assume("that this is the caller's first call")
		}
		if s.Result == unfinished && s.Number == 0 {
			return nil
		}
		return Fact{When: r.when(), Number: s.Number}
	}
	n := r.asking(w, i.Step)
	if n < 0 {
		r.assume("the fact that " + i.Step + " asks for")
		return Fact{When: r.when()}
	}
	then := r.steps[n]
	if then.Result == unfinished && then.Directions == nil {
		return nil
	}
	if i.Kind == FactTurn {
		r.unless(chance{turn: then.Number}.told(RoundRobin), i.Step)
		return Fact{When: r.when(), Number: then.Number}
	}
	if then.Sticky == "" {
		r.unless(nobodyAnswered, i.Step)
	}
	if s, ok := w.current().node.(*dialStep); ok {
		for _, t := range s.targets {
			if then.Sticky != "" && t.Check() == then.Sticky {
				return Fact{When: r.when(), ID: t.Identity()}
			}
		}
	}
	return Fact{When: r.when()}
}

// asking returns which dialling of then asked for a fact as step does now. Those
// before it that had nobody left to ring are over: no instruction of theirs takes
// them out.
func (r *replay) asking(w *Walk, step string) int {
	again := w.steps == r.visit
	for {
		n := r.dialled()
		if n < 0 || r.steps[n].Directions != nil || r.steps[n].Step == step && (again || !r.visited) {
			r.visit, r.visited = w.steps, n >= 0 && r.steps[n].Directions == nil
			return n
		}
		r.take(n)
		r.visited = false
	}
}

// unless assumes a fact that was not asked for then: a trace would tell it.
func (r *replay) unless(told, step string) {
	if !slices.Contains(r.past.Looks, told) {
		r.assume("the fact that " + step + " asks for")
	}
}
