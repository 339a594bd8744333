package call

import (
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// keepsCaller reports whether the flow has something for a caller whose callee hangs
// up first: he must be the one who called, and be there.
func (m *machine) keepsCaller(gone media.Side) bool {
	r := m.flow.ring
	return r != nil && r.Keep && gone == media.Callee && m.move == nil && m.talk.caller == A && m.acked
}

// talkOver ends the talk and leaves the caller to his flow. What is recorded of the
// talk ends here.
func (m *machine) talkOver(at time.Time, c Cause) {
	m.settle(m.leg(m.talk.callee), at, ByCallee, c)
	m.cutExchange(A)
	m.showAll()
	m.resume(byLimit)
	m.forgetOrders(at)
	m.quiet(forHold, media.Caller)
	m.quiet(forBeep, media.Caller)
	m.quiet(forHold, media.Callee)
	m.quiet(forBeep, media.Callee)
	m.do(doSilence{media.Callee})
	switch m.recording {
	case recording:
		m.recording = recordingOver
		m.do(doCloseRecording{ended: at})
	case opening:
		m.recording = recordingLate
	}
	d := &m.desk
	d.stage, d.over = served, at
	if d.at.IsZero() {
		d.at = at
	}
	m.become(attending)
	m.goOn(at, routing.Rung{When: routing.When{Time: at}, Result: routing.Talked, Trials: m.flow.trials})
}

// forgetOrders ends what was ordered of a talk, and its holds, with the talk: the
// caller hears his flow again and is heard by it.
func (m *machine) forgetOrders(at time.Time) {
	m.freeOfOrders(media.Callee)
	m.quiet(forOrder, media.Caller)
	m.mute(media.Caller, false)
	held := m.hold.now.Caller
	m.hold.now = Holds{}
	m.tellHolds(at)
	m.hold.now.Caller = held // his phone still does: what we say to him waits
}
