package routing

// Greeting plays to the caller.
type Greeting struct {
	Played
	Early  bool `yaml:"early" json:",omitempty"`  // before he is answered, as early media
	Barge  bool `yaml:"barge" json:",omitempty"`  // a key of his ends it
	Notice bool `yaml:"notice" json:",omitempty"` // it says that the call is recorded: consent is announced when he has heard all of it
}

type greetingStep struct {
	Greeting
	ids []string
}

func (b *builder) greeting(spec Greeting, path string) node {
	otherwise := ""
	if spec.Notice {
		otherwise = "recording-notice"
	}
	s := &greetingStep{spec, b.played(spec.Played, otherwise, path)}
	if len(s.ids) == 0 {
		b.fault("is missing: the id of a prompt", "%s.prompt", path)
	}
	return s
}

func (s *greetingStep) run(w *Walk, o Outcome) Instruction {
	switch o := o.(type) {
	case Began:
		return Say{Step: w.at(), Prompts: w.prompts(s.ids), Early: s.Early, Barge: s.Barge}
	case Said:
		return s.said(w, o)
	}
	return nil
}

// said: a greeting that could not be played holds up nobody, but what takes the
// notice in it goes without.
func (s *greetingStep) said(w *Walk, o Said) Instruction {
	now := Interrupted
	switch {
	case o.Failed:
		w.result("failed")
		w.look("prompt", Missed, "it could not be played")
		return nil
	case o.Complete:
		now = Announced
		w.result("played")
	default:
		w.result("interrupted")
	}
	if !s.Notice {
		return nil
	}
	return w.consents(now)
}
