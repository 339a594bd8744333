package call

import (
	"time"

	"ringdown/media"
)

// action is what the machine wants done. The set is closed; [Call] carries
// actions out in the order they come, because the order is part of the answer:
// a tap before the 200, the event on the disk before the 200, BYE before the
// final event.
type action interface{ isAction() }

type (
	// doRoute asks Ports.Route and Ports.Identify; the answer is Routed.
	doRoute struct{}
	// doOffer takes a relay and makes our offer from the caller's; the answer is Offer.
	doOffer struct{}
	// doDial starts an attempt to the target with this index.
	doDial struct {
		leg    LegID
		target int
	}
	// doProgress tells the caller it rings.
	doProgress struct{ status int }
	// doEarly agrees on early media with the callee and passes it to the caller.
	doEarly struct {
		status int
		body   []byte
		leg    LegID
	}
	// doAgree makes the caller's answer from the callee's, which may be an offer
	// when the callee was invited without one; the answer is Agreed.
	doAgree struct {
		leg    LegID
		body   []byte
		target int
		offer  bool
	}
	// doRecord opens the recording of a segment aside, of what these legs say;
	// the answer is Recorded.
	doRecord struct {
		segment        int
		caller, callee string // ULIDs; empty: not known yet
	}
	// doTap joins the two planes: the relay copies to the recording from now on. One
	// that somebody has paused already is paused before it is given anything.
	doTap struct{ pausedBy string }
	// doSilence stops the early media of a side until its next description.
	doSilence struct{ side media.Side }
	// doAnswer sends the caller's 200.
	doAnswer struct{ body []byte }
	// doReoffer lets the relay answer a new offer of an established leg, or pass
	// it to other, when there is one; the answer is Settled.
	doReoffer struct {
		leg   LegID
		side  media.Side
		id    int
		body  []byte
		other LegID
	}
	// doRefuseOffer leaves the session of leg as it was.
	doRefuseOffer struct {
		leg    LegID
		id     int
		status int
	}
	// doSettle takes the answer to an offer that was passed on and gives the
	// relay's to the leg that made it; the answer is Settled. Without a body the
	// leg has declined, and the relay may convert.
	doSettle struct {
		leg  LegID
		side media.Side
		body []byte
		to   LegID
		id   int
	}
	// doPresent offers a leg the session as it stands: in answer to the re-INVITE
	// with that id, or, when it is 0, by one of ours. Settled comes only as Refused.
	doPresent struct {
		leg  LegID
		side media.Side
		id   int
	}
	// doTake takes a leg's answer to that; other is told when its codec is gone.
	// The answer is Settled.
	doTake struct {
		leg   LegID
		side  media.Side
		body  []byte
		other LegID
	}
	// doConclude gives a callee who made the only offer the caller's answer; the
	// answer is Settled.
	doConclude struct {
		leg  LegID
		body []byte
	}
	// doUndo takes back what the last new offer of a side has changed; the answer
	// is Settled.
	doUndo struct{ side media.Side }
	// doSpare lets the silence of a side count from a later moment.
	doSpare struct {
		side  media.Side
		heard time.Time
	}
	doHangup struct {
		leg   LegID
		cause Cause
	}
	// doAdopt takes a leg that a fork made, so that it can be hung up.
	doAdopt struct {
		leg  LegID
		dial Leg
	}
	doTimer struct {
		timer Timer
		after time.Duration
	}
	doStopTimer struct{ timer Timer }
	// doPublish tells a fact; with wait the machine is told when it is Durable.
	doPublish struct {
		kind string
		at   time.Time
		data any
		wait bool
	}
	// doCloseRelay gives the ports back; the answer is Closed.
	doCloseRelay struct{}
	// doCloseRecording finishes the recording aside.
	doCloseRecording struct {
		ended time.Time
		fresh bool // the one that was opened and never tapped
		live  bool // the relay is not closed yet, although the call has ended
		// nobody is to keep it
		discard bool
	}
	// doFinish is the last action of a call.
	doFinish struct{}
)

func (doRoute) isAction()          {}
func (doOffer) isAction()          {}
func (doDial) isAction()           {}
func (doProgress) isAction()       {}
func (doEarly) isAction()          {}
func (doAgree) isAction()          {}
func (doRecord) isAction()         {}
func (doTap) isAction()            {}
func (doSilence) isAction()        {}
func (doAnswer) isAction()         {}
func (doReoffer) isAction()        {}
func (doRefuseOffer) isAction()    {}
func (doSettle) isAction()         {}
func (doPresent) isAction()        {}
func (doTake) isAction()           {}
func (doConclude) isAction()       {}
func (doUndo) isAction()           {}
func (doSpare) isAction()          {}
func (doHangup) isAction()         {}
func (doAdopt) isAction()          {}
func (doTimer) isAction()          {}
func (doStopTimer) isAction()      {}
func (doPublish) isAction()        {}
func (doCloseRelay) isAction()     {}
func (doCloseRecording) isAction() {}
func (doFinish) isAction()         {}
