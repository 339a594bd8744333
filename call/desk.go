package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// desk is what the machine knows of a caller whom we deal with ourselves: what we
// play to him and ask him, and whether we have answered him for that.
type desk struct {
	stage    deskStage
	step     string    // that needed him answered
	body     []byte    // our answer, or our offer to who made none
	at       time.Time // when it went to him; zero: he is not answered by us
	early    bool      // he hears us in early media
	doing    routing.Instruction
	asked    int       // questions to hooks so far: an answer to one of before comes too late
	patience time.Time // until when the last one is waited for
	speech   speech
	entry    entry
	letter   letterbox

	told bool      // what he was told holds with the callee's answer too
	owes bool      // it does not, and he is to be told when the exchange under way is over
	over time.Time // when his talk was; zero: he has had none
}

// deskStage is how far the caller's answer by ourselves has come.
type deskStage uint8

const (
	unanswered  deskStage = iota // there is none
	agreeing                     // the relay is asked for it
	committing                   // call.attended is on its way to the disk
	confirming                   // it went out and is not acknowledged
	served                       // he is here
	refusedDesk                  // he speaks nothing that we can: he is not answered by us
)

type (
	// doAttend makes an answer of our own for the caller, or an offer when he made
	// none; the answer is Attended.
	doAttend struct{}
	// doGreet sends it as the 200 of his INVITE.
	doGreet struct{ body []byte }
	// doWatch begins to judge how a side is heard.
	doWatch struct{ side media.Side }
)

func (doAttend) isAction() {}
func (doGreet) isAction()  {}
func (doWatch) isAction()  {}

// Attended is our own answer for the caller, or why there is none.
type Attended struct {
	At
	Body []byte
	Err  error
}

// attended reports whether we have answered the caller ourselves.
func (m *machine) attended() bool { return !m.desk.at.IsZero() }

// attend does an instruction for the caller that we carry out ourselves. One that
// is early is heard before he is answered, if he can be sent early media: who can
// not is answered.
func (m *machine) attend(at time.Time, i routing.Instruction, step string, early bool) {
	d := &m.desk
	m.become(attending)
	d.doing = i
	switch {
	case d.stage == served:
		m.serve(at)
	case d.stage == refusedDesk:
		m.unserved(at)
	case early && m.hearsEarly():
		m.sayEarly()
		m.serve(at)
	default:
		d.step = step
		d.stage = agreeing
		m.do(doAttend{})
	}
}

// hearsEarly reports whether the caller can be played something before he is
// answered: his trunk takes early media, and he made an offer to answer.
func (m *machine) hearsEarly() bool { return !m.decision.Ringback && !m.delayed() }

// sayEarly tells the caller where he hears us, before the answer.
func (m *machine) sayEarly() {
	m.desk.early = true
	if now := (progress{183, forPrompt}); now != m.heardOf {
		m.heardOf = now
		m.do(doAwait{})
	}
}

// inAttending handles the signals while we deal with the caller ourselves. What an
// answered caller says was handled before (fromAttended).
func (m *machine) inAttending(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Attended:
		m.attendedBy(s)
	case Durable:
		return m.deskDurable(s.Time, s.Err)
	case Timeout:
		return m.deskTimeout(s)
	case Settled:
		m.settled(s)
		if m.acked && m.state == attending {
			m.reached(s.Time)
		}
	case HookSaid:
		m.hookSaid(s)
	case Knew:
		m.knew(s)
	case Spoke:
		m.spokeLast(s)
	case Offered:
		m.offeredEarly(from, s)
	case Failed, Bye, Lost, NoAck: // of an attempt that is over
		if from != A {
			return true
		}
		return m.leftEarly(from, s)
	default:
		return m.leftEarly(from, s)
	}
	return true
}

// attendedBy is the relay's word. A caller who cannot hear us goes on through his
// flow without being answered by us.
func (m *machine) attendedBy(s Attended) {
	d := &m.desk
	if d.stage != agreeing {
		return
	}
	if s.Err != nil {
		d.stage = refusedDesk
		m.unserved(s.Time)
		return
	}
	d.stage, d.body = committing, s.Body
	m.publishAndWait(events.CallAttended, s.Time, events.CallAttendedData{Leg: m.legs[0].ulid, Step: d.step})
	m.do(doTimer{timerDurable, durableWait})
}

func (m *machine) publishAndWait(kind string, at time.Time, data any) {
	m.do(doPublish{kind: kind, at: at, data: data, wait: true})
}

// deskDurable answers the caller once that is on the disk. A call whose events
// cannot be stored is not answered (C-01).
func (m *machine) deskDurable(at time.Time, err error) bool {
	switch {
	case m.desk.stage != committing:
		return true // came after timerDurable
	case err != nil:
		m.reject(at, Refused(ReasonOverload, "events cannot be stored"))
	default:
		m.greet(at)
	}
	return true
}

// greet answers the caller. What he is to hear waits for his ACK: before it his
// telephone may not listen, and who made no offer has not said where.
func (m *machine) greet(at time.Time) {
	d := &m.desk
	d.stage, d.at = confirming, at
	m.talk.caller = A
	m.stopRingback()
	m.quiet(forRingback, media.Caller)
	if m.delayed() {
		m.exchange = &exchange{step: firstAnswer, leg: A, asked: A}
	}
	m.do(doStopTimer{timerDurable}, doGreet{d.body}, doTimer{timerMax, m.max})
}

// reached is the first sign that the caller knows of our answer.
func (m *machine) reached(at time.Time) {
	if m.desk.stage != confirming {
		return
	}
	m.desk.stage = served
	if m.state == attending {
		m.serve(at)
	}
}

// serve begins the instruction under way.
func (m *machine) serve(at time.Time) {
	switch i := m.desk.doing.(type) {
	case routing.Say:
		m.speak(at, forGreeting, i.Prompts, i.Barge)
	case routing.Gather:
		m.gather(at, i)
	case routing.Message:
		m.takeMessage(at, i)
	case routing.Refuse:
		m.speak(at, forGoodbye, i.Prompts, false)
	case routing.Hang:
		m.speak(at, forGoodbye, i.Prompts, false)
	}
}

// unserved goes on when the caller cannot hear us.
func (m *machine) unserved(at time.Time) {
	when := routing.When{Time: at}
	switch i := m.desk.doing.(type) {
	case routing.Say:
		m.goOn(at, routing.Said{When: when, Failed: true})
	case routing.Gather:
		m.goOn(at, routing.Gathered{When: when})
	case routing.Message:
		m.goOn(at, routing.Messaged{When: when, Failed: true})
	case routing.Refuse:
		m.refuseBy(at, i)
	case routing.Hang:
		m.hangUp(at)
	}
}

func (m *machine) deskTimeout(s Timeout) bool {
	switch s.Timer {
	case timerDurable:
		if m.desk.stage == committing {
			m.greet(s.Time)
		}
	case timerEntry:
		m.entryDue(s.Time)
	case timerHook:
		m.hookDue(s.Time)
	case timerMessage:
		m.messageDue(s.Time)
	case timerRing, timerRingback, timerRecord: // fired while it was being stopped
	default:
		return false
	}
	return true
}

// spokenOver goes on when what was to be played is over; complete: all of it was
// heard to its end.
func (m *machine) spokenOver(at time.Time, complete, failed bool) {
	when := routing.When{Time: at}
	switch i := m.desk.doing.(type) {
	case routing.Say:
		m.goOn(at, routing.Said{When: when, Complete: complete, Failed: failed})
	case routing.Gather:
		m.askedFor(at, complete)
	case routing.Message:
		m.askedToSpeak(at)
	case routing.Refuse:
		m.refuseBy(at, i)
	case routing.Hang:
		m.hangUp(at)
	}
}

// attendMaking makes our own answer for the caller.
func (c *Call) attendMaking() Signal {
	make := c.relay.Await
	if c.machine.delayed() { // he made no offer: he is made one
		make = c.relay.Present
	}
	body, err := make(media.Caller)
	if err != nil {
		c.log.Warn("the caller cannot be answered by ourselves", "error", err)
	}
	return Attended{At{c.now()}, body, err}
}

// carryOutDesk does one action for a caller whom we deal with ourselves; ok: it is one.
func (c *Call) carryOutDesk(a action) (answer Signal, ok bool) {
	switch a := a.(type) {
	case doAttend:
		return c.attendMaking(), true
	case doGreet:
		c.a.Answer(a.body)
		c.relay.Watch(media.Caller)
	case doWatch:
		c.relay.Watch(a.side)
	case doAsk:
		c.ask(a)
	case doWant:
		return c.want(a), true
	case doStick:
		c.stick(a)
	case doDictate:
		c.dictate(a)
	case doListen:
		c.listen(a)
	case doCloseLetter:
		c.closeLetter(a)
	default:
		return nil, false
	}
	return nil, true
}

// connect lets a caller talk whom we have answered before: he is told of the callee's
// answer by an offer, unless what he knows of holds with it.
func (m *machine) connect() {
	m.desk.doing = nil
	m.do(doWatch{media.Callee})
	m.desk.owes = !m.desk.told
	m.present()
}

// present offers an attended caller what was agreed on with the callee, once no other
// exchange is under way: two offers must not cross (RFC 3261 14.1), and of one whose
// ACK is still to come nothing would be left.
func (m *machine) present() {
	if !m.desk.owes || m.exchange != nil || m.move != nil || m.state != inProgress {
		return
	}
	m.desk.owes = false
	if m.talk.caller == A {
		m.exchange = &exchange{step: told, asked: A}
		m.do(doPresent{leg: A, side: media.Caller})
	}
}
