package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// Timers and figures of keys.
const (
	timerKeys  Timer = "keys"   // a burst of keys may be over
	timerPause Timer = "paused" // the recording was paused for long enough

	// burstGap is how long no key is pressed until those before are told as one event.
	burstGap = 3 * time.Second
	// pauseMost is how long a recording stays paused that nobody resumes, after the
	// code was pressed last.
	pauseMost = 2 * time.Minute
	// byLimit is who resumes a recording then, and byKeypad what a side does it with.
	byLimit, byKeypad = "limit", "keypad"
	byFlow            = "flow"
)

type (
	// Keyed is a key that a leg's peer has said by INFO.
	Keyed struct {
		At
		Press media.Press
	}
	// Untold says that a leg's peer takes no INFO with a key: it has to be told of
	// this one in another way.
	Untold struct {
		At
		Press media.Press
	}
)

type (
	// doPressed gives the relay a key that a side has said by INFO.
	doPressed struct {
		side  media.Side
		press media.Press
		room  LegID // in whose anteroom he is; empty: in none
	}
	// doTell tells a leg of a key by INFO.
	doTell struct {
		leg   LegID
		press media.Press
	}
	// doPress sends a side a key as a tone.
	doPress struct {
		side  media.Side
		press media.Press
	}
	// doCodes says which codes a side may press from now on.
	doCodes struct {
		side  media.Side
		codes []string
	}
	// doSuppress says what the other side and the recording get of a side's keys.
	doSuppress struct {
		side media.Side
		mode media.Suppression
	}
	// doPause pauses the recording, or resumes it; by is a side or byLimit.
	doPause struct {
		on bool
		by string
	}
)

func (doPressed) isAction()  {}
func (doTell) isAction()     {}
func (doPress) isAction()    {}
func (doCodes) isAction()    {}
func (doSuppress) isAction() {}
func (doPause) isAction()    {}

// source is what a recording is paused or resumed with.
func (a doPause) source() string {
	switch a.by {
	case byLimit, byOrder, byFlow:
		return ""
	}
	return byKeypad
}

// keying is what the machine knows of keys: how many were pressed, and never which.
type keying struct {
	bursts [2]burst
	timed  bool      // timerKeys runs
	paused bool      // the recording is, by a code
	by     string    // who paused it
	until  time.Time // when it has been paused for long enough
}

// burst is a run of keys of one side, one event for all of them.
type burst struct {
	class media.Class
	count int
	ways  media.Way
	first time.Time
	last  time.Time
}

// noticed takes what the relay says by itself.
func (m *machine) noticed(s Noticed) bool {
	n := s.Notice
	switch n.Kind {
	case media.Started:
		m.publish(events.MediaStarted, s.Time, events.MediaStartedData{Side: n.Side.String(), PT: int(n.PT)})
	case media.Pressed:
		m.pressed(s.Time, n)
		if a := m.guestOnRelay(); a != nil && n.Side == media.Callee {
			m.guestPressed(s.Time, a, n.Press.Digit)
		}
	case media.Tell:
		if id := m.legOn(n.Side); id != "" {
			m.do(doTell{id, n.Press})
		}
	case media.Coded:
		m.coded(s.Time, n)
	case media.OneWay, media.Silent, media.Quality, media.Expired:
		m.hears(s)
	default:
		return false
	}
	return true
}

// legOn is the leg on a side, also before the call is answered.
func (m *machine) legOn(side media.Side) LegID {
	switch {
	case m.state == inProgress:
		return m.talk.on(side)
	case side == media.Caller:
		return A
	case m.winner != "":
		return m.winner
	}
	return m.heardOnRelay()
}

// pressed counts a key. A burst is told when it is over, so that neither what was
// pressed nor the rhythm of it is in an event.
func (m *machine) pressed(at time.Time, n media.Notice) {
	b := &m.keys.bursts[n.Side-1]
	class := n.Press.Digit.Class()
	if class == media.OtherEvent {
		return
	}
	defer m.pressedToUs(at, n)
	if b.count > 0 && b.class != class {
		m.tellBurst(at, n.Side)
	}
	if b.count == 0 {
		*b = burst{class: class, first: at}
	}
	b.count++
	b.ways |= n.Way
	b.last = at
	if !m.keys.timed {
		m.keys.timed = true
		m.do(doTimer{timerKeys, burstGap})
	}
}

// keysDue tells the bursts that are over.
func (m *machine) keysDue(at time.Time) {
	m.keys.timed = false
	wait := time.Duration(0)
	for _, side := range []media.Side{media.Caller, media.Callee} {
		b := &m.keys.bursts[side-1]
		switch left := burstGap - at.Sub(b.last); {
		case b.count == 0:
		case left <= 0:
			m.tellBurst(at, side)
		default:
			wait = max(wait, left)
		}
	}
	if wait > 0 {
		m.keys.timed = true
		m.do(doTimer{timerKeys, wait})
	}
}

// tellBursts tells what is left when the call ends.
func (m *machine) tellBursts(at time.Time) {
	m.tellBurst(at, media.Caller)
	m.tellBurst(at, media.Callee)
}

func (m *machine) tellBurst(at time.Time, side media.Side) {
	m.tellBurstOf(at, side, m.leg(m.legOn(side)))
}

func (m *machine) tellBurstOf(at time.Time, side media.Side, l *leg) {
	b := &m.keys.bursts[side-1]
	if b.count == 0 {
		return
	}
	d := events.DTMFDetectedData{Side: side.String(), Class: b.class.String(), Count: b.count}
	if l != nil {
		d.Leg = l.ulid
	}
	for _, w := range []media.Way{media.ByEvent, media.BySound, media.ByInfo} {
		if b.ways&w != 0 {
			d.Ways = append(d.Ways, w.String())
		}
	}
	m.publish(events.DTMFDetected, at, d)
	*b = burst{}
}

// keyed is a key by INFO; the relay tells which presses are new.
func (m *machine) keyed(from LegID, p media.Press) {
	if side, ok := m.sideOf(from); ok && m.relay {
		m.do(doPressed{side: side, press: p})
	}
}

// untold is a key that a leg could not be told of by INFO.
func (m *machine) untold(from LegID, p media.Press) {
	if side, ok := m.sideOf(from); ok && m.relay {
		m.do(doPress{side, p})
	}
}

func (m *machine) sideOf(id LegID) (media.Side, bool) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if id != "" && m.legOn(side) == id {
			return side, true
		}
	}
	return 0, false
}

// listenForCodes begins to look for the codes of the account or number.
func (m *machine) listenForCodes() {
	codes, _ := m.decision.Codes.List()
	if len(codes) == 0 {
		return
	}
	m.do(doCodes{media.Callee, codes})
	if m.decision.Codes.By == routing.CodesByBoth {
		m.do(doCodes{media.Caller, codes})
	}
}

// coded does what a code is for.
func (m *machine) coded(at time.Time, n media.Notice) {
	_, does := m.decision.Codes.List()
	if m.state != inProgress || n.Code < 0 || n.Code >= len(does) {
		return
	}
	switch does[n.Code] {
	case routing.PauseRecording:
		m.pause(at, n.Side)
	case routing.ResumeRecording:
		m.resume(n.Side.String())
	case routing.HideKeys:
		m.hide(at, n.Side.Other())
	case routing.ShowKeys:
		m.show(n.Side.Other())
	case routing.HangUp:
		m.endBoth(at, enderOf(n.Side), Cause{Status: 200, Q850: 16, Text: "hung up by a code"})
	}
}

// pause pauses the recording that there is or will be. Said again, it lasts anew.
func (m *machine) pause(at time.Time, by media.Side) {
	if m.recording != recording && m.recording != opening {
		return
	}
	if m.pausedBy() == byOrder {
		return
	}
	m.pauseFor(at, by.String())
}

// pauseFor pauses the recording, or the one that comes.
func (m *machine) pauseFor(at time.Time, by string) {
	m.keys.until = at.Add(pauseMost)
	m.do(doTimer{timerPause, pauseMost})
	if m.keys.paused {
		return
	}
	m.keys.paused, m.keys.by = true, by
	if m.recording == recording {
		m.do(doPause{true, m.keys.by})
		m.beeps()
	}
}

// resume ends a pause, also one whose recording is over: it is not for the next.
func (m *machine) resume(by string) {
	if !m.keys.paused || m.keys.by == byOrder && by != byOrder {
		return
	}
	m.keys.paused = false
	m.do(doStopTimer{timerPause})
	if m.recording == recording {
		m.do(doPause{false, by})
		m.beeps()
	}
}

// pausedEnough resumes what nobody has resumed, unless it was paused anew meanwhile.
func (m *machine) pausedEnough(at time.Time) {
	if !at.Before(m.keys.until) {
		m.resume(byLimit)
	}
}

// pausedBy is who has paused the recording; empty: nobody has.
func (m *machine) pausedBy() string {
	if !m.keys.paused {
		return ""
	}
	return m.keys.by
}

// carryOutKeys does one action about keys; false: it is another one.
func (c *Call) carryOutKeys(a action) bool {
	switch a := a.(type) {
	case doPressed:
		c.relayOf(a.room).Pressed(a.side, a.press)
	case doTell:
		if l := c.legs[a.leg]; l != nil {
			l.Press(a.press)
		}
	case doPress:
		c.press(a)
	case doCodes:
		if err := c.relay.Codes(a.side, a.codes); err != nil {
			c.log.Error("codes are not listened for", "error", err)
		}
	case doSuppress:
		c.relay.Suppress(a.side, a.mode)
	case doPause:
		switch {
		case c.recording == nil:
		case a.on:
			c.recording.Pause(a.by, a.source())
		default:
			c.recording.Resume(a.by, a.source())
		}
	default:
		return false
	}
	return true
}
