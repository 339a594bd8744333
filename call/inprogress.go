package call

import (
	"time"

	"ringdown/media"
)

func (m *machine) inProgress(from LegID, s Signal) bool {
	if m.transferring(from, s) {
		return true
	}
	switch s := s.(type) {
	case Bye:
		if side, ok := m.talk.side(from); ok {
			m.acked = m.acked || from == A && m.heardAnswer() // who hangs up has heard the answer
			if m.keepsCaller(side) {
				m.talkOver(s.Time, s.Cause)
			} else {
				m.hangUpOther(s.Time, side, s.Cause)
			}
		}
	case Acked:
		m.ackedBy(from, s)
	case Lost:
		m.lost(from, s)
	case NoAck: // of the answer, or of a later offer's
		if _, ok := m.talk.side(from); !ok {
			return true // of a leg that has given its place
		}
		m.noAck(from, s)
		m.endBoth(s.Time, ByNoACK, Cause{Status: 408, Q850: 102, Text: "ACK did not come"})
	case Offered:
		side, ok := m.talk.side(from)
		if !ok {
			return false
		}
		m.offeredInCall(from, side, s)
	case Withdrawn:
		if side, ok := m.talk.side(from); ok {
			m.withdrawn(from, side, s)
		}
	case Accepted:
		if side, ok := m.talk.side(from); ok {
			m.accepted(from, side, s)
		}
	case Declined:
		m.declined(from, s.Time)
	case Settled:
		m.settled(s)
	case Stop:
		m.endBoth(s.Time, s.By, Cause{Status: 200, Q850: 16, Text: "stopped"})
	case Timeout:
		return m.inProgressTimeout(s)
	case Cancelled: // it crossed our answer, and sip had already refused the INVITE
		m.uncalled(from, s)
	case Failed:
		_, talks := m.talk.side(from)
		return !talks
	case Gone:
		if side, ok := m.talk.side(from); ok {
			m.hangUpOther(s.Time, side, Cause{Status: 500, Text: "leg lost"})
		}
	default:
		return false
	}
	return true
}

func (m *machine) inProgressTimeout(s Timeout) bool {
	switch s.Timer {
	case timerMax:
		m.talkedEnough(s.Time)
	case timerDurable, timerRecord, timerRingback, timerTransfer: // fired while it was being stopped
	default:
		return false
	}
	return true
}

// hangUpOther ends an answered call of which one side has gone.
func (m *machine) hangUpOther(at time.Time, gone media.Side, c Cause) {
	by := enderOf(gone)
	m.dropTransfer()
	m.settle(m.leg(m.talk.on(gone)), at, by, c)
	m.hangup(m.talk.on(gone.Other()), c.onward("other side hung up"))
	m.end(at, "completed", by, c)
}

// endBoth ends an answered call by our own decision.
func (m *machine) endBoth(at time.Time, by Ender, c Cause) {
	m.dropTransfer()
	m.hangup(m.talk.caller, c)
	m.hangup(m.talk.callee, c)
	m.end(at, "completed", by, c)
}

// uncalled is an INVITE that was cancelled as our answer was on its way: who
// made it was never connected. For the caller it is as if nobody had answered;
// one who was to have somebody's place leaves it empty.
func (m *machine) uncalled(from LegID, s Cancelled) {
	side, talks := m.talk.side(from)
	switch {
	case !talks: // his place was given away meanwhile
	case from == A:
		m.bridgedAt = time.Time{}
		m.cancelled(s)
	default:
		m.hangUpOther(s.Time, side, Cause{Status: 487, Q850: 16, Text: "newcomer gave up", Remote: true})
	}
}
