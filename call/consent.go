package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// Why nothing is recorded: values of reason in recording.blocked.
const (
	blockedMissing     = "consent-missing"
	blockedInterrupted = "consent-interrupted"
	blockedRefused     = "consent-refused"
	blockedNever       = "policy-never"
)

// policy is what holds of the recording now: of the walk, which steps may change.
func (m *machine) policy() routing.Recording {
	if w := m.decision.Walk; w != nil && w.Recording() != (routing.Recording{}) {
		return w.Recording()
	}
	return m.decision.Recording
}

// records reports whether the talk is to be recorded from such a moment on, which is
// a mode, and may be: the one gate before every recording of a talk. What is blocked is told once.
func (m *machine) records(at time.Time, from string) bool {
	p := m.policy()
	if !m.wants(p, from) {
		return false
	}
	return m.mayRecord(at, m.talkers())
}

// mayRecord reports whether a talk of these may be recorded, and tells why not.
func (m *machine) mayRecord(at time.Time, t talking) bool {
	p := m.policy()
	why, has := m.blockedAmong(p, t)
	if why != "" && why != m.flow.blocked {
		m.publish(events.RecordingBlocked, at, events.RecordingBlockedData{Reason: why, Policy: p.Consent, Consent: has})
	}
	m.flow.blocked = why
	return why == ""
}

// wants reports whether the talk is to be recorded from such a moment on, whoever
// has agreed to that.
func (m *machine) wants(p routing.Recording, from string) bool {
	demanded := p.Mode == routing.OnDemand && from == recordFromAnswer && m.flow.record
	return !m.flow.unrecorded && (p.Mode == from || demanded)
}

// startRecording opens the recording of a talk. One that was given up before it was
// open has nothing in it: it is that.
func (m *machine) startRecording(between talking) {
	late := m.recording == recordingLate
	m.recording = opening
	if !late {
		m.record(between)
	}
}

// heedConsent ends what is recorded from the ringing on and may not be any longer:
// the caller has changed his mind, the flow has said so or has another policy now.
func (m *machine) heedConsent(at time.Time) {
	p := m.policy()
	if m.wants(p, recordFromRinging) && m.blocked(p) == "" {
		return
	}
	switch m.recording {
	case opening:
		m.recording = recordingLate
	case recording:
		m.endRecording(at)
		m.recording = notRecording
	}
}

// endRecording ends what is recorded while the call goes on.
func (m *machine) endRecording(at time.Time) {
	m.recording = recordingOver
	m.resume(byOrder) // whoever has paused it: a pause is not for the next one
	m.quiet(forBeep, media.Caller)
	m.quiet(forBeep, media.Callee)
	m.do(doCloseRecording{ended: at, live: true, discard: m.optedOut()})
}

// optedOut reports whether the caller has said no: then nothing that was recorded of
// him before is kept.
func (m *machine) optedOut() bool {
	_, has := m.blockedAmong(m.policy(), m.talkers())
	return has == routing.OptedOut
}

// talkers is who talks, or the caller, who will.
func (m *machine) talkers() talking {
	if m.bridgedAt.IsZero() {
		return talking{caller: A}
	}
	return m.talk
}

// blocked says why a recording may not be; empty: it may.
func (m *machine) blocked(p routing.Recording) string {
	why, _ := m.blockedAmong(p, m.talkers())
	return why
}

// blockedAmong says why a talk of these may not be recorded, and whose word that is.
// Asked are who has the caller's place, whoever he is, and each who came from another
// call as its caller: what he said there goes with him.
func (m *machine) blockedAmong(p routing.Recording, t talking) (why, has string) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		l := m.leg(t.on(side))
		if l == nil {
			continue
		}
		word, called := m.wordOf(l)
		if side == media.Callee && !called {
			continue
		}
		if why := blockedBy(p, word); why != "" {
			return why, word
		}
	}
	return "", ""
}

// wordOf is what somebody has said to being recorded, and whether he was ever asked:
// callers are.
func (m *machine) wordOf(l *leg) (word string, called bool) {
	if l.id == A {
		return m.consent(), true
	}
	return l.consent, l.called
}

// blockedBy says why somebody may not be recorded. Who has said no is not, whatever
// the policy asks for.
func blockedBy(p routing.Recording, has string) string {
	switch {
	case p.Allows(has):
		return ""
	case p.Consent == routing.ConsentNever:
		return blockedNever
	case has == routing.OptedOut:
		return blockedRefused
	case has == routing.Interrupted:
		return blockedInterrupted
	}
	return blockedMissing
}

func (m *machine) consent() string {
	if m.decision.Walk == nil {
		return routing.NoConsent
	}
	return m.decision.Walk.Consent()
}

// lacksConsent reports whether the call may only go on recorded, and nobody has
// agreed to that.
func (m *machine) lacksConsent(from string) bool {
	p := m.policy()
	return m.wants(p, from) && m.blocked(p) != "" && p.Consent != routing.ConsentNever && m.mustRecord()
}

// consented tells of a consent, with what the caller had heard for it.
func (m *machine) consented(at time.Time, i routing.Told) {
	s := m.desk.speech
	d := events.ConsentData{Step: i.Step, Party: "caller", Outcome: i.Consent, Prompt: s.last.ID, Language: s.last.Language,
		Hash: s.hash, PlayedMS: s.heard.Milliseconds()}
	kind := events.ConsentRefused
	switch i.Consent {
	case routing.Announced:
		kind = events.ConsentAnnounced
	case routing.OptedIn:
		kind = events.ConsentGranted
	}
	if i.Consent == routing.OptedIn || i.Consent == routing.OptedOut {
		d.Choice = m.flow.choice
	}
	m.publish(kind, at, d)
}

// control does what a flow says about the recording: of the talk that comes, and what
// is recorded from the ringing on.
func (m *machine) control(at time.Time, i routing.Control) {
	switch i.What {
	case "start":
		m.flow.record, m.flow.unrecorded = true, false
	case "stop":
		m.flow.record, m.flow.unrecorded = false, true
	case "pause":
		m.pauseFor(at, byFlow)
	case "resume":
		m.resume(byFlow)
	}
}
