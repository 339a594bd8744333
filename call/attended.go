package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
)

// This file is what a caller says whom we have answered ourselves, as long as he
// talks to nobody: in the states attending, ringing and answering.

// fromAttended handles it; false leaves the signal to the state.
func (m *machine) fromAttended(from LegID, s Signal) bool {
	if !m.attended() {
		return false
	}
	if stop, ok := s.(Stop); ok {
		m.attendedStopped(stop)
		return true
	}
	if t, ok := s.(Timeout); ok && t.Timer == timerMax {
		m.attendedEnough(t.Time)
		return true
	}
	if from != A {
		return false
	}
	switch s := s.(type) {
	case Acked:
		m.attendedAcked(s)
	case Bye:
		m.acked = m.acked || m.heardAnswer() // who hangs up has heard the answer
		m.attendedLeft(s.Time, ByCaller, s.Cause)
	case Gone:
		m.attendedLeft(s.Time, ByCaller, Cause{Status: 500, Text: "leg lost"})
	case Lost:
		m.silent = &silence{side: media.Caller, alive: s.Alive}
		by := s.Cause.By
		if by == "" {
			by = ByCaller
		}
		m.attendedLeft(s.Time, by, s.Cause)
	case NoAck:
		m.noAck(from, s)
		m.attendedLeft(s.Time, ByNoACK, Cause{Status: 408, Q850: 102, Text: "ACK did not come"})
	case Cancelled: // it crossed our 200, and sip had refused the INVITE already
		m.desk.at = time.Time{}
		m.cancelled(s)
	case Offered:
		m.offeredInCall(from, media.Caller, s)
	case Withdrawn:
		m.withdrawn(from, media.Caller, s)
	case Accepted:
		m.accepted(from, media.Caller, s)
	case Declined:
		m.declined(from, s.Time)
	default:
		return false
	}
	return true
}

// attendedAcked is the ACK to our 200: he hears us from now on, or, when he made no
// offer, from when the relay has taken his answer.
func (m *machine) attendedAcked(s Acked) {
	if m.desk.at.Before(s.Sent) { // our 200 had to wait for a PRACK
		m.desk.at = s.Sent
	}
	m.ackedBy(A, s)
	if m.acked && m.state != ended {
		m.reached(s.Time)
	}
}

// attendedLeft ends a call whose caller leaves us: a message that he was leaving
// counts, and a talk that he has had. Who leaves otherwise has given up.
func (m *machine) attendedLeft(at time.Time, by Ender, c Cause) {
	m.leavesUnscreened(at)
	m.closeDesk(at, by)
	out := c.onward("caller hung up")
	m.settle(m.legs[0], at, by, c)
	for _, l := range m.legs[1:] {
		m.hangup(l.id, out)
	}
	m.end(at, m.doneOr("abandoned"), by, c)
}

// doneOr is the status of a call that has come to something, else the one given.
func (m *machine) doneOr(status string) string {
	if m.flow.left || !m.desk.over.IsZero() {
		return "completed"
	}
	return status
}

// attendedStopped is somebody who wants the call to end.
func (m *machine) attendedStopped(s Stop) {
	m.closeDesk(s.Time, s.By)
	c := Cause{Status: 200, Q850: 16, Text: "stopped"}
	m.hangupAll(c)
	m.end(s.Time, m.doneOr("canceled"), s.By, c)
}

// attendedEnough ends a call that has gone on for as long as any may.
func (m *machine) attendedEnough(at time.Time) {
	until := m.desk.at.Add(m.max)
	if m.spans.talkUntil.After(until) {
		until = m.spans.talkUntil
	}
	if at.Before(until) { // it fired while it was being set anew, or was set for a talk that is over
		m.do(doTimer{timerMax, until.Sub(at)})
		return
	}
	m.closeDesk(at, ByLimit)
	c := Cause{Status: 200, Q850: 16, Text: "longest call allowed", Limit: limitNode}
	m.hangupAll(c)
	m.end(at, m.doneOr("canceled"), ByLimit, c)
}

// closeDesk ends what we were doing for the caller.
func (m *machine) closeDesk(at time.Time, by Ender) {
	m.closeMessage(at, string(by))
	m.desk.doing = nil
	m.hush()
}

// attendedSilent ends a call whose caller, whom we deal with, was silent beyond his
// limit, as fellSilent does for one who talks.
func (m *machine) attendedSilent(s Noticed) {
	n := s.Notice
	switch said := s.Alive[media.Caller-1]; {
	case !m.acked:
		m.do(doSpare{n.Side, s.Time})
		return
	case said.After(n.Since):
		m.do(doSpare{n.Side, said})
		return
	}
	m.publish(events.MediaTimeout, s.Time, events.MediaTimeoutData{
		Leg: m.legs[0].ulid, Side: n.Side.String(), Limit: string(n.Limit), Since: events.Stamp(n.Since), SilentMS: ms(n.Since, s.Time),
	})
	m.silent = &silence{side: media.Caller, alive: n.Since}
	m.leavesUnscreened(s.Time)
	m.closeDesk(s.Time, ByMedia)
	m.hangupAll(mediaTimeout)
	m.end(s.Time, m.doneOr("abandoned"), ByMedia, mediaTimeout)
}

// entertain lets a caller who is answered already hear that he waits: the step's
// music, or a ringback tone.
func (m *machine) entertain() {
	if !m.attended() {
		return
	}
	tone := m.decision.Sounds.Ringback
	what := media.Sound{File: tone.File, Ringback: tone.Country}
	if music := m.flow.ring.Music; !music.IsZero() {
		what = soundOf(music)
	} else if what == (media.Sound{}) {
		what.Ringback = usualRingback
	}
	m.play(forRingback, media.Play{To: media.Caller, Sound: what, Loop: true})
}

// usualRingback is the country whose tone is heard where the configuration says none:
// 425 Hz, as most of Europe has it.
const usualRingback = "de"
