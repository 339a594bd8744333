package call

import (
	"context"
	"net/netip"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// ID is a call's identity for life: "call_" and a ULID.
type ID string

// LegID names a leg inside its call: "a" for the caller's, "b1", "b2", … for
// each attempt towards a destination, in the order they were dialled. The
// machine speaks these; events carry the ULID that [Call] keeps beside each.
type LegID string

// A is the caller's leg.
const A LegID = "a"

// Ports is everything a call needs of the world. Each function may be called
// by many calls at the same time.
type Ports struct {
	// Route decides. It is called once a call and must not wait.
	Route func(context.Context, routing.Request) (routing.Decision, error)
	// Limits are those of a trunk, for calls that come in by it. nil: no trunk has any.
	Limits func(trunk string) routing.Limits
	// Busy says why the node can take no call more at this moment, in words; empty
	// when it can. It must not wait. nil: it always can.
	Busy func() string
	// Guard says whether a leg may go to a target, whoever named it, by the table
	// that decided the call. It must not wait. nil: there is no guard.
	Guard func(*routing.Table, routing.Guarded, routing.Target) routing.Ruling
	// Transfer decides where a party may put the other one through to, by the same
	// table. It must not wait. nil: nowhere.
	Transfer func(*routing.Table, routing.Referral) routing.Transferred
	// TransferTo decides, by the same table, about a destination that somebody outside
	// the call wants a party to be put through to. It must not wait. nil: nowhere.
	TransferTo func(*routing.Table, routing.Destination) routing.Transferred
	// Verify says what the Identity headers of a call amount to. It may wait for a
	// certificate, until the context ends. It is asked only when there are any.
	Verify func(context.Context, Invite) routing.Attested
	// Identify turns the caller into the form events may carry.
	Identify func(context.Context, string, Party) (events.Party, error)
	// Dial starts an attempt and returns at once; what happens comes as Signals
	// through the function it is given, which never blocks. The last signal of
	// every leg is Gone.
	Dial func(context.Context, Dial, func(Signal)) (Leg, error)
	// Relay takes ports for one call.
	Relay func(context.Context, ID, func(media.Notice)) (Relay, error)
	// Anteroom takes ports for a callee who is spoken to before he is put through: a
	// Relay whose caller is told of by Offer and never sent anything.
	Anteroom func(context.Context, ID, func(media.Notice)) (Relay, error)
	// Record opens a recording; its file exists when it returns. A later fault
	// is told through the function.
	Record func(context.Context, Info, func(error)) (Recording, error)
	// Ask asks a hook and returns its reply, or a word for why there is none. It may
	// wait until the context ends. nil: no hook can be reached.
	Ask func(context.Context, Question) (reply routing.HookReply, why string)
	// Memory is what is remembered from call to call. nil: nothing is.
	Memory *Memory
	// Ear listens to what it passes on. nil: nobody can tell silence from speech.
	Ear func(media.Tap) Ear
	// Publish hands an event over and never blocks. durable, when not nil, is
	// called once, from another goroutine, when the event is on the disk (nil)
	// or will never be (error). Sequence numbers are given in the order of calls.
	Publish func(e events.Event, durable func(error))
}

// Invite is a call that arrived, as sip hands it to [Switchboard.Admit].
type Invite struct {
	At          time.Time
	Source      netip.AddrPort
	Transport   string // "udp", "tcp", "tls"
	Trunk       string // id, empty when no trunk has this source
	Party       Party
	To          string // user part of the Request-URI, or its number
	MaxForwards int    // already lowered by one
	SIPCallID   string
	Body        []byte // the offer; empty: a delayed offer
	Diverted    Diverted
	Headers     []Header // those that the trunk lists
	Identity    []string // Identity headers as they came (RFC 8224)
}

// Party is who calls, as received; personal data.
type Party struct {
	User    string // user part of the identity: P-Asserted-Identity before From
	Display string
	Private bool // Privacy: id, or an anonymous From
}

// Dial is one attempt to be made.
type Dial struct {
	Call        ID
	Leg         LegID
	LegULID     string
	Target      routing.Target
	From        string // E.164 of the caller to show; empty: anonymous
	Withheld    string // E.164 of a caller who does not want it shown, for a trunk that keeps it
	Display     string // of the caller; empty when he is not to be shown
	Number      string // the tracking number he called, E.164
	Diverted    Diverted
	Headers     []Header
	Identity    []string // headers that came and were found true, to go on beside ours
	MaxForwards int
	Replaces    string // the dialog that the target gives up for us (RFC 3891), a header value of our making; empty: none
	Body        []byte // our offer
	// Policy returns how a trunk is spoken to by the table that decided the call. It
	// does not wait. nil: by the table in use.
	Policy func(trunk string) (p routing.Trunk, ok bool)
	// Over returns the offer as it reads for a party that is reached at an
	// address: over the same IP version where we can, with keys only when private
	// says that nobody can read the signalling. It does not wait. nil: Body serves
	// everywhere. An error with a [Cause] in it means that nothing may be offered.
	Over func(to netip.Addr, private bool) ([]byte, error)
}

// Info is what a recording needs to know of its call.
type Info struct {
	Call      ID
	Account   string
	Subject   string // subject id of the caller
	Recording routing.Recording
	Started   time.Time // the recording's time zero
	Segment   int       // which stretch of the call, from 1
	Previous  string    // id of the recording of the stretch before; empty: none
	Caller    string    // ULIDs of the legs that speak; empty: not known yet
	Callee    string
	Source    string // what it is recorded for: FromVoicemail; empty: the policy
	Mailbox   string // of a message: its id
}

// FromVoicemail is the source of a recording that is a message.
const FromVoicemail = "voicemail"

// Ear is a tap that passes on what it is given, and hears when somebody speaks.
type Ear interface {
	media.Tap
	// Spoke is when somebody was heard to speak last; zero: nobody was.
	Spoke() time.Time
}

// Leg is one side's dialog as the call sees it. No method blocks or fails: what
// becomes of it comes back as a Signal. All are safe in any state; what no
// longer makes sense is ignored.
type Leg interface {
	// Progress sends a provisional response (180, or 183 when body is not
	// empty and status says so). Only for the a leg.
	Progress(status int, body []byte)
	// Answer sends the 2xx with our answer and repeats it until the ACK comes
	// (Acked) or never does (NoAck after 64*T1). Only for the a leg.
	Answer(body []byte)
	// Update answers the Offered with that ID; an Offered without a body is
	// answered by an offer of ours, whose answer comes as Accepted. Nothing
	// happens when the offer was withdrawn meanwhile.
	Update(id int, body []byte)
	// Refuse leaves the session as it was before the Offered with that ID.
	Refuse(id int, c Cause)
	// Offer makes an answered leg an offer (a re-INVITE). Accepted or Declined
	// says what became of it, glare and its tries are dealt with below. While
	// another exchange goes on the offer waits; of several that wait only the
	// last is made.
	Offer(body []byte)
	// Refer says how the transfer goes that the Referred with that ID asks for:
	// 100 takes it on, a refusal before that refuses it; what comes after it is
	// told to the referrer, and a status of 200 or more is the last. A Hangup
	// behind it waits for that to be told, for a moment.
	Refer(id, status int)
	// Press tells the peer of a key by INFO, once the leg is answered; Untold says
	// that it takes none.
	Press(media.Press)
	// Alive is when the peer was last heard of in signalling; zero: never.
	Alive() time.Time
	// Hangup ends the leg in whatever way its state asks for: an error
	// response with the cause, CANCEL, or BYE. Idempotent. A b leg that answers
	// after Hangup signals Answered all the same; a second Hangup then sends BYE.
	Hangup(Cause)
}

// Relay is one call's media path.
type Relay interface {
	// Offer takes the offer of a side and returns the one to make to the other
	// side, which names us. It may be used for several attempts.
	Offer(from media.Side, body []byte, src media.Source) ([]byte, error)
	// Answer takes the answer of a side to that offer and returns the answer to
	// give to the other side. A later answer (the next attempt) replaces it.
	Answer(from media.Side, body []byte, src media.Source) ([]byte, error)
	// Reoffer takes a new offer of a side in an established session and returns
	// our answer to it, which keeps what the other side has.
	Reoffer(from media.Side, body []byte) ([]byte, error)
	// Open makes an offer of our own to the callee, for a caller who made none.
	// Answer then returns the offer for the caller.
	Open() ([]byte, error)
	// Join takes the offer of a side that was invited without one, in place of
	// its answer, and returns the answers to both.
	Join(from media.Side, body []byte, src media.Source) (toOther, toFrom []byte, err error)
	// Ask takes a new offer that Reoffer could not answer and returns the one to
	// make to the other side; Settle takes the answer to it and returns the one
	// for the side that offered. Only Settle changes anything. Without a body it is
	// told that the other side declined, and fails unless it can convert.
	Ask(from media.Side, body []byte) ([]byte, error)
	Settle(from media.Side, body []byte) ([]byte, error)
	// Present returns an offer to a side of the session as it stands; Take takes
	// the answer to it. again is the offer that the other side then needs, if any.
	Present(to media.Side) ([]byte, error)
	Take(from media.Side, body []byte, src media.Source) (again []byte, err error)
	// Undo takes back what the last new offer of a side has changed.
	Undo(from media.Side)
	// Holds reports whether a side wants nothing sent to it now.
	Holds(side media.Side) bool
	// Over returns our last offer to a side as it reads for a party reached at an
	// address by a trunk with those terms: with our address of the same IP version,
	// when there is one; nil before there is an offer.
	Over(to media.Side, addr netip.Addr, src media.Source) ([]byte, error)
	// Silence accepts nothing from a side and sends nothing to it until its next
	// Answer: whoever sent early media is gone, the call goes on.
	Silence(side media.Side)
	// Invite returns the offer to make to somebody who may take the place of a
	// side's party, reached at addr (zero: wherever). told is what another relay
	// told him last; nil: nothing. The party is not touched.
	Invite(to media.Side, addr netip.Addr, src media.Source, told []byte) ([]byte, error)
	// Replace gives a side to whoever answered the last Invite so; ReplaceBy to
	// somebody who makes an offer, and returns our answer. Nothing of the party
	// before passes any more. again is the offer that the other side needs now;
	// empty: what it was told still holds.
	Replace(from media.Side, body []byte, src media.Source) (again []byte, err error)
	ReplaceBy(from media.Side, body []byte, src media.Source) (answer, again []byte, err error)
	// Pressed takes a key that a side has said by INFO: what is new goes on to the
	// other side, and is told like any other (media.Pressed).
	Pressed(from media.Side, p media.Press)
	// Press sends keys to a side, in a way or, with none, in the best it takes.
	Press(to media.Side, way media.Way, keys ...media.Press) error
	// Codes sets the codes that a side may press (media.Coded); Suppress says what
	// the other side and the tap get of its keys.
	Codes(from media.Side, codes []string) error
	Suppress(from media.Side, mode media.Suppression)
	// Told returns our last description to a side, Said its own last one.
	Told(to media.Side) []byte
	Said(from media.Side) []byte
	// Await answers the offer of a side by ourselves, in what we speak, so that it
	// can be played something before the other side has answered.
	Await(to media.Side) ([]byte, error)
	// Play plays a sound to a side and returns its number; what becomes of it is
	// noticed (media.Played), unless Stop ended it, which tells at once. ok is false
	// when it was over already.
	Play(order media.Play) (id int, err error)
	Stop(id int) (done media.Playback, ok bool)
	// Tap gives t a copy of each packet forwarded from now on. Dictate gives it, in
	// place of that, each packet of one side, forwarded or not, and none of the other.
	Tap(t media.Tap)
	Dictate(from media.Side, t media.Tap)
	// Apart keeps the sides from hearing each other, and the tap from hearing either;
	// each is judged, can be played to, and its keys are noticed.
	Apart(on bool)
	// Mute keeps the other side and the tap from hearing one, in the same way.
	Mute(side media.Side, on bool)
	// Watch begins to notice who is not heard, and for how long: both sides, or those
	// named, have been answered.
	Watch(sides ...media.Side)
	// Spare counts the silence of a party whose time was up (media.Expired) from a
	// moment at which it was heard of elsewhere.
	Spare(side media.Side, heard time.Time)
	// Heard returns how the party on a side was heard until now.
	Heard(side media.Side) media.Heard
	// Close frees the ports (into quarantine), waits for the last packet and
	// returns what was counted. Idempotent.
	Close() media.Stats
}

// Recording is an open recording.
type Recording interface {
	media.Tap
	ID() string
	// Pause and Resume are told by whom: caller, callee, or limit when the time was
	// up; and by what, keypad or empty.
	Pause(by, source string)
	Resume(by, source string)
	// Close seals what is there and returns when the file is final or has
	// failed; the outcome is published by the recorder itself. ended is the
	// end of the call on the recording's clock: the length of the recording.
	Close(ended time.Time)
	// Discard throws away what is there, key and all: nobody is to keep it.
	Discard()
}
