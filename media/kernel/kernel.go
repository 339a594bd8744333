// Package kernel is the eBPF engine: a program on the way in of the network
// interfaces forwards RTP from one port to another without a socket, a copy or a
// process in its way. It owns the program (relay.bpf.c), its tables and the ring
// of copies. It knows ports and addresses and nothing of calls: which packets may
// pass is decided by whoever sets a [Flow].
//
// What a flow does not describe comes up to the sockets as if the engine were not
// there: other payload types, RTCP, STUN, fragments, packets with IP options,
// packets merged by GRO, tagged frames of a VLAN (its own interface sees them
// without the tag), datagrams over [Longest]. So the sockets stay bound.
//
// Needs Linux 6.6 with CAP_BPF and CAP_NET_ADMIN. Nothing is pinned: program,
// tables and links are gone when the process is, however it ended. Several
// engines work beside each other, also on one interface, as long as no two have a
// flow with the same In.
package kernel

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Longest is the longest datagram forwarded here, in bytes.
const Longest = 1500

// Config says where and how much.
type Config struct {
	// Interfaces by name; one that is not there is waited for. Empty: every one
	// that is up, also those that come later.
	Interfaces []string
	Flows      int // at most at once, two a call; 0: 16384
	RingBytes  int // for copies between two drains, rounded up to a power of two; 0: 16 MB
	// Tap gets the copies, one after the other, within 20 ms and in the order in
	// which they came in. pkt begins with the RTP header and is valid during the
	// call only; at carries a monotonic reading. A tap that panics is told of in
	// the log once and loses that copy. nil: Copy of a flow is refused.
	Tap func(tag uint64, at time.Time, pkt []byte)
}

// Flow is one direction of a call: RTP that comes to In from From leaves from Out
// to To. All four are of one IP version, without zones. Comparable. In and Out may
// be unspecified (0.0.0.0, [::]), as a socket's address: they are then what this
// machine sends from towards From and To. Packets to another address of it come up.
type Flow struct {
	In   netip.AddrPort // an address of this machine
	From netip.AddrPort
	Only bool           // packets to In from anywhere else are dropped here, and counted; else they come up
	Out  netip.AddrPort // an address of this machine
	To   netip.AddrPort

	Types [2]uint64     // set of payload types forwarded; others come up
	Remap [8]Remap      // payload types written in place of others, in any order
	Timed [2]uint64     // set of payload types whose timestamps follow the clock: for jitter
	Clock uint32        // of the timed types, in Hz; 0: jitter is not measured
	Every time.Duration // between two packets at the rate cap; what is above it is dropped, and counted
	Burst int           // packets above the cap at once
	TOS   uint8         // of the packets sent: DSCP, ECN bits are sent as 0 (RFC 6679 was not agreed)
	Copy  bool          // to Config.Tap, before anything is rewritten
	Tag   uint64        // names the flow in counts and copies
}

// Remap has packets of one payload type leave as another; the zero value changes nothing.
type Remap struct{ From, To uint8 }

// Counts are what happened to a flow's packets since it was set. All of them but
// Jitter, Type and the times only grow.
type Counts struct {
	Packets, Bytes uint64 // forwarded; bytes of RTP with its header

	Expected   uint64 // by the sequence numbers (RFC 3550 A.3), those of earlier sources included
	Unique     uint64 // of the expected, that came; Expected less Unique are lost
	Duplicates uint64
	Reordered  uint64 // came behind one that was sent later
	Foreign    uint64 // of a second source (SSRC) beside the one that is followed

	// Dropped here: from another source than From, and above the rate cap; of the
	// Packets, those that could not be rewritten for want of memory.
	Source, Rate, Failed uint64
	Uncopied             uint64 // forwarded without the copy that was asked for: the ring was full

	// Come up to the socket: from another source, of another payload type, not
	// sound as RTP, and without a way to the receiver or too long for it.
	UpSource, UpType, UpForm, UpWay uint64

	First, Last time.Time // arrivals; zero: none

	// As of now, over all flows that followed each other on this In.
	Jitter  float64 // in units of Clock (RFC 3550 6.4.1)
	Highest uint32  // extended highest sequence number; its first cycle is 0
	Begin   uint16  // sequence number of the first packet
	TS      uint32  // of the last packet
	SSRC    uint32  // of the source that is followed
	Type    uint8   // payload type of the last packet
}

// Lost is how many packets of the source did not come.
func (c *Counts) Lost() uint64 { return c.Expected - min(c.Unique, c.Expected) }

// Stats are those of the whole engine.
type Stats struct {
	Flows      int
	Interfaces []string // on which the program works
	Uncopied   uint64   // packets forwarded without their copy, over all flows
	Panics     uint64   // of the tap
}

// Errors of Set that a caller may want to tell apart; the flow then goes by the socket.
var (
	ErrFull   = errors.New("kernel engine has no room for another flow")
	ErrClosed = errors.New("kernel engine is closed")
)

// ErrUnsupported is wrapped by what Open returns when this machine or this
// process cannot have the engine, and says what is missing.
var ErrUnsupported = errors.New("kernel engine not available")

const (
	defaultFlows = 16384
	mostFlows    = 1 << 20
	defaultRing  = 16 << 20
	mostRing     = 1 << 30
)

func (c Config) validate() error {
	switch {
	case c.Flows < 0 || c.Flows > mostFlows:
		return fmt.Errorf("kernel engine: flows: %d is not between 1 and %d", c.Flows, mostFlows)
	case c.RingBytes < 0 || c.RingBytes > mostRing:
		return fmt.Errorf("kernel engine: ring: %d bytes are not between 1 and %d", c.RingBytes, mostRing)
	}
	return nil
}

// Validate reports why a flow cannot be set.
func (f *Flow) Validate() error {
	six := f.From.Addr().Is6()
	for _, p := range []struct {
		name string
		at   netip.AddrPort
		ours bool
	}{{"from", f.From, false}, {"in", f.In, true}, {"out", f.Out, true}, {"to", f.To, false}} {
		a := p.at.Addr()
		switch {
		case !a.IsValid() || p.at.Port() == 0:
			return fmt.Errorf("flow: %s: no address and port", p.name)
		case p.ours && a.IsUnspecified():
		case a.Is4In6():
			return fmt.Errorf("flow: %s: IPv4 address written as IPv6", p.name)
		case a.Is6() != six:
			return fmt.Errorf("flow: %s: not of the IP version of from", p.name)
		case a.Zone() != "" || a.IsLinkLocalUnicast() && a.Is6():
			return fmt.Errorf("flow: %s: address means nothing without its link", p.name)
		case a.IsUnspecified() || a.IsMulticast():
			return fmt.Errorf("flow: %s: not the address of one machine", p.name)
		}
	}
	switch {
	case f.Every <= 0 || f.Burst <= 0:
		return errors.New("flow: no packet-rate cap")
	case f.Every > math.MaxInt64/time.Duration(f.Burst):
		return errors.New("flow: packet-rate cap of centuries")
	case f.Types == [2]uint64{}:
		return errors.New("flow: no payload type")
	case f.In == f.To:
		return errors.New("flow: leads to itself")
	}
	for _, m := range f.Remap {
		switch {
		case m.From > 127 || m.To > 127:
			return errors.New("flow: remap: no payload type is above 127")
		case m.From != m.To && m.To >= 64 && m.To <= 95: // with the marker bit (RFC 5761 4)
			return fmt.Errorf("flow: remap: payload type %d looks like RTCP", m.To)
		}
	}
	return nil
}
