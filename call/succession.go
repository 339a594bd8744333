package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
)

// join begins the last part of a transfer: who comes has agreed. What follows
// belongs to the next segment of the recording, which is open before the media
// moves, so that not a syllable is without one.
func (m *machine) join(at time.Time, t *transfer) {
	t.stage, t.deadline = joining, at.Add(recordWait)
	m.do(doStopTimer{timerTransfer})
	if m.recording != recording {
		m.handOver(t)
		return
	}
	if !m.mayRecord(at, m.talkWith(t)) {
		if !m.mustRecord() { // before he is heard
			m.endRecording(at)
		}
		m.segmentRefused(at, t)
		return
	}
	if m.fresh != opening { // else for one who was to come before him and did not: that has to be there first
		m.openSegment(t)
	}
	m.do(doTimer{timerRecord, recordWait})
}

func (m *machine) openSegment(t *transfer) {
	m.fresh, m.freshOf = opening, t.leg
	m.record(m.talkWith(t))
}

// talkWith is who will talk when the transfer is done.
func (m *machine) talkWith(t *transfer) talking {
	next := m.talk
	next.put(t.side, t.leg)
	return next
}

// record opens the recording of the next segment.
func (m *machine) record(between talking) {
	m.segments++
	d := doRecord{segment: m.segments}
	if l := m.leg(between.caller); l != nil {
		d.caller = l.ulid
	}
	if l := m.leg(between.callee); l != nil {
		d.callee = l.ulid
	}
	m.do(d)
}

func (m *machine) handOver(t *transfer) {
	m.do(doMove{leg: t.leg, side: t.side, body: t.said, offer: t.offers})
}

// segmentOpened is the news of the next segment's recording, in any state.
func (m *machine) segmentOpened(s Recorded) {
	m.fresh = notRecording
	t := m.move
	awaited := t != nil && t.stage == joining && m.state == inProgress
	if !awaited || t.leg != m.freshOf || s.Err != nil {
		m.segments--
	}
	switch {
	case !awaited || t.leg != m.freshOf:
		if s.Err == nil { // who was to be heard on it does not come
			m.do(doCloseRecording{ended: s.Time, fresh: true})
		}
		if awaited {
			m.openSegment(t)
		}
	case s.Err != nil:
		m.do(doStopTimer{timerRecord})
		m.segmentRefused(s.Time, t)
	default:
		m.do(doStopTimer{timerRecord})
		m.fresh = recording
		m.handOver(t)
	}
}

// segmentRefused: the next segment could not be opened, or not in time, or who comes
// has not agreed to it. What
// may not go unrecorded is not transferred.
func (m *machine) segmentRefused(at time.Time, t *transfer) {
	if m.mustRecord() {
		t.targets = nil
		m.newcomerOver(at, t, "failed", Refused(ReasonRecordingImpossible, "recording impossible"))
		return
	}
	m.handOver(t)
}

// moved is the relay's word.
func (m *machine) moved(t *transfer, s Moved) {
	if s.Err != nil {
		if m.fresh == recording {
			m.fresh = notRecording
			m.segments--
			m.do(doCloseRecording{ended: s.Time, fresh: true})
		}
		m.newcomerOver(s.Time, t, "failed", causeOf(s.Err, 488, "answer not acceptable"))
		return
	}
	m.nextSegment(s.At, t.leg)
	m.showAll()
	l, left := m.leg(t.leg), m.leg(t.by)
	if t.kind == replaces {
		l.answered = true
		m.do(doReply{l.id, s.Answer})
		m.publish(events.LegAnswered, s.Time, events.LegAnsweredData{Leg: l.ulid})
	} else if t.side == media.Caller { // he has answered us, or taken our offer
		m.acked = true
	}
	m.move = nil
	m.heardFinally(s.Time, left, t.side, s.Left)
	l.joined = s.Time
	m.boundTalk(s.Time, l)
	m.talk.put(t.side, l.id)
	m.cutExchange(m.talk.on(t.side.Other()))
	m.freeOfOrders(t.side)
	m.holdsNow(s.Time, s.Holds)
	m.transfers++
	m.publish(events.CallTransferred, s.Time, events.CallTransferredData{By: left.ulid, Kind: t.kind, Side: t.side.String(),
		Left: left.ulid, Joined: l.ulid, FromCall: string(t.fromCall)})
	if len(s.Again) > 0 {
		m.offerAgain(m.talk.on(t.side.Other()), s.Again)
	}
	m.report(t, 200)
	c := Cause{Status: 200, Q850: 16, Text: "transferred"}
	m.hangup(left.id, c)
	m.settle(left, s.Time, enderOf(t.side), c)
}

// nextSegment changes the recording over. Without a next one that of before
// ends, since who it speaks of does not talk any more; one that opens late begins then.
func (m *machine) nextSegment(at At, joined LegID) {
	switch {
	case m.fresh == recording:
		m.fresh = notRecording
		m.do(doSegment{at, m.pausedBy()})
	case m.recording == recording:
		m.recording = recordingOver
		if m.fresh == opening && m.freshOf == joined {
			m.fresh, m.recording = notRecording, opening
		}
		m.do(doCloseRecording{ended: at.Time})
	}
}

// claimed is another call's wish for the leg that from talks to. It is granted
// when nothing else is going on: this call then ends.
func (m *machine) claimed(from LegID, s Claimed) {
	if s.Party != 0 {
		from = m.talk.on(s.Party.Other())
	}
	side, ok := m.talk.side(from)
	other := m.talk.on(side.Other())
	if m.state != inProgress || !ok || other == "" || m.busy() || !m.acked {
		m.do(doRefuseClaim{s.Claim})
		return
	}
	by, l := m.leg(from), m.leg(other)
	c := Cause{Status: 200, Q850: 16, Text: "transferred"}
	m.publish(events.CallTransferred, s.Time, events.CallTransferredData{By: by.ulid, Kind: attended, Side: side.String(),
		Left: by.ulid, ToCall: string(s.Claim.call)})
	m.do(doGive{other, side.Other(), s.Claim})
	l.gone, l.hung = true, true // it is the other call's now
	m.hangup(from, c)
	m.end(s.Time, "completed", enderOf(side), c)
}

// given is a leg that another call lets go. It is ours in any case: if nobody
// waits for it any more, to be hung up.
func (m *machine) given(s Given) {
	t := m.move
	wanted := t != nil && t.stage == claiming
	if s.Refused {
		if wanted {
			m.transferFailed(s.Time, t, Cause{Status: 481, Q850: 31, Text: "the call named is not there to be transferred"})
		}
		return
	}
	l := m.adopt(s.Time, &leg{ulid: s.ULID, answered: true, origin: s.Origin, called: s.Called, consent: s.Consent}, s.Call)
	m.do(doWelcome{l.id, s.Leg, s.Line})
	if !wanted {
		m.turnAway(s.Time, l, Cause{Status: 480, Q850: 31, Text: "nobody waits any more"})
		return
	}
	t.leg, t.fromCall = l.id, s.Call
	m.waitFor(s.Time, t, offering)
	m.do(doPropose{l.id, t.side, s.Told})
}

// offerAgain makes the party that stays an offer: what it was told does not
// hold with the new one. Its answer asks nobody in turn.
func (m *machine) offerAgain(id LegID, body []byte) {
	m.exchange = &exchange{step: told, asked: id}
	m.do(doOfferAgain{id, body})
}

// cutExchange ends what the two who talked were negotiating: one of them has
// left, and an offer of the one who stays is to be made anew.
func (m *machine) cutExchange(stays LegID) {
	x := m.exchange
	m.exchange, m.answered = nil, nil
	if x != nil && x.leg == stays && x.step == passedOn && !x.withdrawn {
		m.do(doRefuseOffer{x.leg, x.id, 491})
	}
}
