package routing

import "time"

// Voicemail takes a message of the caller, sealed like a recording, and ends the
// call.
type Voicemail struct {
	Played
	Mailbox string   `yaml:"mailbox" json:",omitempty"` // id, shown in the event; default: the account's
	Limit   Duration `yaml:"limit" json:",omitempty"`   // the longest message; PT2M (default)
	Silence Duration `yaml:"silence" json:",omitempty"` // so long a silence ends it; PT6S (default)
	Beep    *bool    `yaml:"beep" json:",omitempty"`    // before it; true (default)
	End     string   `yaml:"end" json:",omitempty"`     // a key that ends it; "#" (default)
}

type voicemailStep struct {
	ids          []string
	mailbox, end string
	limit, quiet time.Duration
	beep         bool
}

func (b *builder) voicemail(spec Voicemail, path string) node {
	s := &voicemailStep{ids: b.played(spec.Played, "leave-message", path), mailbox: spec.Mailbox, end: "#", beep: spec.Beep == nil || *spec.Beep}
	if spec.Mailbox != "" {
		b.fault(checkID(spec.Mailbox), "%s.mailbox", path)
	}
	if spec.End != "" {
		if len(spec.End) != 1 || !isKeys(spec.End) {
			b.fault("is not one of the keys 0 to 9, * and #", "%s.end", path)
		}
		s.end = spec.End
	}
	s.limit = b.lasting(spec.Limit, 2*time.Minute, 5*time.Second, 15*time.Minute, path+".limit")
	s.quiet = b.lasting(spec.Silence, 6*time.Second, 2*time.Second, time.Minute, path+".silence")
	return s
}

func (s *voicemailStep) ends() {}

func (s *voicemailStep) run(w *Walk, o Outcome) Instruction {
	switch o := o.(type) {
	case Began:
		m := Message{Step: w.at(), Prompts: w.prompts(s.ids), Beep: s.beep, Most: s.limit, Quiet: s.quiet, End: s.end, Mailbox: s.mailbox}
		if m.Mailbox == "" {
			m.Mailbox = w.facts.entry.account.id
		}
		return m
	case Messaged:
		switch {
		case o.Failed:
			w.result("failed")
		case o.Left:
			w.result("left")
		default:
			w.result("none")
		}
	}
	return Hang{Step: w.at()}
}
