package routing

import (
	"cmp"
	"fmt"
	"slices"
)

// recording checks the policy of an account or a number.
func (b *builder) recording(p RecordingPolicy, path string) { b.checkPolicy(p, path+".recording") }

// policy checks the policy of a step, which is to say something.
func (b *builder) policy(p RecordingPolicy, path string) {
	if p == (RecordingPolicy{}) {
		b.fault("is missing", "%s.mode", path)
		return
	}
	b.checkPolicy(p, path)
}

func (b *builder) checkPolicy(p RecordingPolicy, path string) {
	b.fault(checkWord(p.Mode, modes), "%s.mode", path)
	b.fault(checkWord(p.Channels, channels), "%s.channels", path)
	b.fault(checkWord(p.OnFailure, onFailures), "%s.on_failure", path)
	b.fault(checkWord(p.Consent, consents), "%s.consent", path)
	if p.Mode == "" && (p.Channels != "" || p.OnFailure != "") {
		b.fault("is missing: channels and on_failure belong to a mode beside them", "%s.mode", path)
	}
}

// voice is who may say something about recording.
type voice struct {
	from, name string
	policy     RecordingPolicy
	consent    string // who said its Consent, where that was somebody else; empty: name
}

// voices of a call, the strongest first.
func (e entry) voices(f *flow, own RecordingPolicy) []voice {
	all := []voice{
		{from: FromNumber, name: "the number", policy: e.recording},
		{from: FromFlow, name: "flow " + f.id, policy: own},
		{from: FromAccount, name: "account " + e.account.id, policy: e.account.recording},
	}
	if e.pool != nil {
		all = slices.Insert(all, 1, voice{from: FromPool, name: "pool " + e.pool.id, policy: e.pool.recording})
	}
	return all
}

// recorded asks the voices about recording, the strongest first: the first that
// says a mode decides, and the first that says what consent it takes.
func recorded(all []voice, look func(what, result, text string)) Recording {
	rec := Recording{Mode: DoNotRecord, Channels: Dual, OnFailure: ContinueUnrecorded, From: FromDefault}
	for _, l := range all {
		rec.Consent = cmp.Or(rec.Consent, l.policy.Consent)
		switch {
		case rec.From != FromDefault:
			look("recording", Skipped, l.name+" is not asked any more")
		case l.policy.Mode == "":
			look("recording", Missed, l.name+" says nothing")
		default:
			rec.From, rec.Mode = l.from, l.policy.Mode
			rec.Channels = cmp.Or(l.policy.Channels, rec.Channels)
			rec.OnFailure = cmp.Or(l.policy.OnFailure, rec.OnFailure)
			look("recording", Chosen, l.name+" says "+rec.modeWords())
		}
	}
	if rec.From == FromDefault {
		look("recording", Chosen, "by default "+rec.modeWords())
	}
	rec.Consent = cmp.Or(rec.Consent, ConsentAlways)
	if rec.Consent != ConsentAlways && rec.Mode != DoNotRecord {
		for _, l := range all {
			if l.policy.Consent != "" {
				look("consent", Chosen, cmp.Or(l.consent, l.name)+" says "+rec.Consent)
				break
			}
		}
	}
	return rec
}

func (r Recording) modeWords() string {
	if r.Mode == DoNotRecord {
		return r.Mode
	}
	return fmt.Sprintf("%s, %s, on failure %s", r.Mode, r.Channels, r.OnFailure)
}

func (r Recording) words() string {
	if r.Consent == ConsentAlways || r.Mode == DoNotRecord {
		return r.modeWords()
	}
	return r.modeWords() + ", consent " + r.Consent
}

// recordingStep changes the policy from then on, as the flow's word.
type recordingStep struct{ policy RecordingPolicy }

func (b *builder) recordingStep(p RecordingPolicy, path string) node {
	b.policy(p, path)
	return &recordingStep{p}
}

func (s *recordingStep) run(w *Walk, _ Outcome) Instruction {
	w.records(s.policy)
	return nil
}

// records makes p the word of the flow that the walk is in. What it leaves out
// stands as the flows on the way here have said it: nobody drops a consent by
// naming a mode, or a mode by naming a consent.
func (w *Walk) records(p RecordingPolicy) {
	said := w.state.said
	if p.Mode == "" {
		p.Mode, p.Channels, p.OnFailure = said.policy.Mode, said.policy.Channels, said.policy.OnFailure
	}
	if p.Consent == "" {
		p.Consent = said.policy.Consent
	} else {
		said.consent = "flow " + w.state.flow.id
	}
	said.policy = p
	w.state.said = said
	all := w.facts.entry.voices(w.state.flow, p)
	for i := range all {
		if all[i].from == FromFlow {
			all[i].consent = said.consent
		}
	}
	w.state.recording = recorded(all, w.look)
	w.result(w.state.recording.Mode)
}

// word is what the flows on a walk's way have said about recording so far.
type word struct {
	policy  RecordingPolicy
	consent string // which of them said the consent
}

// recordStep starts, stops, pauses or resumes the recording.
type recordStep struct{ what string }

var recordWords = []string{"start", "stop", "pause", "resume"}

func (b *builder) record(what, path string) node {
	b.fault(checkWord(what, recordWords), "%s", path)
	if what == "" {
		b.fault("is missing: start, stop, pause or resume", "%s", path)
	}
	return &recordStep{what}
}

func (s *recordStep) run(w *Walk, o Outcome) Instruction {
	if _, began := o.(Began); !began {
		return nil
	}
	w.result(s.what)
	if s.what == "start" && !w.MayRecord() {
		w.look("consent", Missed, "it takes the caller's consent, "+w.state.recording.Consent)
		w.result("refused")
		return nil
	}
	return Control{Step: w.at(), What: s.what}
}
