package call

import (
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// Signal is what anyone tells a call. The set is closed; every signal carries
// the time it happened, which is the only clock the machine has.
type Signal interface{ at() time.Time }

// At is the time a signal happened.
type At struct{ Time time.Time }

func (a At) at() time.Time { return a.Time }

// Now stamps a signal made in this moment.
func Now() At { return At{time.Now()} }

// Signals of a leg.
type (
	// Ringing is a 18x of a b leg; Body may hold early media.
	Ringing struct {
		At
		Status int
		Body   []byte
	}
	// Trying says that a b leg has taken its INVITE: the first provisional
	// response, 100 included. It may come once for each address that is tried.
	Trying struct{ At }
	// Silenced says that the place whose early media was told last rings no
	// more, and no other has any (RFC 6228).
	Silenced struct{ At }
	// Answered is a 2xx of a b leg, already acknowledged by sip; but with Offer
	// Body is an offer, because the leg was invited without one, and the ACK
	// waits for Leg.Update(0, answer).
	Answered struct {
		At
		Body  []byte
		Offer bool
	}
	// Forked is a further 2xx to the same INVITE from another place, already
	// acknowledged: a dialog of its own that has to be ended. Leg is it; it has
	// no way to signal, so that not even Gone will come from it.
	Forked struct {
		At
		Leg Leg
	}
	// Failed is the final refusal of a b leg, 487 included, or that it cannot be reached.
	Failed struct {
		At
		Cause Cause
	}
	// Cancelled is a CANCEL on the a leg, or its early BYE, before our final response.
	Cancelled struct {
		At
		Cause Cause // what its Reason says; the zero Cause: nothing
	}
	// Acked is the ACK to our 2xx. Body is the answer when that held an offer.
	Acked struct {
		At
		Body []byte
		Sent time.Time // when the a leg's answer went, if it had to wait for a PRACK
	}
	// NoAck says that the ACK to a 2xx of ours did not come in 64*T1: to the
	// answer, or to a later re-INVITE of either side. The leg is saying BYE.
	NoAck struct {
		At
		Alive time.Time // when the leg was last heard of in signalling
	}
	// Bye is a BYE from the peer, already answered 200.
	Bye struct {
		At
		Cause Cause
	}
	// Offered is a re-INVITE or UPDATE with an offer, or a re-INVITE without a
	// body, which wants one of ours. It wants Leg.Update or Leg.Refuse with its ID.
	Offered struct {
		At
		ID   int
		Body []byte
	}
	// Withdrawn says that the re-INVITE with that ID was cancelled before it was
	// answered: the session is as it was before, whatever Leg.Update was told.
	Withdrawn struct {
		At
		ID int
	}
	// Accepted is the peer's answer to an offer of ours to an answered leg,
	// acknowledged by sip. Body is empty when a 2xx held none, against RFC 3261
	// 14: the session is as it was.
	Accepted struct {
		At
		Body []byte
	}
	// Declined says that the peer refused it: the session is as it was.
	Declined struct {
		At
		Cause Cause
	}
	// Gone is the last signal of every leg: nothing more will come from it.
	Gone struct{ At }
)

// Signals of everybody else.
type (
	// Started opens the call.
	Started struct{ At }
	// Routed is routing's answer, with the caller as events may show him.
	Routed struct {
		At
		Decision routing.Decision
		Caller   events.Party
		Err      error
		Full     *Cause // the account or the number takes no more calls
	}
	// Offer is our offer for the b legs, ready; or why there is none.
	Offer struct {
		At
		Body []byte
		Err  error
	}
	// Agreed is our answer for the a leg, made from the b leg's.
	Agreed struct {
		At
		Body []byte
		Told bool // it is what he was told last
		Err  error
	}
	// Recorded says that the recording is open (Err nil) or cannot be.
	Recorded struct {
		At
		Err error
	}
	// RecordFault says that an open recording broke.
	RecordFault struct {
		At
		Err error
	}
	// Durable says that the event waited for is on the disk, or could not be.
	Durable struct {
		At
		Err error
	}
	// Timeout is a timer of the machine's own.
	Timeout struct {
		At
		Timer Timer
	}
	// Noticed is the relay speaking up. Alive is when the legs of the caller's and
	// the callee's side were last heard of in signalling, for media.Expired.
	Noticed struct {
		At
		Notice media.Notice
		Alive  [2]time.Time
		Past   bool // of a sound that another one for the same purpose has followed
	}
	// Closed is what the relay counted, after it was closed.
	Closed struct {
		At
		Stats media.Stats
	}
	// Stop asks the call to end: an operator, the API or the node's goodbye.
	Stop struct {
		At
		By Ender
	}
)

// Timer names a timer of the machine.
type Timer string
