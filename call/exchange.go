package call

import (
	"time"

	"ringdown/media"
)

// exchange is an offer inside an answered call that is not concluded. There is
// one at a time for both legs together, so that no two cross in the relay; what
// comes meanwhile is told 491.
type exchange struct {
	step      step
	leg       LegID // who offered, or wanted an offer
	id        int   // of its Offered
	asked     LegID // who has to answer now
	withdrawn bool  // the one who offered has taken it back meanwhile
}

// step says what an exchange waits for.
type step uint8

const (
	firstAnswer step = iota // a caller without an offer has ours in the 200: for his ACK
	reply                   // a re-INVITE without an offer has ours in the 200: for its ACK
	atRelay                 // for the relay's word
	taking                  // for the relay's word on a leg's answer to what we offered
	firstTaken              // for the relay's word on the caller's first answer
	passedOn                // a new offer was passed to the other leg: for its answer
	settling                // for the relay's word on that answer
	unable                  // for its word on whether what the other leg declined can be converted
	undoing                 // for the relay's word that an offer is taken back
	told                    // the other leg was told that its codec is gone: for its answer
	restoring               // a leg was told to be what it was before: for its answer
)

// Settled is what the relay made of an offer or answer inside the call.
type Settled struct {
	At
	Result Result
	Holds  Holds // after it
}

// Result is how a negotiation in the relay came out.
type Result string

const (
	ResultDone    Result = "done"    // the session is as agreed now
	ResultAsked   Result = "asked"   // an offer went to the other leg, which has to answer first
	ResultRefused Result = "refused" // the session is as it was
	ResultUndone  Result = "undone"  // a new offer is taken back
)

// offeredInCall is a new offer of a leg that talks, or its wish for one.
func (m *machine) offeredInCall(from LegID, side media.Side, s Offered) {
	switch {
	case m.exchange != nil:
		m.do(doRefuseOffer{from, s.ID, 491})
	case len(s.Body) == 0:
		m.exchange = &exchange{step: reply, leg: from, id: s.ID, asked: from}
		m.do(doPresent{leg: from, side: side, id: s.ID})
	default:
		other := m.talk.on(side.Other())
		m.exchange = &exchange{step: atRelay, leg: from, id: s.ID, asked: other}
		m.do(doReoffer{leg: from, side: side, id: s.ID, body: s.Body, other: other})
	}
}

// offeredEarly is a new offer before the caller is told of an answer: an UPDATE,
// or a re-INVITE of a callee who has answered. It can be answered once both sides
// have agreed. Before, the INVITE's offer comes first: the caller's, which we have
// not answered (500), or ours to the callee (491; RFC 3311 5.2).
func (m *machine) offeredEarly(from LegID, s Offered) {
	side, status := media.Caller, 500
	if from != A {
		side, status = media.Callee, 491
	}
	early := m.passing != "" && (from == A || from == m.passing)
	answered := m.state == answering && m.agreed != nil && from == m.winner && !m.owed
	if a := m.attempt(from); a != nil && a.guest != nil {
		answered = a.guest.answer != nil
	}
	if len(s.Body) == 0 || !early && !answered {
		m.do(doRefuseOffer{from, s.ID, status})
		return
	}
	m.exchange = &exchange{step: atRelay, leg: from, id: s.ID}
	m.do(doReoffer{leg: from, side: side, id: s.ID, body: s.Body})
}

// settled takes the relay's word.
func (m *machine) settled(s Settled) {
	m.holdsNow(s.Time, s.Holds)
	x := m.exchange
	switch {
	case x == nil || s.Result == ResultUndone && x.step != undoing:
	case s.Result == ResultAsked && x.step == atRelay:
		x.step = passedOn
	case s.Result == ResultAsked: // the answer leaves out what the other leg speaks
		m.acked = m.acked || x.step == firstTaken
		side, _ := m.talk.side(x.leg)
		x.step, x.asked = told, m.talk.on(side.Other())
	case x.step == firstTaken && s.Result == ResultRefused:
		m.neverAgreed(s.Time, "answer not acceptable")
	case x.step == settling && s.Result == ResultRefused, x.step == undoing:
		m.putBack(x.asked)
	default:
		m.acked = m.acked || x.step == firstTaken
		if s.Result == ResultDone && (x.step == atRelay || x.step == settling || x.step == unable) {
			m.answered = &answered{leg: x.leg, id: x.id}
			if x.step == settling {
				m.answered.other = x.asked
			}
		}
		m.exchange = nil
	}
}

// answered is the last new offer that was answered: it may turn out to have
// been withdrawn before the answer went out. other also has moved for it.
type answered struct {
	leg   LegID
	id    int
	other LegID
}

// accepted is the answer of a leg to an offer of ours.
func (m *machine) accepted(from LegID, side media.Side, s Accepted) {
	x := m.exchange
	if x == nil || x.asked != from || x.step == firstAnswer {
		if x == nil && len(s.Body) > 0 { // a refresh of the session that sip made: its address may be new
			m.do(doTake{leg: from, side: side, body: s.Body})
		}
		return
	}
	switch {
	case x.step == passedOn && x.withdrawn:
		m.putBack(from)
	case x.step == passedOn && len(s.Body) == 0:
		m.declined(from, s.Time)
	case x.step == passedOn:
		x.step = settling
		m.do(doSettle{leg: from, side: side, body: s.Body, to: x.leg, id: x.id})
	case len(s.Body) == 0:
		m.exchange = nil
	case x.step == reply:
		x.step = taking
		m.do(doTake{leg: from, side: side, body: s.Body, other: m.talk.on(side.Other())})
	default: // told, restoring: nobody is asked in turn
		x.step = taking
		m.do(doTake{leg: from, side: side, body: s.Body})
	}
}

// declined is the refusal of a leg to an offer of ours: both sessions are as
// they were.
func (m *machine) declined(from LegID, at time.Time) {
	x := m.exchange
	if x == nil || x.asked != from {
		return
	}
	if x.step == passedOn && !x.withdrawn { // who offered may get it all the same, when it can be converted
		side, _ := m.talk.side(from)
		x.step = unable
		m.do(doSettle{leg: from, side: side, to: x.leg, id: x.id})
		return
	}
	m.exchange = nil
	if x.step == restoring { // it speaks what the other side does not
		m.endBoth(at, ByFlow, Cause{Status: 488, Q850: 65, Text: "session could not be put back"})
	}
}

// withdrawn is a re-INVITE cancelled before our answer went out.
func (m *machine) withdrawn(from LegID, side media.Side, s Withdrawn) {
	x := m.exchange
	if x != nil && x.leg == from && x.id == s.ID {
		switch x.step {
		case passedOn:
			x.withdrawn = true
		case reply: // our offer never went out
			m.exchange = nil
		}
		return
	}
	a := m.answered
	if a == nil || a.leg != from || a.id != s.ID {
		return
	}
	m.answered = nil
	if x == nil && a.other != "" {
		m.exchange = &exchange{step: undoing, asked: a.other}
	}
	m.do(doUndo{side})
}

// putBack tells a leg that has moved what the session was and is again.
func (m *machine) putBack(id LegID) {
	side, ok := m.talk.side(id)
	if !ok {
		m.exchange = nil
		return
	}
	m.exchange = &exchange{step: restoring, asked: id}
	m.do(doPresent{leg: id, side: side})
}

// ackedBy is the ACK to the answer, with the caller's own when he had made no offer.
func (m *machine) ackedBy(from LegID, s Acked) {
	x := m.exchange
	switch {
	case !m.onCallersSide(from):
	case from != A: // who has the caller's place now has been answered too
		m.acked = true
	case x == nil || x.step != firstAnswer:
		m.acked = true
		m.sentAt(s.Sent)
	case len(s.Body) == 0:
		m.neverAgreed(s.Time, "answer missing")
	case m.owed:
		x.step = firstTaken
		m.do(doConclude{leg: m.winner, body: s.Body})
	default:
		x.step = firstTaken
		m.do(doTake{leg: A, side: media.Caller, body: s.Body, other: m.winner})
	}
}

// neverAgreed ends a call whose caller has not answered our offer: nobody could
// have heard anybody, and nobody is billed.
func (m *machine) neverAgreed(at time.Time, why string) {
	c := Cause{Status: 488, Q850: 65, Text: why}
	m.hangup(m.talk.caller, c)
	m.hangup(m.talk.callee, c)
	m.end(at, "failed", ByFlow, c)
}

// delayed reports whether the caller made no offer.
func (m *machine) delayed() bool { return len(m.invite.Body) == 0 }

// heardAnswer reports whether a caller who hangs up has shown thereby that he
// knows of the answer: not when he still owes his own.
func (m *machine) heardAnswer() bool {
	return m.exchange == nil || m.exchange.step != firstAnswer && m.exchange.step != firstTaken
}
