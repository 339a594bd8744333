package relay

import (
	"net/netip"
	"time"

	"ringdown/media"
	"ringdown/media/kernel"
)

// fastPath forwards directions of calls below the sockets; what it does not take
// comes up to them as ever. Safe for concurrent use. Set and Remove may be called
// with a Relay.mu held, so they never wait for what deliver does; Drain and Read
// may not.
type fastPath interface {
	// Set puts a flow in force, in place of the one of the same In: each packet
	// meets the one or the other. It returns the last counts of the one before.
	Set(p passage) (before kernel.Counts, err error)
	// Remove returns a flow's last counts; from then on it forwards, copies and
	// counts nothing.
	Remove(in netip.AddrPort) kernel.Counts
	// Read hands over the counts of each flow in force, by its tag.
	Read(each func(tag uint64, c kernel.Counts))
	// Drain returns when every copy made before the call was delivered.
	Drain()
	Close() error
}

// passage is one direction of a call as the fast path forwards it. Comparable.
type passage struct {
	In    netip.AddrPort // our port that the sender sends to
	From  netip.AddrPort // the sender; packets of others come up, or are dropped
	Only  bool           // others are dropped, and counted as of a wrong source
	Out   netip.AddrPort // our port that the packet leaves by
	To    netip.AddrPort // the receiver
	Types [2]uint64      // set of payload types that pass; others come up
	Timed [2]uint64      // set of those whose timestamps follow Clock
	Clock uint32         // in Hz; 0: not known
	Every int64          // nanoseconds between packets at the rate cap
	Burst int            // packets above it at once
	Copy  bool           // to deliver, too
	TOS   uint8          // of what is sent
	Tag   uint64         // names this flow in counts and copies, and no other
}

// replan is to be called after each change of a side or a lane, with r.mu held:
// it decides which directions may pass without us. When it returns nothing passes
// under what held before.
func (r *Relay) replan() {
	r.weigh()
	o := r.pool.offload
	if o == nil {
		return
	}
	for _, from := range []media.Side{media.Caller, media.Callee} {
		want, ok := r.passage(from)
		if !ok {
			o.recall(r, from)
			continue
		}
		o.send(r, from, want)
	}
}

// passage says how a direction could pass without us, and whether it may now: who
// sends is known and nobody can take his place unseen, who receives wants it and
// is reached over the same IP version, and no stage of the lane has to see each
// packet. The caller holds r.mu.
func (r *Relay) passage(from media.Side) (p passage, ok bool) {
	me, peer := &r.sides[index(from)], &r.sides[index(from.Other())]
	lane := &r.lanes[index(from)]
	switch {
	case r.over, r.apart, r.muted[index(from)], !me.ready, !peer.ready, !me.started, peer.muted, lane.user(), me.fax, peer.fax:
		return passage{}, false
	case !me.direction.Sends(), !peer.direction.Receives():
		return passage{}, false
	case me.source.learning(r.clock(time.Now())), r.curious(from):
		return passage{}, false
	}
	src, to := me.source.locked, peer.source.target()
	if src.isZero() || to.isZero() {
		return passage{}, false
	}
	in, out := r.arrives(from, src), r.leaves(from.Other(), to)
	if !in.IsValid() || !out.IsValid() || in.Addr().Is4() != out.Addr().Is4() {
		return passage{}, false
	}
	p = passage{
		In: in, From: src.addrPort(), Only: me.source.settled(),
		Out: out, To: to.addrPort(),
		Types: me.source.types, Timed: lane.timing.types, Clock: lane.timing.clock, Every: r.interval, Burst: rateBurst,
		Copy: r.copies(from) != nil, TOS: r.tos[index(from.Other())],
	}
	if p.Types == [2]uint64{} {
		p.Types = [2]uint64{^uint64(0), ^uint64(0)}
	}
	p.Types = lane.digits.withoutEvents(p.Types)
	return p, true
}

// arrives is our RTP port that a party at an address sends to, with the address of
// this machine that it meets there; invalid when that is not known.
func (r *Relay) arrives(side media.Side, at endpoint) netip.AddrPort {
	g := r.at[index(side)][familyOf(at.addr())]
	if g.local.IsValid() && g.local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(r.pool.offload.facing.in(g.told, at.addr()), g.local.Port())
	}
	return g.local
}

// leaves is our RTP port that packets to a party at an address leave by.
func (r *Relay) leaves(side media.Side, at endpoint) netip.AddrPort {
	g := r.at[index(side)][familyOf(at.addr())]
	if g.local.IsValid() && g.local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(r.pool.offload.facing.out(at.addr()), g.local.Port())
	}
	return g.local
}

// learning reports whether another source may still take the place of the one
// that is locked when that falls silent, which only we would notice.
func (s *source) learning(at int64) bool {
	return s.latch && at-s.opened <= int64(learnWindow)
}

// settled reports whether no packet from elsewhere can change the source before
// the next negotiation. The learning window is over.
func (s *source) settled() bool { return s.latch || s.locked == s.exact }

// timing says which payload types of a direction follow one clock, by which
// jitter is measured; the zero value: none.
type timing struct {
	clock uint32 // in Hz
	types [2]uint64
}

// timingOf is that of the formats a side sends: the clock of its first codec.
// Keys are left out: their timestamps stand still (RFC 4733 2.2.1).
func timingOf(formats []media.Format) (t timing) {
	for _, f := range formats {
		clock := uint32(max(f.Clock, 0))
		if f.Name == "TELEPHONE-EVENT" || clock == 0 {
			continue
		}
		if t.clock == 0 {
			t.clock = clock
		}
		if clock == t.clock {
			t.types[f.PT>>6] |= 1 << (f.PT & 63)
		}
	}
	return t
}
