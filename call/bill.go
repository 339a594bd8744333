package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
)

// This file is what call.ended says of time and money.

func (m *machine) summary(status string, by Ender, c Cause) *events.CallEndedData {
	d := times{m.invite.At, m.firstRing, m.answeredAt, m.bridgedAt, m.endedAt}.summary()
	d.Status, d.EndedBy, d.Cause, d.RejectReason = status, string(by), c.event(), c.Reason
	if by == ByLimit {
		d.Limit = c.Limit
	}
	d.ConfigVersion, d.Transfers = m.decision.Version, m.transfers
	if l := m.leg(m.winner); l != nil {
		d.Winner = l.ulid
	}
	m.bill(&d)
	return &d
}

// bill fills in what is measured of the talk, and of the time that the caller was
// connected to us alone, from what is known by now. It begins when an answer went to
// the caller and ends with the call, or with the last sign of life of a side that
// stopped answering (C13). Nobody is billed for an answer that may never have arrived,
// nor for a call that was refused (C45), or ended before screening let it pass.
func (m *machine) bill(d *events.CallEndedData) {
	from := m.connectedAt()
	if from.IsZero() {
		return
	}
	until := m.endedAt
	if m.silent != nil {
		until = m.silent.until(from, m.endedAt)
		d.BilledUntil = events.StampOf(until)
	}
	d.TalkMS, d.BillableMS = 0, 0
	if !m.bridgedAt.IsZero() {
		talked := until
		if over := m.desk.over; !over.IsZero() && over.Before(until) {
			talked = over
		}
		d.BridgedAt, d.TalkMS = events.StampOf(m.bridgedAt), ms(m.bridgedAt, talked)
		d.HoldMS = min(m.hold.heldFor(talked).Milliseconds(), d.TalkMS)
	}
	if m.attended() {
		d.AttendedAt, d.AttendedMS = events.StampOf(m.desk.at), max(0, ms(from, until)-d.TalkMS)
	}
	if m.acked && d.Status != "rejected" && !m.challenged() {
		d.BillableMS = d.TalkMS + d.AttendedMS
	}
}

// connectedAt is when an answer went to the caller, ours or a callee's; zero: none did.
func (m *machine) connectedAt() time.Time {
	if m.attended() && (m.bridgedAt.IsZero() || m.desk.at.Before(m.bridgedAt)) {
		return m.desk.at
	}
	return m.bridgedAt
}

// times are the moments a call is measured by; zero: did not happen.
type times struct{ received, rang, answered, bridged, ended time.Time }

// summary fills in the times and what follows from them. Ringing ends with the
// callee's answer, talk begins when the caller was told of it.
func (t times) summary() events.CallEndedData {
	d := events.CallEndedData{
		ReceivedAt: events.Stamp(t.received), FirstRingAt: events.StampOf(t.rang),
		AnsweredAt: events.StampOf(t.answered), BridgedAt: events.StampOf(t.bridged), EndedAt: events.Stamp(t.ended),
		DurationMS: ms(t.received, t.ended),
	}
	rangUntil := t.answered
	if rangUntil.IsZero() {
		rangUntil = t.ended
	}
	switch {
	case !t.rang.IsZero():
		d.SetupMS, d.RingMS = ms(t.received, t.rang), ms(t.rang, rangUntil)
	case !t.answered.IsZero():
		d.SetupMS = ms(t.received, t.answered)
	}
	if !t.bridged.IsZero() {
		d.TalkMS = ms(t.bridged, t.ended)
		d.BillableMS = d.TalkMS
	}
	return d
}

// publishEnd tells the end once nothing that belongs into it is open.
func (m *machine) publishEnd() {
	if m.final == nil || m.uncounted || m.unheard {
		return
	}
	m.publish(events.CallEnded, m.endedAt, *m.final)
	m.final = nil
}

// heard settles what the end left open: whether the answer reached the caller,
// when the callee hung up before the ACK. An ACK that was lost or is late on its
// way must not make a talk free, nor a silence billed.
func (m *machine) heard(yes bool) {
	if !m.unheard {
		return
	}
	m.unheard, m.acked = false, yes
	m.bill(m.final)
	m.publishEnd()
}

// onCallersSide reports whether a leg is the caller's, or that of who has his place.
func (m *machine) onCallersSide(id LegID) bool {
	side, talks := m.talk.side(id)
	return id == A || talks && side == media.Caller
}

// mayStillHear reports whether it is open that the caller's side knows of the answer.
func (m *machine) mayStillHear() bool {
	l := m.leg(m.talk.caller)
	return !m.connectedAt().IsZero() && !m.acked && l != nil && !l.gone && m.heardAnswer()
}

func ms(from, to time.Time) int64 { return max(0, to.Sub(from).Milliseconds()) }
