// Package routing answers one question: a call came through this trunk, from
// this caller, to this number, at this time; what now? The answer is a
// [Decision] that holds all the call will need, with the trace of every rule
// looked at.
//
// It owns the numbering plans, the trunks, numbers and flows as data and the
// immutable, versioned [Table] made of them. It is pure: no clock, no chance,
// no file, no network, no logging. It refuses to walk a flow (that is call's
// machine) and to read a file (configs does).
package routing

import (
	"net/netip"
	"time"

	"ringdown/media/dscp"
	"ringdown/privacy"
)

// Request is the question: who calls which number, through which trunk, when.
type Request struct {
	Trunk string    // id of the trunk the INVITE came through; empty: no trunk matches its source
	From  string    // user part of the caller's address as received
	To    string    // user part of the called address as received
	At    time.Time // the clock of the decision
	Draw  uint64    // chance, drawn once a call

	Attested Attested
	Private  bool              // the caller does not want his number shown
	Headers  map[string]string // that the trunk lets in
	Class    *CallerClass      // of the caller of a past call, where From is empty because nobody can tell it any more; nil: From is what there is
}

// Decision is the answer, complete: nothing else is looked up during the call.
// Either Reject is empty and there is something to do first, or Reject says why not.
type Decision struct {
	Table        *Table // that decided: what comes up later in the call is asked of it, whatever table is in use by then
	Version      string // of it
	Account      string // empty when no account could be named
	Agency       string
	Number       string         // the tracking number, E.164; empty when unknown
	Caller       privacy.Number // normalised; zero when withheld or not a number
	Flow         string
	Strategy     string   // of the first dial step, where nothing comes before it: "sequential"
	Targets      []Target // of it, in the order to try
	Recording    Recording
	Attribution  map[string]string
	OfAccount    Limits // how many calls the account takes
	OfNumber     Limits // and the number
	OfAgency     Limits // and all accounts of the agency together
	Spans        Spans  // how long the call may last, ring and be without an answer
	Codes        StarCodes
	First        Instruction // what is to be done first; nil when the call is refused before its flow
	Walk         *Walk       // what follows it: the decision's own; nil as First
	Class        CallerClass // of the caller
	Draw         uint64      // of the request
	Reject       Reason
	RejectStatus int    // of SIP, when a flow says so; 0: the reason's own
	Trace        []Look // every rule looked at, in order
	MediaSources Media  // acceptance rule of the caller's RTP, from the trunk
	PassRedirect bool   // the caller's trunk takes a 3xx of a destination
	Sounds       Sounds // what is played to the parties
	Ringback     bool   // the caller is to hear his own phone ring, never early media: early_media of the trunk
}

// Media is a trunk's rule for RTP from it.
type Media struct {
	Latch   bool
	Sources []netip.Prefix // empty: the address in the SDP
	SRTP    SRTP
	Speech  Speech
	Address string     // name of our media address that it goes by; empty: the first
	DSCP    dscp.Class // of its packets
	DTMF    DTMF
	WebRTC  bool
	Silence Silence
}

// Target is one destination of a dial step.
type Target struct {
	Number  string        // E.164 when a number is called, empty for a URI
	User    string        // of Trunk, at the phones he has registered; empty: at URI
	URI     string        // sip: URI, validated when the table was built; with Places the first of them
	Places  []Place       // where it is reached by its trunk; empty: at URI alone
	Trunk   string        // the trunk to leave by; empty: straight to the URI's host
	Timeout time.Duration // ring time before the next target
	Connect time.Duration // how long an address may leave the INVITE without any response; 0: as sip has it
	Media   Media         // acceptance rule of the callee's RTP

	Redirect Redirection // how far a 3xx is followed

	Limits Limits // of the calls to it, from whatever flow; only Calls, CPS and Duration
	Talk   Span   // how long a call with it may last, by its own limit and its trunk's
}

// Recording is what to record and how sure we must be of it.
type Recording struct {
	Mode      string // do-not-record | record-from-ringing | record-from-answer | on-demand
	Channels  string // mono | dual
	OnFailure string // continue-unrecorded | refuse-call
	From      string // which level decided: number, flow, account, default
	Consent   string // always | announced | opt-in | never: see Allows
}

// Look is one line of the decision's trace: what was looked at and what came of it.
type Look struct {
	What   string // "trunk", "number", "flow", "recording", "target", …
	Result string // "matched", "missed", "skipped", "chosen", "nearest"
	Text   string // in words; masked numbers only
}

// Reason is why a call is refused; values of reject_reason in the events.
type Reason string

const (
	NoTrunkMatch     Reason = "no-trunk-match"
	ACLDenied        Reason = "acl-denied"
	NumberUnassigned Reason = "number-unassigned"
	NumberSuspended  Reason = "number-suspended"
	NumberPortedOut  Reason = "number-ported-out"
	NumberResting    Reason = "number-quarantined"
	NoRoute          Reason = "no-route"
	PolicyError      Reason = "policy-error"

	AttestationTooLow Reason = "attestation-too-low"
	BlockedCaller     Reason = "blocked-caller"
	AnonymousRefused  Reason = "anonymous-refused"
	RepeatRate        Reason = "repeat-rate"
	BadReputation     Reason = "reputation"
	ChallengeFailed   Reason = "challenge-failed"
)
