package call

import (
	"slices"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// What a sound to who has answered is for.
const (
	forWhisper = "whisper"
	forScreen  = "screen"
)

const (
	// listenMost is how long the prompts to who has answered may take: a phone that
	// holds hears none of them, and they wait.
	listenMost = 2 * time.Minute
)

// Why somebody who has answered does not take the call: values of reason in
// leg.declined.
const (
	declinedByKey = "key"
	declinedByBye = "hung-up"
	declinedLate  = "timeout"
	declinedLost  = "failed" // it was we who could not go on with him
)

// guest is somebody who has answered and does not talk to the caller yet: he is
// whispered to, or asked whether he takes the call. The caller goes on hearing that
// it rings.
type guest struct {
	stage  guestStage
	answer []byte // for the caller, when they meet on the call's own relay
	told   bool   // he knows of it already
	since  time.Time
	left   []routing.Prompt // still to be played for this purpose
	cut    string           // why the whisper was not heard to its end; empty: it was
}

type guestStage uint8

const (
	coming  guestStage = iota // the relay is asked
	hearing                   // the whisper is played to him
	asked                     // whether he takes the call
	waiting                   // he takes it, but another one was first and is on his way
	moving                    // he is moved from his anteroom to the call
)

type (
	// doReceive agrees on media with who has answered, so that he can be spoken to, on
	// the call's relay or in his anteroom; the answer is Received.
	doReceive struct {
		leg   LegID
		body  []byte
		offer bool
	}
	// doFetch offers who is in an anteroom the media of the call; he answers by
	// Accepted or Declined.
	doFetch struct{ leg LegID }
	// doSeat gives him the callee's side of the call; the answer is Agreed.
	doSeat struct {
		leg  LegID
		body []byte
	}
	// doCloseRoom closes his anteroom.
	doCloseRoom struct{ leg LegID }
)

func (doReceive) isAction()   {}
func (doFetch) isAction()     {}
func (doSeat) isAction()      {}
func (doCloseRoom) isAction() {}

// Received says that who has answered can be spoken to (Err nil), or not.
type Received struct {
	At
	Leg  LegID
	Body []byte // the answer for the caller, of the call's own relay
	Told bool   // as of Agreed
	Err  error
}

// vets reports whether who answers is spoken to before he has the call.
func (f *flowing) vets() bool { return f.ring.Whisper != nil || f.ring.Screen != nil }

// receive takes an answer that is not one for the caller yet.
func (m *machine) receive(a *attempt, s Answered) {
	a.answered = true
	a.guest = &guest{since: s.Time}
	a.deadline = s.Time.Add(listenMost)
	m.arm(s.Time)
	m.publish(events.LegAnswered, s.Time, events.LegAnsweredData{Leg: a.ulid})
	body := s.Body
	if len(body) == 0 && !s.Offer {
		body = a.early
	}
	if s.Offer && m.delayed() { // nobody but the caller could answer him
		m.declines(s.Time, a, declinedLost, Cause{Status: 488, Q850: 65, Text: "neither side makes an offer"})
		return
	}
	m.do(doReceive{a.id, body, s.Offer})
}

// received is the relay's word on it.
func (m *machine) received(s Received) {
	a := m.attempt(s.Leg)
	if a == nil || a.guest == nil || a.guest.stage != coming {
		return
	}
	if s.Err != nil {
		m.declines(s.Time, a, declinedLost, causeOf(s.Err, 488, "answer not acceptable"))
		return
	}
	g := a.guest
	g.answer, g.told, g.stage = s.Body, s.Told, hearing
	if w := m.flow.ring.Whisper; w != nil {
		g.left = w.Prompts
	}
	m.speakTo(s.Time, a)
}

// speakTo plays the next prompt, or goes on behind the last one.
func (m *machine) speakTo(at time.Time, a *attempt) {
	g := a.guest
	switch screen := m.flow.ring.Screen; {
	case len(g.left) > 0:
		next := g.left[0]
		g.left = g.left[1:]
		m.playIn(a.roomID(), a.hears(), media.Play{To: media.Callee, Sound: soundOf(next)})
	case g.stage == hearing:
		m.whispered(at, a)
		if screen == nil {
			m.takes(at, a)
			return
		}
		g.stage, g.left = asked, screen.Prompts
		m.speakTo(at, a)
	case g.stage == asked:
		a.deadline = at.Add(screen.Within)
		m.arm(at)
	}
}

// hears is what is being played to a guest.
func (a *attempt) hears() string {
	if a.guest.stage == hearing {
		return forWhisper
	}
	return forScreen
}

// roomID names the anteroom of an attempt; empty: it has none.
func (l *leg) roomID() LegID {
	if l.room {
		return l.id
	}
	return ""
}

// whispered tells how much of the whisper was heard, if there was one.
func (m *machine) whispered(at time.Time, a *attempt) {
	if w := m.flow.ring.Whisper; w == nil || len(w.Prompts) == 0 {
		return
	}
	g := a.guest
	m.publish(events.LegWhispered, at, events.LegWhisperedData{Leg: a.ulid, Complete: g.cut == "", End: g.cut})
}

// heardBy is the end of a sound to a guest; room is empty on the call's relay.
func (m *machine) heardBy(at time.Time, room LegID, p media.Playback) {
	i := slices.IndexFunc(m.attempts, func(a *attempt) bool { return a.guest != nil && a.roomID() == room })
	if i < 0 || p.To != media.Callee {
		return
	}
	a := m.attempts[i]
	g := a.guest
	if g.stage != hearing && g.stage != asked || p.For != a.hears() {
		return
	}
	if p.For == forWhisper && p.End != media.PlayFinished {
		g.cut = string(p.End)
	}
	m.speakTo(at, a)
}

// guestPressed is a key of a guest. The one that accepts may come at any time: who
// knows the words need not wait for their end. Any other declines, once he is asked.
func (m *machine) guestPressed(at time.Time, a *attempt, d media.Digit) {
	g, screen := a.guest, m.flow.ring.Screen
	key, isKey := d.Key()
	switch {
	case screen == nil || g.stage != hearing && g.stage != asked || !isKey:
	case string(key) == screen.Accept:
		m.accepts(at, a)
	case g.stage == asked:
		m.declines(at, a, declinedByKey, Cause{Status: 480, Q850: 18, Text: "declined by a key", Remote: true})
	}
}

// guestOnRelay is the guest who is on the call's own relay; nil: nobody.
func (m *machine) guestOnRelay() *attempt {
	for _, a := range m.attempts {
		if a.guest != nil && !a.room {
			return a
		}
	}
	return nil
}

// accepts is a guest who takes the call.
func (m *machine) accepts(at time.Time, a *attempt) {
	whispering := a.guest.stage == hearing
	m.hushGuest(a)
	if whispering {
		if a.guest.cut == "" {
			a.guest.cut = "key"
		}
		m.whispered(at, a)
	}
	m.publish(events.LegAccepted, at, events.LegAcceptedData{Leg: a.ulid, WaitedMS: at.Sub(a.guest.since).Milliseconds()})
	m.takes(at, a)
}

// takes puts a guest through, at once or out of his anteroom. Of several who take the
// call the first is moved, the others wait whether that succeeds.
func (m *machine) takes(at time.Time, a *attempt) {
	switch {
	case !a.room:
		m.wins(at, a)
		m.agreedOn(Agreed{At: At{at}, Body: a.guest.answer, Told: a.guest.told})
	case m.isMoving():
		a.guest.stage = waiting
		a.deadline = at.Add(2 * claimWait)
		m.arm(at)
	default:
		m.fetch(at, a)
	}
}

// fetch begins to move a guest from his anteroom to the call.
func (m *machine) fetch(at time.Time, a *attempt) {
	a.guest.stage = moving
	a.deadline = at.Add(claimWait)
	m.arm(at)
	m.do(doFetch{a.id})
}

// seated is the guest's answer to the media of the call.
func (m *machine) seated(a *attempt, s Accepted) {
	if a.guest.stage != moving {
		return
	}
	if len(s.Body) == 0 { // his session is as it was, in the anteroom
		m.declines(s.Time, a, declinedLost, Cause{Status: 488, Q850: 65, Text: "answer missing"})
		return
	}
	m.wins(s.Time, a)
	m.do(doSeat{a.id, s.Body})
}

// isMoving reports whether a guest is on his way out of his anteroom.
func (m *machine) isMoving() bool {
	return slices.ContainsFunc(m.attempts, func(a *attempt) bool { return a.guest != nil && a.guest.stage == moving })
}

// nextGuest moves the one who has waited longest, when no other is on his way.
func (m *machine) nextGuest(at time.Time) {
	if m.isMoving() {
		return
	}
	for _, a := range m.attempts {
		if a.guest != nil && a.guest.stage == waiting {
			m.fetch(at, a)
			return
		}
	}
}

// declines ends the attempt of a guest who does not take the call, and goes on with
// the others.
func (m *machine) declines(at time.Time, a *attempt, reason string, c Cause) {
	m.attempts = slices.DeleteFunc(m.attempts, func(b *attempt) bool { return a == b })
	m.arm(at)
	m.proceed(at, m.turnsDown(at, a, reason, c))
	if m.state == ringing {
		m.nextGuest(at)
	}
}

// turnsDown tells of it. A machine that answers and says nothing has not answered.
func (m *machine) turnsDown(at time.Time, a *attempt, reason string, c Cause) verdict {
	g, by := a.guest, ByFlow
	if g.stage == hearing {
		m.hushGuest(a)
		if g.cut == "" {
			g.cut = reason
		}
		m.whispered(at, a)
	}
	result := routing.Declined
	switch reason {
	case declinedLate:
		result = routing.NoAnswer
	case declinedLost:
		result = routing.Unreachable
	default:
		by = ByCallee
	}
	if !a.room {
		m.tellBurstOf(at, media.Callee, a.leg)
	}
	m.publish(events.LegDeclined, at, events.LegDeclinedData{Leg: a.ulid, Reason: reason, WaitedMS: at.Sub(g.since).Milliseconds()})
	m.hangup(a.id, c.onward("call not taken"))
	m.sendOff(a)
	m.settle(a.leg, at, by, c)
	return m.tried(a, c, result, false)
}

// sendOff takes a guest off the relay, or closes his anteroom.
func (m *machine) sendOff(a *attempt) {
	m.hushGuest(a)
	switch {
	case a.room:
		m.closeRoom(a.leg)
	case a.guest != nil:
		m.do(doSilence{media.Callee})
		m.meet()
	}
}

func (m *machine) hushGuest(a *attempt) {
	for _, purpose := range []string{forWhisper, forScreen} {
		m.quietIn(a.roomID(), purpose, media.Callee)
	}
}

// closeRoom closes the anteroom of a leg, if it has one.
func (m *machine) closeRoom(l *leg) {
	if l.room {
		l.room = false
		m.do(doCloseRoom{l.id})
	}
}

// part keeps them from it: before the callee is offered anything, because who is
// asked for keys by us alone is told that he may send them, whatever the caller takes.
func (m *machine) part() {
	if !m.apart {
		m.apart = true
		m.do(doApart{true})
	}
}

// meet lets both sides of the relay hear each other.
func (m *machine) meet() {
	if m.apart {
		m.apart = false
		m.do(doApart{false})
	}
}

// guestSays handles what a guest says; false: it means no more than of any leg.
func (m *machine) guestSays(a *attempt, s Signal) bool {
	switch s := s.(type) {
	case Ringing, Trying, Silenced, Failed, Answered, Acked: // overtaken by his 2xx, or repeated
	case Bye:
		a.hung = true
		m.declines(s.Time, a, declinedByBye, s.Cause)
	case Gone:
		m.declines(s.Time, a, declinedLost, Cause{Status: 500, Text: "leg lost"})
	case Lost:
		m.declines(s.Time, a, declinedLost, s.Cause)
	case Accepted:
		m.seated(a, s)
	case Declined:
		if a.guest.stage == moving {
			m.declines(s.Time, a, declinedLost, s.Cause)
		}
	case Withdrawn:
	case Offered:
		if a.room || a.guest.stage == coming {
			m.do(doRefuseOffer{a.id, s.ID, 491}) // he may ask again, in the call
			return true
		}
		m.offeredEarly(a.id, s)
	case Keyed:
		if !a.room {
			return false
		}
		m.do(doPressed{side: media.Callee, press: s.Press, room: a.id})
	case Noticed:
		m.noticedIn(a, s)
	default:
		return false
	}
	return true
}

// noticedIn is what his anteroom says.
func (m *machine) noticedIn(a *attempt, s Noticed) {
	switch n := s.Notice; {
	case n.Playback != nil:
		m.soundedIn(s.Time, a.id, *n.Playback, s.Past)
	case n.Kind == media.Pressed && n.Side == media.Callee:
		m.guestPressed(s.Time, a, n.Press.Digit)
	}
}
