package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// forOrder is what a sound is for that an order plays.
const forOrder = "order"

// byOrder is with what somebody outside does something, as events show it.
const byOrder = "api"

type (
	// doReplyOrder says how an order was taken.
	doReplyOrder struct {
		reply func(error)
		err   error
	}
	// doTransferTo asks routing for the targets of a transfer that was ordered; the
	// answer is Directed.
	doTransferTo struct{ to routing.Destination }
	// doClaimParty asks another call for the leg of one of its parties.
	doClaimParty struct {
		call  ID
		party media.Side
	}
	// doApart keeps the parties from hearing each other, or no longer.
	doApart struct{ on bool }
	// doMute keeps one from being heard, or no longer.
	doMute struct {
		side media.Side
		on   bool
	}
)

func (doReplyOrder) isAction() {}
func (doTransferTo) isAction() {}
func (doClaimParty) isAction() {}
func (doApart) isAction()      {}
func (doMute) isAction()       {}

// ordered carries out an order, or says why not.
func (m *machine) ordered(s Ordered) {
	if m.state != inProgress {
		why := "the call is not connected yet"
		if m.state == ended {
			why = "the call has ended"
		}
		m.do(doReplyOrder{s.Reply, NotNow{why}})
		return
	}
	var err error
	switch o := s.Order.(type) {
	case TransferTo:
		m.transferOrdered(s, &transfer{kind: blind, side: o.Side}, doTransferTo{o.To})
		return
	case ConnectTo:
		m.connectOrdered(s, o)
		return
	case PlayTo:
		err = m.playOrdered(o)
	case StopPlaying:
		m.quiet(forOrder, media.Caller)
		m.quiet(forOrder, media.Callee)
	case PutOnHold:
		m.holdOrdered(s.Time, o)
	case MuteParty:
		m.mute(o.Side, o.On)
	case PauseRecording:
		err = m.pauseOrdered(o.On)
	case SwitchRecording:
		err = m.recordOrdered(s.Time, o.On)
	case TagWith:
		err = m.tagOrdered(s.Time, o.Tags)
	}
	m.do(doReplyOrder{s.Reply, err})
}

// playOrdered plays a prompt, in the language of the call.
func (m *machine) playOrdered(o PlayTo) error {
	if m.sounds[sounding{purpose: forOrder, to: o.Side}] {
		return NotNow{"a sound plays to that party by order already: stop it first"}
	}
	if m.decision.Walk == nil {
		return Invalid{"there is no such prompt"}
	}
	p := m.decision.Walk.Prompt(o.Prompt)
	if p.IsZero() {
		return Invalid{"there is no such prompt"}
	}
	m.under[o.Side-1] = o.Under
	m.play(forOrder, media.Play{To: o.Side, Sound: soundOf(p), Under: o.Under, Level: o.Under, Loop: o.Loop})
	return nil
}

// playsByOrder reports whether an order plays to a side, under the talk or in its stead:
// one sound has that place at a time.
func (m *machine) playsByOrder(to media.Side, under bool) bool {
	return m.sounds[sounding{purpose: forOrder, to: to}] && m.under[to-1] == under
}

// tagOrdered notes tags, as a step would.
func (m *machine) tagOrdered(at time.Time, tags map[string]string) error {
	if m.decision.Walk == nil {
		return NotNow{"the call has no flow"}
	}
	noted, faults := m.decision.Walk.Tag(tags)
	switch {
	case len(faults) > 0:
		return Invalid{"tag" + faults[0].Path + " " + faults[0].Msg}
	case len(noted) == 0:
		return NotNow{"the call has as many tags as it can have"}
	}
	m.publish(events.CallTagged, at, events.CallTaggedData{Tags: noted})
	return nil
}

// recordOrdered begins to record the talk, or ends its recording. Consent is asked
// for as ever: an order is not the caller's.
func (m *machine) recordOrdered(at time.Time, on bool) error {
	switch {
	case m.busy():
		return NotNow{"a transfer, a negotiation or the opening of a recording is under way"}
	case on && m.recording == recording:
		return NotNow{"the call is recorded already"}
	case !on && m.recording != recording:
		return NotNow{"the call is not recorded"}
	case !on:
		m.endRecording(at)
		return nil
	}
	if why := m.blocked(m.policy()); why != "" {
		return NotNow{"the caller's consent does not allow it: " + why}
	}
	m.recording = opening
	m.record(m.talk)
	return nil
}

// transferOrdered begins a transfer that no party has asked for. The order is
// answered when it is known whether anybody may be asked.
func (m *machine) transferOrdered(s Ordered, t *transfer, ask action) {
	if m.busy() {
		m.do(doReplyOrder{s.Reply, NotNow{"another transfer, a negotiation or the opening of a recording is under way"}})
		return
	}
	if m.talk.on(t.side) == "" || m.talk.on(t.side.Other()) == "" {
		m.do(doReplyOrder{s.Reply, NotNow{"one of the parties has left"}})
		return
	}
	t.by, t.byOrder, t.ordered = m.talk.on(t.side), true, s.Reply
	m.move = t
	m.do(ask)
}

// connectOrdered takes a party of another call over, as an attended transfer does.
func (m *machine) connectOrdered(s Ordered, o ConnectTo) {
	t := &transfer{kind: attended, side: o.Side}
	if m.busy() || m.talk.on(o.Side) == "" || m.talk.on(o.Side.Other()) == "" || !m.acked {
		m.do(doReplyOrder{s.Reply, NotNow{"the call cannot change its parties now"}})
		return
	}
	t.by, t.byOrder, t.ordered = m.talk.on(t.side), true, s.Reply
	m.move = t
	m.requested(s.Time, t, "", []routing.Look{{What: "transfer", Result: routing.Matched, Text: "two calls are connected by order"}})
	m.report(t, 100)
	m.waitFor(s.Time, t, claiming)
	m.do(doClaimParty{o.Call, o.Party})
}

// report tells whoever asked for a transfer how it goes: the referrer by NOTIFY,
// who gave the order by the first word alone; the rest is in the events.
func (m *machine) report(t *transfer, status int) {
	switch {
	case t.kind == replaces:
	case !t.byOrder:
		m.do(doRefer{t.by, t.id, status})
	case t.ordered != nil:
		m.do(doReplyOrder{t.ordered, nil})
		t.ordered = nil
	}
}

// refuseTransfer tells him that nobody is asked.
func (m *machine) refuseTransfer(t *transfer, status int, d routing.Transferred) {
	if !t.byOrder {
		m.do(doRefer{t.by, t.id, status})
		return
	}
	why := string(d.Reject)
	if n := len(d.Trace); n > 0 {
		why += ": " + d.Trace[n-1].Text
	}
	m.do(doReplyOrder{t.ordered, NotNow{why}})
	t.ordered = nil
}

// holdOrdered puts a party on hold, or takes it back: as if the other held it.
func (m *machine) holdOrdered(at time.Time, o PutOnHold) {
	if o.Side == media.Caller {
		m.hold.ordered.Callee = o.On
	} else {
		m.hold.ordered.Caller = o.On
	}
	m.do(doApart{m.hold.ordered != (Holds{})})
	m.tellHolds(at)
}

// freeOfOrders ends what was ordered of parties of whom one has left.
func (m *machine) freeOfOrders(left media.Side) {
	m.quiet(forOrder, left)
	if m.hold.ordered != (Holds{}) {
		m.hold.ordered = Holds{}
		m.do(doApart{false})
	}
	m.mute(left, false)
}

func (m *machine) mute(side media.Side, on bool) {
	if m.muted[side-1] != on {
		m.muted[side-1] = on
		m.do(doMute{side, on})
	}
}

// pauseOrdered pauses the recording, or resumes it.
func (m *machine) pauseOrdered(on bool) error {
	if m.recording != recording && m.recording != opening {
		return NotNow{"the call is not recorded"}
	}
	if !on {
		m.resume(byOrder)
		return nil
	}
	m.do(doStopTimer{timerPause})
	told := m.keys.paused
	m.keys.paused, m.keys.by = true, byOrder // from now on no code of a party resumes it, and no time
	if m.recording == recording && !told {
		m.do(doPause{true, byOrder})
		m.beeps()
	}
	return nil
}
