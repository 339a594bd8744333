package call

import (
	"net/netip"

	"ringdown/media"
	"ringdown/routing"
)

// ReferTo is whom a party wants in his own place, as he wrote it: nothing of it
// is acted on but by routing's decision.
type ReferTo struct {
	User string
	Host string
	Port int // 0: none
	// Replaces is the dialog that the target shall give up for us (RFC 3891), as
	// a header value made anew; empty: none.
	Replaces string
	// Named tells something to the call in which the dialog of Replaces is, as if
	// the leg of that dialog had said it; nil when it is none of ours.
	Named func(Claimed)
}

// Signals of a transfer.
type (
	// Referred is a REFER of an answered leg; it wants Leg.Refer with its ID.
	Referred struct {
		At
		ID int
		To ReferTo
	}
	// Replaced says that somebody has called to take the place of the leg it
	// comes from (INVITE with Replaces). Leg is he; what he says waits in Line.
	// He is answered or refused like a caller.
	Replaced struct {
		At
		Leg       Leg
		Line      *Line
		Trunk     string
		Source    netip.AddrPort
		Transport string // udp, tcp, tls
		Body      []byte // his offer
	}
	// Directed is routing's answer about a transfer.
	Directed struct {
		At
		Decision routing.Transferred
	}
	// Moved is what became of the relay's side that was to change hands. Answer
	// is for a newcomer who made the offer, Again the offer that the other side
	// needs; both may be empty.
	Moved struct {
		At
		Answer, Again []byte
		Holds         Holds       // after it
		Left          media.Heard // how who gave his place was heard
		Err           error
	}
	// Claimed asks for the leg that the leg it comes from talks to, or that of Party:
	// another call wants it. It wants Claim.give or Claim.refuse.
	Claimed struct {
		At
		Claim Claim
		Party media.Side // 0: as the leg says
	}
	// Given is a leg that another call has let go, or word that it does not.
	Given struct {
		At
		Call    ID // it was in before
		ULID    string
		Leg     Leg // nil: refused
		Line    *Line
		Told    []byte // our last description to it
		Origin  origin
		Called  bool   // it was that call's caller
		Consent string // and has said this to being recorded
		Refused bool
	}
)

// origin is where a leg's peer is, as far as routing and the relay ask.
type origin struct {
	trunk     string
	dialled   string // the URI we dialled it at; empty: it called
	source    netip.AddrPort
	transport string // udp, tcp, tls
	media     routing.Media

	destination string         // identity of the target it was dialled as; empty: it called
	limits      routing.Limits // of that
	talk        routing.Span   // how long a talk with it may last
}

func originOfCaller(in Invite) origin {
	return origin{trunk: in.Trunk, source: in.Source, transport: in.Transport}
}

func originOfTarget(t routing.Target) origin {
	return origin{trunk: t.Trunk, dialled: t.URI, media: t.Media, destination: t.Identity(), limits: t.Limits, talk: t.Talk}
}

// Transfer kinds, as events show them.
const (
	blind    = "blind"
	attended = "attended"
	replaces = "replaces"
)

// Actions of a transfer.
type (
	// doDirect asks routing where a transfer may go; the answer is Directed.
	doDirect struct{ referral routing.Referral }
	// doRefer tells a referrer how it goes (see Leg.Refer).
	doRefer struct {
		leg        LegID
		id, status int
	}
	// doInvite starts an attempt towards the target with this index, who is to
	// speak on side.
	doInvite struct {
		leg      LegID
		target   int
		side     media.Side
		replaces string
	}
	// doWelcome takes a leg over that speaks already, with what it has said meanwhile.
	doWelcome struct {
		leg  LegID
		dial Leg
		line *Line
	}
	// doPropose offers a leg that was taken over this call's media on side.
	doPropose struct {
		leg  LegID
		side media.Side
		told []byte
	}
	// doMove gives the side to who said body: an answer to doInvite or doPropose,
	// or with offer a newcomer's own offer. The answer is Moved.
	doMove struct {
		leg   LegID
		side  media.Side
		body  []byte
		offer bool
	}
	// doReply answers a newcomer's INVITE.
	doReply struct {
		leg  LegID
		body []byte
	}
	// doOfferAgain makes a leg that talks an offer of ours.
	doOfferAgain struct {
		leg  LegID
		body []byte
	}
	// doClaim asks the call of a named dialog for the leg on its other side.
	doClaim struct{ named func(Claimed) }
	// doGive lets a leg go to another call, with what waits of it here.
	doGive struct {
		leg   LegID
		side  media.Side
		claim Claim
	}
	doRefuseClaim struct{ claim Claim }
	// doSegment makes the recording that has just been opened the one that is
	// tapped, and closes the one before.
	doSegment struct {
		at       At
		pausedBy string
	}
)

func (doDirect) isAction()      {}
func (doRefer) isAction()       {}
func (doInvite) isAction()      {}
func (doWelcome) isAction()     {}
func (doPropose) isAction()     {}
func (doMove) isAction()        {}
func (doReply) isAction()       {}
func (doClaim) isAction()       {}
func (doOfferAgain) isAction()  {}
func (doGive) isAction()        {}
func (doRefuseClaim) isAction() {}
func (doSegment) isAction()     {}
