package routing

// What holds of the caller's consent to a recording.
const (
	NoConsent   = ""
	Announced   = "announced"
	Interrupted = "interrupted" // the notice was not heard to its end
	OptedIn     = "opted-in"
	OptedOut    = "opted-out"
)

// What a RecordingPolicy asks of it. A caller who opted out is not recorded under
// any of them.
const (
	ConsentAlways    = "always"    // nothing: the law or a contract allows it
	ConsentAnnounced = "announced" // a notice, heard to its end
	ConsentOptIn     = "opt-in"    // his own choice
	ConsentNever     = "never"     // nothing is recorded, whoever asks for it
)

// Words of a consent step.
const (
	OptIn  = "opt-in"
	OptOut = "opt-out"
)

// Allows reports whether a recording may run under what holds of consent.
func (r Recording) Allows(consent string) bool {
	switch {
	case consent == OptedOut || r.Consent == ConsentNever:
		return false
	case r.Consent == ConsentAnnounced:
		return consent == Announced || consent == OptedIn
	case r.Consent == ConsentOptIn:
		return consent == OptedIn
	}
	return true
}

// MayRecord reports whether the call may be recorded as things stand.
func (w *Walk) MayRecord() bool { return w.state.recording.Allows(w.state.consent) }

// Recording is the policy in force; a step may have changed the decision's.
func (w *Walk) Recording() Recording { return w.state.recording }

// consents notes what holds now and tells of it, when it is news. What the caller
// chose himself is not changed by what he hears.
func (w *Walk) consents(now string) Instruction {
	chose := w.state.consent == OptedIn || w.state.consent == OptedOut
	heard := now == Announced || now == Interrupted
	if heard && (chose || w.state.consent == Announced) {
		return nil
	}
	w.state.consent = now
	w.look("consent", Chosen, now)
	return Told{Step: w.at(), Consent: now}
}

// consentStep notes what the caller chose in the menu around it.
type consentStep struct{ now string }

func (b *builder) consent(word, path string) node {
	b.fault(checkWord(word, []string{OptIn, OptOut}), "%s", path)
	if word == "" {
		b.fault("is missing: opt-in or opt-out", "%s", path)
	}
	if b.options == 0 {
		b.fault("is the caller's choice: it belongs into an option of a menu", "%s", path)
	}
	if word == OptOut {
		return &consentStep{OptedOut}
	}
	return &consentStep{OptedIn}
}

func (s *consentStep) run(w *Walk, o Outcome) Instruction {
	if _, began := o.(Began); !began {
		return nil
	}
	w.result(s.now)
	return w.consents(s.now)
}
