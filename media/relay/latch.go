package relay

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// endpoint is an address and port without pointers, so that the state of a
// stream stays out of the garbage collector's way. The zero value is none.
type endpoint struct {
	ip   host
	port uint16
}

// host is an IPv6 address, or an IPv4 one mapped into such, as two words: the
// packet path compares it many times.
type host struct{ high, low uint64 }

func endpointOf(a netip.AddrPort) endpoint {
	if !a.IsValid() {
		return endpoint{}
	}
	b := a.Addr().As16()
	return endpoint{host{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, a.Port()}
}

func (e endpoint) isZero() bool { return e.ip.high|e.ip.low == 0 && e.port == 0 }

func (e endpoint) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], e.ip.high)
	binary.BigEndian.PutUint64(b[8:], e.ip.low)
	return netip.AddrFrom16(b).Unmap()
}

func (e endpoint) addrPort() netip.AddrPort { return netip.AddrPortFrom(e.addr(), e.port) }

// next is the endpoint one port up, where RTCP lives when nobody said otherwise.
func (e endpoint) next() endpoint {
	if e.port == 65535 {
		return endpoint{}
	}
	e.port++
	return e
}

// Figures of the learning rule.
const (
	learnPackets = 5                     // in sequence, from one source and SSRC
	learnTime    = 80 * time.Millisecond // at least, from the first of them to the last
	calmTime     = time.Second           // after the answer of one of several, before anything but the place it names is learnt
	learnWindow  = 3 * time.Second       // after a negotiation, to change a source that is locked
)

// source decides from which address one side's RTP is accepted and where RTP to
// it goes. Times are nanoseconds on the relay's clock. Not safe for concurrent use.
type source struct {
	locked endpoint // accepted from now on; zero: none yet
	exact  endpoint // of the description
	n      int      // packets of the candidate
	latch  bool
	ice    bool // places are learnt by checks, and by nothing else

	allow  []netip.Prefix // read for addresses that are not known
	types  [2]uint64      // set of payload types the side may send; empty: any
	opened int64          // the last negotiation
	cand   endpoint       // who may become locked under latch
	ssrc   uint32         // the candidate's
	seq    uint16
	at     int64      // of the candidate's first packet
	valid  *endpoints // that have passed a check; nil: none
	calm   int64      // he is one of several who were called: until then nobody is learnt, and nobody takes his place
}

// negotiate takes the result of an offer or answer. A description that leads to
// another place, or another rule, starts anew; the same one (18x then 200, a
// session refresh) keeps what was learnt.
func (s *source) negotiate(exact endpoint, latch bool, allow []netip.Prefix, types [2]uint64, at int64) {
	if exact != s.exact || latch != s.latch || !slices.Equal(allow, s.allow) {
		*s = source{}
	}
	s.exact, s.latch, s.allow, s.types = exact, latch, allow, types
	s.opened, s.n = at, 0
}

// accept reports whether a packet may come from there, and learns.
func (s *source) accept(from endpoint, h *header, at int64) bool {
	if s.ice {
		return s.valid.has(from)
	}
	if from == s.locked && !from.isZero() {
		s.n = 0 // while he still sends, nobody takes his place
		return true
	}
	if !s.permits(from) {
		return false
	}
	fresh := at-s.opened <= int64(learnWindow)
	switch {
	case from == s.exact && (!s.latch || s.locked.isZero() || fresh):
	case at < s.calm, s.calm > 0 && !s.locked.isZero():
		return false
	case !s.latch && s.locked.isZero(): // its port, once
	case s.latch && (s.locked.isZero() || fresh) && s.steady(from, h, at):
	default:
		return false
	}
	s.locked, s.n = from, 0
	return true
}

// may reports whether accept could let a packet from there pass now, whatever is
// in it.
func (s *source) may(from endpoint, at int64) bool {
	switch {
	case from == s.locked && !s.ice && !from.isZero():
		return true
	case !s.permits(from):
		return false
	case s.ice, from == s.exact && !s.latch:
		return true
	}
	return s.locked.isZero() || s.latch && at-s.opened <= int64(learnWindow)
}

// steady counts a candidate's packets. Any break in the sequence, also by
// another candidate, begins again: two streams block each other.
func (s *source) steady(from endpoint, h *header, at int64) bool {
	if s.types != [2]uint64{} && s.types[h.pt>>6]>>(h.pt&63)&1 == 0 {
		return false
	}
	if s.n == 0 || from != s.cand || h.ssrc != s.ssrc || h.seq != s.seq+1 {
		s.cand, s.ssrc, s.n, s.at = from, h.ssrc, 0, at
	}
	s.seq = h.seq
	s.n++
	return s.n >= learnPackets && at-s.at >= int64(learnTime)
}

// permits reports whether the rule lets an address be a source at all.
func (s *source) permits(from endpoint) bool {
	if s.ice {
		return s.valid.has(from)
	}
	if len(s.allow) == 0 {
		return s.latch || from.ip == s.exact.ip && !s.exact.isZero()
	}
	addr := from.addr()
	for _, p := range s.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// target is where RTP to the side goes: to its description, or under latch to
// the source that was learnt. Never outside the rule; zero: nowhere.
func (s *source) target() endpoint {
	if s.ice {
		return s.locked
	}
	if s.latch && !s.locked.isZero() {
		return s.locked
	}
	if s.exact.isZero() || !s.permits(s.exact) {
		return endpoint{}
	}
	return s.exact
}

// host is the address RTCP must come from: that of the RTP.
func (s *source) host() host {
	if !s.locked.isZero() {
		return s.locked.ip
	}
	return s.target().ip
}
