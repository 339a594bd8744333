package call

import (
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// What else a sound is for: words to the caller.
const (
	forPrompt   = "prompt" // as he is told of early media
	forGreeting = "greeting"
	forMenu     = "menu"
	forMessage  = "voicemail"
	forTone     = "voicemail-tone" // after which he may speak
	forGoodbye  = "goodbye"
)

const (
	timerSpeech Timer = "speech" // a prompt takes too long

	// promptMost is longer than any sound is (media/sound.MaxLength).
	promptMost = 11 * time.Minute
	// promptHeld is for how long our words wait for a caller who holds: he is
	// connected, and billed, meanwhile.
	promptHeld = time.Minute
)

// speech is a list of prompts that is being played.
type speech struct {
	purpose string // of the one that plays; empty: none does
	left    []routing.Prompt
	barge   bool
	cut     bool // one was not heard to its end
	failed  bool // one could not be played

	deadline time.Time // of the one that plays

	last  routing.Prompt // that was played last, and how much of it was heard
	hash  string
	heard time.Duration
}

// speak plays prompts to the caller, one after the other. To play nothing is a
// failure only for those who wanted to say something.
func (m *machine) speak(at time.Time, purpose string, prompts []routing.Prompt, barge bool) {
	m.desk.speech = speech{purpose: purpose, left: prompts, barge: barge, failed: len(prompts) == 0 && purpose == forGreeting}
	m.speakOn(at)
}

// speakOn plays the next prompt, or is done.
func (m *machine) speakOn(at time.Time) {
	s := &m.desk.speech
	if len(s.left) == 0 {
		s.purpose = ""
		m.spokenOver(at, !s.cut && !s.failed, s.failed)
		return
	}
	s.last, s.left, s.hash, s.heard = s.left[0], s.left[1:], "", 0
	m.play(s.purpose, media.Play{To: media.Caller, Sound: soundOf(s.last), Barge: s.barge})
	m.boundSpeech(at)
}

// boundSpeech bounds how long the prompt may take that plays.
func (m *machine) boundSpeech(at time.Time) {
	most := promptMost
	if m.hold.now.Caller {
		most = promptHeld
	}
	m.desk.speech.deadline = at.Add(most)
	m.do(doTimer{timerSpeech, most})
}

// speechDue is timerSpeech, which nobody stops: prompts that take too long are over,
// and were not heard to their end.
func (m *machine) speechDue(at time.Time) {
	s := &m.desk.speech
	if m.state != attending || s.purpose == "" || at.Before(s.deadline) {
		return
	}
	m.hush()
	m.spokenOver(at, false, s.failed)
}

// soundOf is what the relay plays for a prompt.
func soundOf(p routing.Prompt) media.Sound {
	return media.Sound{File: p.File, Shipped: p.Shipped}
}

// prompted takes the end of a prompt. A prompt that cannot be played is passed over.
func (m *machine) prompted(at time.Time, p media.Playback) {
	s := &m.desk.speech
	if p.To != media.Caller || s.purpose == "" || p.For != s.purpose || p.End == media.PlayStopped {
		return // whoever stops one knows, and may have begun the next already
	}
	s.hash, s.heard = p.Hash, p.Heard
	switch p.End {
	case media.PlayFinished:
	case media.PlayFailed, media.PlayNoCodec:
		s.failed = true
	default: // the caller pressed a key
		s.cut, s.left = true, nil
	}
	m.speakOn(at)
}

// hush ends what is being said; nothing follows from that.
func (m *machine) hush() {
	s := &m.desk.speech
	purpose := s.purpose
	s.purpose, s.left = "", nil
	if purpose != "" {
		s.cut = true
		m.quiet(purpose, media.Caller)
	}
}
