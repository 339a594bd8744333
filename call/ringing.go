package call

// inRinging handles the signals while targets are being dialled.
func (m *machine) inRinging(from LegID, s Signal) bool {
	if a := m.attempt(from); a != nil {
		says := m.attemptSays
		if a.guest != nil {
			says = m.guestSays
		}
		if says(a, s) {
			return true
		}
	}
	switch s := s.(type) {
	case Ringing, Trying: // of an attempt that is over
	case Failed:
		return from != A
	case Silenced:
		if l := m.leg(from); l != nil {
			m.silence(l, s.Time)
		}
	case Timeout:
		switch s.Timer {
		case timerRingback:
			m.ringbackDue(s.Time)
		case timerRing:
			m.someRangEnough(s.Time)
		default:
			return false
		}
	case Bye: // the caller may end an early dialog by BYE (RFC 3261 15)
		if from == A {
			return m.leftEarly(from, s)
		}
	case Offered:
		m.offeredEarly(from, s)
	case Settled:
		m.settled(s)
	case Received:
		m.received(s)
	default:
		return m.leftEarly(from, s)
	}
	return true
}

// attemptSays handles what an attempt says; false: it means no more than of any leg.
func (m *machine) attemptSays(a *attempt, s Signal) bool {
	switch s := s.(type) {
	case Ringing:
		m.rings(a.leg, s)
	case Trying:
		m.taken(s.Time)
	case Answered:
		m.picksUp(a, s)
	case Failed:
		m.attemptOver(s.Time, a, "failed", s.Cause)
	case Gone:
		m.attemptOver(s.Time, a, "failed", Cause{Status: 500, Text: "leg lost"})
	case Lost:
		m.attemptOver(s.Time, a, "failed", s.Cause)
	default:
		return false
	}
	return true
}
