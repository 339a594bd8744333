package call

import (
	"cmp"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// timerTransfer bounds what a transfer waits for: the target's answer, or
// another call's.
const timerTransfer Timer = "transfer"

// claimWait is how long another call may take to give a leg, and the leg to
// take our offer.
const claimWait = 10 * time.Second

// transfer is a party giving his place to another while the call is in progress.
// There is at most one at a time.
type transfer struct {
	kind     string
	stage    stage
	by       LegID       // who asked; for replaces who is replaced
	id       int         // of his REFER
	byOrder  bool        // nobody's: somebody outside wants it
	ordered  func(error) // the order, while it is not answered
	side     media.Side
	to       ReferTo
	leg      LegID // who comes; empty: nobody yet
	targets  []int // still to try, as indices of the decision's targets
	deadline time.Time
	said     []byte // description of who comes
	offers   bool   // it is his own offer, else his answer to ours
	worst    Cause
	fromCall ID
}

type stage uint8

const (
	asking   stage = iota // routing
	inviting              // the target rings
	claiming              // another call is asked for its leg
	offering              // that leg is offered this call's media
	joining               // who comes has agreed; the next segment of the recording is being opened
)

// transferring handles what has to do with a transfer; false leaves the signal
// to the rest of the state.
func (m *machine) transferring(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Referred:
		m.referred(from, s)
		return true
	case Replaced:
		m.replaced(from, s)
		return true
	case Claimed:
		m.claimed(from, s)
		return true
	case Given:
		m.given(s)
		return true
	}
	t := m.move
	if t == nil {
		return false
	}
	if from != "" && from == t.leg {
		return m.newcomerSays(t, s)
	}
	if side, ok := m.talk.side(from); ok && side == t.side {
		return m.leaverSays(from, s)
	}
	switch s := s.(type) {
	case Directed:
		m.directed(t, s)
	case Moved:
		m.moved(t, s)
	case Timeout:
		return m.transferTimeout(t, s)
	default:
		return false
	}
	return true
}

// referred is a REFER. One transfer at a time, and not while the recording of
// the first segment is still being opened.
func (m *machine) referred(from LegID, s Referred) {
	side, ok := m.talk.side(from)
	t := &transfer{kind: blind, by: from, id: s.ID, side: side, to: s.To}
	if s.To.Replaces != "" {
		t.kind = attended
	}
	switch {
	case !ok:
		m.do(doRefer{from, s.ID, 481})
		return
	case m.busy():
		m.requested(s.Time, t, "pending", nil)
		m.do(doRefer{from, s.ID, 491})
		return
	}
	m.acked = m.acked || from == A // who refers has heard the answer
	m.move = t
	m.do(doDirect{m.referral(t)})
}

// busy says that who talks may not change now.
func (m *machine) busy() bool {
	return m.move != nil || m.exchange != nil || m.recording == opening || m.fresh == opening
}

func (m *machine) referral(t *transfer) routing.Referral {
	p := m.leg(t.by).origin
	if t.kind == replaces {
		p = m.leg(t.leg).origin // who comes has to be allowed to
	}
	return routing.Referral{
		Trunk: p.trunk, Dialled: p.dialled, Source: p.source, Transport: p.transport,
		User: t.to.User, Host: t.to.Host, Port: t.to.Port, Attended: t.kind == attended, Replaces: t.kind == replaces,
	}
}

// replaced is somebody who calls to take a leg's place.
func (m *machine) replaced(from LegID, s Replaced) {
	side, ok := m.talk.side(from)
	l := m.adopt(s.Time, &leg{ulid: m.mint(), origin: origin{trunk: s.Trunk, source: s.Source, transport: s.Transport}}, "")
	m.do(doWelcome{l.id, s.Leg, s.Line})
	t := &transfer{kind: replaces, by: from, side: side, leg: l.id, said: s.Body, offers: true}
	switch {
	case m.state != inProgress || !ok:
		m.turnAway(s.Time, l, Cause{Status: 603, Q850: 31, Text: "the call to be replaced is over"})
	case m.busy():
		m.requested(s.Time, t, "pending", nil)
		m.turnAway(s.Time, l, Cause{Status: 491, Q850: 41, Text: "another transfer is going on"})
	default:
		m.move = t
		m.do(doDirect{m.referral(t)})
	}
}

// adopt makes a leg one of the call's.
func (m *machine) adopt(at time.Time, l *leg, fromCall ID) *leg {
	l.id, l.target = bLeg(len(m.legs)), -1
	m.legs = append(m.legs, l)
	m.publish(events.LegCreated, at, events.LegCreatedData{Leg: l.ulid, Role: "b", Trunk: l.origin.trunk, FromCall: string(fromCall)})
	return l
}

// turnAway ends a leg that came to a call which cannot have it.
func (m *machine) turnAway(at time.Time, l *leg, c Cause) {
	m.hangup(l.id, c)
	m.settle(l, at, ByFlow, c)
}

func (m *machine) requested(at time.Time, t *transfer, reason string, trace []routing.Look) {
	d := events.CallTransferRequestedData{By: m.leg(t.by).ulid, Kind: t.kind, Side: t.side.String(), Reason: reason, Trace: looks(trace)}
	if t.byOrder {
		d.Source = byOrder
	}
	m.publish(events.CallTransferRequested, at, d)
}

// tooEarly turns away what belongs to a transfer before the call is answered.
func (m *machine) tooEarly(from LegID, s Signal) {
	switch s := s.(type) {
	case Referred:
		m.do(doRefer{from, s.ID, 491})
	default:
		m.tooLate(from, s)
	}
}

// tooLate turns away what belongs to a transfer after the call has ended.
func (m *machine) tooLate(from LegID, s Signal) {
	switch s := s.(type) {
	case Referred:
		m.do(doRefer{from, s.ID, 481})
	case Replaced:
		m.replaced(from, s)
	case Claimed:
		m.claimed(from, s)
	case Given:
		m.given(s)
	}
}

// transferStatus says with which SIP status each refusal of routing goes out.
var transferStatus = map[routing.Reason]int{
	routing.TransferNotAllowed: 403,
	routing.NoRoute:            404,
	routing.PolicyError:        500,
}

// directed is routing's word: no, or whom to ask.
func (m *machine) directed(t *transfer, s Directed) {
	d := s.Decision
	m.requested(s.Time, t, string(d.Reject), d.Trace)
	switch {
	case d.Reject != "":
		m.move = nil
		c := Cause{Status: transferStatus[d.Reject], Q850: 29, Text: string(d.Reject)}
		if t.kind == replaces {
			m.turnAway(s.Time, m.leg(t.leg), c)
			return
		}
		m.refuseTransfer(t, c.Status, d)
		return
	case t.kind == replaces:
		m.join(s.Time, t)
		return
	}
	m.report(t, 100)
	if t.to.Named != nil {
		m.waitFor(s.Time, t, claiming)
		m.do(doClaim{t.to.Named})
		return
	}
	for _, target := range d.Targets {
		t.targets = append(t.targets, len(m.decision.Targets))
		m.decision.Targets = append(m.decision.Targets, target)
	}
	m.inviteNext(s.Time, t)
}

// inviteNext asks the next target, or gives the transfer up.
func (m *machine) inviteNext(at time.Time, t *transfer) {
	if len(t.targets) == 0 {
		m.transferFailed(at, t, t.worst)
		return
	}
	n := t.targets[0]
	t.targets = t.targets[1:]
	target := m.target(n)
	l := &leg{id: bLeg(len(m.legs)), ulid: m.mint(), target: n, origin: originOfTarget(target)}
	m.legs = append(m.legs, l)
	t.stage, t.leg, t.deadline = inviting, l.id, at.Add(target.Timeout)
	m.publish(events.LegCreated, at, events.LegCreatedData{Leg: l.ulid, Role: "b", Attempt: n + 1, Trunk: target.Trunk})
	m.do(doTimer{timerTransfer, target.Timeout}, doInvite{leg: l.id, target: n, side: t.side, replaces: t.to.Replaces})
}

// leaverSays handles the end of the leg that is to give its place: the transfer
// goes on without it (a referrer may hang up right after the 202).
func (m *machine) leaverSays(from LegID, s Signal) bool {
	var at time.Time
	var c Cause
	by := enderOf(m.move.side)
	switch s := s.(type) {
	case Bye:
		at, c = s.Time, s.Cause
		m.acked = m.acked || from == A // who hangs up has heard the answer
	case Lost:
		at, c, by = s.Time, s.Cause, cmp.Or(s.Cause.By, by)
	case NoAck:
		if from == A && !m.acked {
			return false // he was never connected: nothing to transfer
		}
		at, c = s.Time, Cause{Status: 408, Q850: 102, Text: "ACK did not come"}
	case Gone:
		at, c = s.Time, Cause{Status: 500, Text: "leg lost"}
	default:
		return false
	}
	m.settle(m.leg(from), at, by, c)
	m.talk.put(m.move.side, "")
	if x := m.exchange; x != nil && x.asked == from { // nobody is left to answer
		m.cutExchange(m.talk.on(m.move.side.Other()))
	}
	return true
}

func (m *machine) transferTimeout(t *transfer, s Timeout) bool {
	switch {
	case s.Timer != timerTransfer && s.Timer != timerRecord:
		return false
	case s.Time.Before(t.deadline): // of what was waited for before, fired while it was being stopped
	case t.stage == joining && s.Timer == timerRecord:
		m.segmentRefused(s.Time, t)
	case s.Timer == timerRecord:
	case t.stage == inviting:
		m.newcomerOver(s.Time, t, "canceled", Cause{Status: 480, Q850: 19, Text: "no answer"})
	case t.stage == claiming:
		m.transferFailed(s.Time, t, Cause{Status: 504, Q850: 102, Text: "the other call did not answer"})
	case t.stage == offering:
		m.newcomerOver(s.Time, t, "failed", Cause{Status: 504, Q850: 102, Text: "no answer to the new media"})
	}
	return true
}

// waitFor begins a stage that has to end soon.
func (m *machine) waitFor(at time.Time, t *transfer, next stage) {
	t.stage, t.deadline = next, at.Add(claimWait)
	m.do(doTimer{timerTransfer, claimWait})
}

// transferFailed leaves the call as it was, or ends it when the party who
// wanted to leave has left.
func (m *machine) transferFailed(at time.Time, t *transfer, c Cause) {
	m.move = nil
	if c.Status == 0 {
		c = Cause{Status: 480, Q850: 20, Text: "nobody to transfer to"}
	}
	m.do(doStopTimer{timerTransfer})
	m.publish(events.CallTransferFailed, at, events.CallTransferFailedData{
		By: m.leg(t.by).ulid, Kind: t.kind, Side: t.side.String(), Cause: c.event()})
	m.report(t, truer(c).TowardsCaller().Status)
	if m.talk.on(t.side) == "" {
		m.hangup(m.talk.on(t.side.Other()), c.onward("nobody to talk to any more"))
		m.end(at, "completed", enderOf(t.side), c)
	}
}

// dropTransfer gives a transfer up because the call is ending.
func (m *machine) dropTransfer() {
	t := m.move
	if t == nil {
		return
	}
	m.move = nil
	m.report(t, 487)
	m.hangup(t.leg, Cause{Status: 487, Q850: 16, Text: "other side hung up"})
}
