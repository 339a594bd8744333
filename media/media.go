// Package media holds the words that the rooms around a call's audio share: who
// speaks ([Side]), what a payload type means ([Format]), one packet ([Packet]),
// who gets a copy ([Tap]), what is worth telling the call ([Notice]) and what
// was counted ([Stats]).
//
// It owns no socket, no goroutine and no codec; those live in media/relay,
// media/sdp and recorder/render.
package media

import (
	"net/netip"
	"time"

	"ringdown/media/dscp"
)

// Side is a party of the call as its media sees it. Direction of dialling does
// not matter: the caller is always the caller (recording channel 1), whoever
// answers is the callee (channel 2).
type Side uint8

const (
	Caller Side = 1
	Callee Side = 2
)

// Other returns the opposite side.
func (s Side) Other() Side { return Caller + Callee - s }

func (s Side) String() string {
	switch s {
	case Caller:
		return "caller"
	case Callee:
		return "callee"
	}
	return "unknown"
}

// Format is the meaning of one payload type as one side sends it (RFC 8866
// a=rtpmap and a=fmtp; static types of RFC 3551 filled in).
type Format struct {
	PT       uint8
	Name     string // encoding name, upper case: "PCMU", "TELEPHONE-EVENT"
	Clock    int    // RTP clock rate in Hz
	Channels int    // 1 when the description says nothing
	Params   string // the text of a=fmtp after the payload type, may be empty
}

// Packet is one RTP packet: its header parsed once, its payload as it came
// (RFC 3550 5.1). Padding and header extension are cut off.
type Packet struct {
	Side    Side      // who sent it
	Arrival time.Time // when it reached us; carries the monotonic reading
	PT      uint8
	Marker  bool
	Seq     uint16
	TS      uint32
	SSRC    uint32
	Payload []byte // valid only during the call it is passed in
}

// Tap gets a copy of each packet a relay forwards.
//
// Both methods are called from the media path: they must return at once and
// never wait for a disk, a lock held over I/O or another goroutine. What does
// not fit is dropped and counted by the tap itself. Payload bytes belong to the
// relay and are valid only during the call; a tap that keeps them copies them.
// Packet may be called for both sides at the same time from two goroutines.
type Tap interface {
	// Formats tells what the payload types sent by side mean from now on. It
	// comes before the first Packet of that side and again after each change.
	Formats(side Side, formats []Format)
	Packet(p Packet)
}

// Gapped is a Tap that wants to know what it was not given.
type Gapped interface {
	Tap
	// Missed tells of packets that were forwarded between two moments without a
	// copy, because copies came faster than they could be taken. The rules of
	// Packet hold for it too.
	Missed(side Side, packets uint64, from, to time.Time)
}

// Rule says from which source address a relay accepts RTP.
type Rule string

const (
	// Strict accepts the address of the description only (or Allow, when
	// given); a different port of that address is learnt once.
	Strict Rule = "strict"
	// Latch learns the source from the first steady stream, inside Allow when
	// given, and then keeps it until the next negotiation.
	Latch Rule = "latch"
)

// Source is the acceptance rule of one side. The zero value means Strict with
// the address of the description.
type Source struct {
	Rule  Rule
	Allow []netip.Prefix // media_sources of the trunk; empty: the address in the SDP
	Terms Terms
	// Attempt names who this is among several who are called, or invited, at once:
	// an offer made under a name is answered under it. Empty: there is one.
	Attempt string
}

// Terms is what the trunk of a leg asks of its media, beside where it may come
// from. The zero value asks for nothing: plain RTP in the codecs of the parties.
type Terms struct {
	Address  string     // name of the media address of ours that it is told; empty: the first
	DSCP     dscp.Class // of RTP and RTCP to it; says nothing: that of the pool
	Digits   DigitTerms
	SRTP     SRTP
	Watchdog Watchdog
	Speech   Speech
}

// NoticeKind says what a relay noticed.
type NoticeKind uint8

const (
	// Started: the first packet of this side was accepted.
	Started NoticeKind = iota + 1
	// Pressed: this side has pressed a key, or another event began (Press, Way).
	// Each press is told once, whatever ways it was said in.
	Pressed
	// Tell: this side is to be told of a key by INFO (Press).
	Tell
	// Coded: this side has pressed a code (Code, as [relay.Relay.Codes] counts them).
	Coded
	// Played: a sound plays no more, by itself; Playback says what became of it.
	Played
	// OneWay: this side is not heard, or again, while the other one is (Unheard, Since).
	OneWay
	// Silent: this side is not heard, or again (Unheard, Since), and the other one
	// is not either; or what it sends is silence.
	Silent
	// Quality: this side is heard better or worse since a while (Heard, Since).
	Quality
	// Expired: this side was silent for too long, since Since (Limit).
	Expired
)

func (k NoticeKind) String() string {
	switch k {
	case Started:
		return "started"
	case Pressed:
		return "pressed"
	case Tell:
		return "tell"
	case Coded:
		return "coded"
	case Played:
		return "played"
	case OneWay:
		return "one-way"
	case Silent:
		return "silence"
	case Quality:
		return "quality"
	case Expired:
		return "timeout"
	}
	return "unknown"
}

// Notice is what a relay has to say to its call by itself.
type Notice struct {
	Kind NoticeKind
	Side Side
	At   time.Time
	PT   uint8 // payload type seen

	Press    Press
	Way      Way
	Code     int
	Playback *Playback // of Played only
	Unheard  *Unheard  // of OneWay and Silent only
	Heard    *Heard    // of Quality only
	Limit    Limit
	Since    time.Time
}

// Drop is the reason why a packet was not forwarded.
type Drop uint8

const (
	DropSource     Drop = iota // from an address the rule does not allow
	DropMalformed              // neither RTP nor RTCP, or its lengths lie
	DropNoPeer                 // the other side has no address yet
	DropRate                   // more packets a second than any codec sends
	DropSend                   // the kernel refused the send
	DropDirection              // the side may not send now (hold)
	DropQuarantine             // came to a port whose call is over
	DropDigit                  // a key that is kept from the other party
	DropFax                    // no UDPTL of T.38
	DropReplaced               // a sound was played in its place
	DropAuth                   // SRTP that is not authentic
	DropReplay                 // SRTP that came before, or is too old to know
	DropCodec                  // of a codec that had to be converted and could not be
	DropLate                   // after its place in a converted stream was made up for, or once more
	DropSTUN                   // a STUN message that is not for us to answer
	DropApart                  // the parties are kept from hearing each other
	DropMuted                  // the party is kept from being heard
	DropCount
)

func (d Drop) String() string {
	return [...]string{"source", "malformed", "no-peer", "rate", "send", "direction", "quarantine", "digit", "fax", "replaced", "auth", "replay", "codec", "late", "stun", "apart", "muted", "unknown"}[min(d, DropCount)]
}

// Flow counts what one side sent.
type Flow struct {
	Packets uint64 // RTP forwarded
	Bytes   uint64 // RTP bytes forwarded, headers included
	RTCP    uint64 // RTCP packets read; they end here
	Drops   [DropCount]uint64
	First   time.Time // arrival of the first accepted packet; zero: none
	Last    time.Time // arrival of the last accepted packet
	Heard   Heard     // how it was heard; once the relay is closed
}

// Stats counts a relay's two directions.
type Stats struct{ Caller, Callee Flow }

// Of returns the flow that side sent.
func (s *Stats) Of(side Side) *Flow {
	if side == Caller {
		return &s.Caller
	}
	return &s.Callee
}
