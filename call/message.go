package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// Timers and figures of a message.
const (
	timerMessage Timer = "message" // what a message waits for: its recording, its limit, a silence

	// letterWait is how long a caller who wants to leave a message waits for its
	// recording to be open.
	letterWait = 3 * time.Second
	// leastLetter is how long a message is at least. What is shorter is nobody's
	// word: somebody has heard the tone and hung up.
	leastLetter = time.Second
)

// letterbox is a message that is being taken.
type letterbox struct {
	stage    letterStage
	number   int // of this message in the call: an answer about one of before is told apart
	tone     bool
	open     bool
	since    time.Time // when he was let to speak
	spoke    time.Time // when he was last heard to, as far as is known
	deadline time.Time // of timerMessage
}

type letterStage uint8

const (
	noLetter    letterStage = iota
	greetLetter             // the prompts are being played
	readyLetter             // the recording is being opened, the tone played
	takeLetter              // he speaks
)

type (
	// doDictate opens the recording of a message aside; the answer is Dictating.
	doDictate struct {
		number  int
		mailbox string
	}
	// doListen gives it what the caller says, from now on, and listens to that: Spoke
	// comes before every other signal.
	doListen struct{ number int }
	// doCloseLetter finishes the recording of a message, with the event that tells of
	// it, or throws it away.
	doCloseLetter struct {
		number int
		ended  time.Time
		left   *events.VoicemailLeftData // nil: it is none
		tap    bool                      // he was being listened to
	}
)

func (doDictate) isAction()     {}
func (doListen) isAction()      {}
func (doCloseLetter) isAction() {}

type (
	// Dictating says that the recording of a message is open, or cannot be.
	Dictating struct {
		At
		Number int
		Err    error
	}
	// Spoke says when the caller was last heard to speak; zero: never.
	Spoke struct {
		At
		Last time.Time
	}
)

// takeMessage plays the prompts of a voicemail. Any key goes straight to the tone.
func (m *machine) takeMessage(at time.Time, i routing.Message) {
	l := &m.desk.letter
	*l = letterbox{stage: greetLetter, number: l.number + 1}
	m.speak(at, forMessage, i.Prompts, true)
}

// askedToSpeak says that they are over: the recording is opened while the tone
// sounds, so that neither the prompts nor a wait are at its beginning.
func (m *machine) askedToSpeak(at time.Time) {
	i, l := m.desk.doing.(routing.Message), &m.desk.letter
	switch l.stage {
	case greetLetter:
		l.stage, l.tone = readyLetter, i.Beep
		m.do(doDictate{l.number, i.Mailbox})
		m.wakeLetter(at, letterWait)
		if i.Beep {
			m.beepOnce(at)
		}
	case readyLetter: // the tone is over
		l.tone = false
		m.letSpeak(at)
	}
}

// beepOnce plays the tone after which a message begins.
func (m *machine) beepOnce(at time.Time) {
	m.desk.speech = speech{purpose: forTone, deadline: at.Add(promptMost)} // letterWait bounds it
	m.play(forTone, media.Play{To: media.Caller, Sound: media.Sound{Beep: true}})
}

func (m *machine) wakeLetter(at time.Time, after time.Duration) {
	m.desk.letter.deadline = at.Add(after)
	m.do(doTimer{timerMessage, after})
}

// dictating is the recorder's word.
func (m *machine) dictating(s Dictating) {
	l := &m.desk.letter
	switch {
	case s.Number != l.number || l.stage != readyLetter:
		if s.Err == nil { // nobody waits for it any more
			m.do(doCloseLetter{number: s.Number, ended: s.Time})
		}
	case s.Err != nil:
		m.messageFailed(s.Time)
	default:
		l.open = true
		m.letSpeak(s.Time)
	}
}

// messageFailed goes on without a message.
func (m *machine) messageFailed(at time.Time) {
	l := &m.desk.letter
	l.stage = noLetter
	m.hush()
	m.do(doStopTimer{timerMessage})
	if l.open {
		l.open = false
		m.do(doCloseLetter{number: l.number, ended: at})
	}
	m.goOn(at, routing.Messaged{When: routing.When{Time: at}, Failed: true})
}

// letSpeak begins the message once tone and recording are there.
func (m *machine) letSpeak(at time.Time) {
	i, l := m.desk.doing.(routing.Message), &m.desk.letter
	if l.tone || !l.open {
		return
	}
	l.stage, l.since, l.spoke = takeLetter, at, at
	m.do(doListen{l.number})
	m.wakeLetter(at, m.nextLook(at, i))
}

// nextLook is when a message has to be looked after again: at its limit, or when it
// may have been silent for long enough.
func (m *machine) nextLook(at time.Time, i routing.Message) time.Duration {
	l := &m.desk.letter
	next := l.since.Add(i.Most)
	if i.Quiet > 0 && l.spoke.Add(i.Quiet).Before(next) {
		next = l.spoke.Add(i.Quiet)
	}
	return max(next.Sub(at), 0)
}

// messageDue is timerMessage.
func (m *machine) messageDue(at time.Time) {
	i, taking := m.desk.doing.(routing.Message)
	l := &m.desk.letter
	switch {
	case !taking || at.Before(l.deadline):
	case l.stage == readyLetter: // no recording, or a caller who holds does not hear the tone
		m.messageFailed(at)
	case l.stage != takeLetter:
	case !at.Before(l.since.Add(i.Most)):
		m.messaged(at, "limit")
	case i.Quiet > 0 && at.Sub(l.spoke) >= i.Quiet:
		m.messaged(at, "silence")
	default:
		m.wakeLetter(at, m.nextLook(at, i))
	}
}

// spokeLast is when the caller was last heard.
func (m *machine) spokeLast(s Spoke) {
	if l := &m.desk.letter; l.stage == takeLetter && s.Last.After(l.spoke) {
		l.spoke = s.Last
	}
}

// messageKey takes a key: during the prompts it ends them by itself.
func (m *machine) messageKey(at time.Time, key string, i routing.Message) {
	if m.desk.letter.stage == takeLetter && key == i.End {
		m.messaged(at, "key")
	}
}

// messaged ends a message and goes on with the flow.
func (m *machine) messaged(at time.Time, how string) {
	left := m.closeMessage(at, how)
	m.goOn(at, routing.Messaged{When: routing.When{Time: at}, Left: left})
}

// closeMessage ends the message that is being taken, if one is, and reports whether
// there is one then. Somebody who was silent for all of it has left none.
func (m *machine) closeMessage(at time.Time, how string) (left bool) {
	i, taking := m.desk.doing.(routing.Message)
	l := &m.desk.letter
	stage := l.stage
	l.stage = noLetter
	if !taking || stage < readyLetter {
		return false
	}
	m.do(doStopTimer{timerMessage})
	if !l.open {
		return false // Dictating will find that nobody waits for it
	}
	end := doCloseLetter{number: l.number, ended: at, tap: stage == takeLetter}
	silent := !l.spoke.After(l.since)
	if long := at.Sub(l.since); stage == takeLetter && long >= leastLetter && !silent {
		end.left = &events.VoicemailLeftData{Step: i.Step, Mailbox: i.Mailbox, DurationMS: long.Milliseconds(), EndedBy: how}
		m.flow.left, left = true, true
	}
	l.open = false
	m.do(end)
	return left
}

// letter carries a new recording into the goroutine together with its signal.
type dictated struct {
	Dictating
	rec Recording
}

// dictate opens the recording of a message aside.
func (c *Call) dictate(a doDictate) {
	m := c.machine
	info := Info{Call: c.id, Account: c.account, Subject: m.caller.Subject, Recording: m.policy(), Started: c.now(),
		Caller: m.legs[0].ulid, Source: FromVoicemail, Mailbox: a.mailbox}
	info.Recording.Channels = "mono"
	c.aside.Go(func() {
		rec, err := c.ports.Record(c.ctx, info, func(err error) { c.post("", RecordFault{At{c.now()}, err}) })
		c.post("", dictated{Dictating{At{c.now()}, a.number, err}, rec})
	})
}

// keepLetter keeps the recording of a message until it is listened to or closed: one of
// before may open behind that of a later one.
func (c *Call) keepLetter(d dictated) Dictating {
	if d.Err == nil {
		if c.letters == nil {
			c.letters = map[int]Recording{}
		}
		c.letters[d.Number] = d.rec
	}
	return d.Dictating
}

// listen gives a message what the caller says.
func (c *Call) listen(a doListen) {
	var tap media.Tap = c.letters[a.number]
	if c.ports.Ear != nil {
		c.ear = c.ports.Ear(tap)
		tap = c.ear
	}
	c.listening = true
	c.relay.Dictate(media.Caller, tap)
}

// hearTalk gives what passes the relay to the recording of the talk, if there is one.
// A message that is being spoken comes first.
func (c *Call) hearTalk() {
	switch {
	case c.listening:
	case c.recording == nil: // no Tap at all, and not a nil Recording in one
		c.relay.Tap(nil)
	default:
		c.relay.Tap(c.recording)
	}
}

// hearken says when the caller was last heard. Where nobody can tell he is taken to
// speak all the time.
func (c *Call) hearken() Signal {
	s := Spoke{At: At{c.now()}}
	if s.Last = s.Time; c.ear != nil {
		s.Last = c.ear.Spoke()
	}
	return s
}

// closeLetter ends the recording of a message. Its event comes before the
// recording's own end: who waits for the message finds the recording told of.
func (c *Call) closeLetter(a doCloseLetter) {
	rec := c.letters[a.number]
	delete(c.letters, a.number)
	if a.tap {
		c.listening, c.ear = false, nil
		c.hearTalk()
	}
	if a.left == nil {
		c.aside.Go(func() { rec.Discard() })
		return
	}
	a.left.Recording = rec.ID()
	c.publish(doPublish{kind: events.VoicemailLeft, at: a.ended, data: *a.left})
	c.aside.Go(func() { rec.Close(a.ended) })
}
