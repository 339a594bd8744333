package relay

import (
	"net/netip"
	"slices"
	"time"

	"ringdown/media"
)

// RTCP ends here: each leg has a session of its own (quality.Session). What a
// party reports is read, what the other one hears of it are our own reports. So
// nothing crosses that names a party (CNAME, and whatever APP packets hold), the
// figures are those of the one leg, and a leg has RTCP also when the other one
// has none, is encrypted otherwise or speaks another codec.

// acceptRTCP takes an RTCP packet of a party, as it came. The caller holds r.mu.
func (r *Relay) acceptRTCP(from media.Side, src endpoint, pkt []byte, arrival time.Time) media.Drop {
	at := r.clock(arrival)
	pkt, verdict := r.openRTCP(from, src, pkt, at)
	if verdict != forward {
		return verdict
	}
	if verdict = r.judgeRTCP(from, src, validRTCP(pkt), at); verdict != taken {
		return verdict
	}
	e := &r.ears[index(from)]
	if err := e.session.Read(pkt, at, e.out); err != nil {
		return media.DropMalformed
	}
	return taken
}

// report sends each party the report that is due. The caller holds r.mu.
func (r *Relay) report(at int64) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		e := &r.ears[index(side)]
		if s := &r.sides[index(side)]; s.ready && s.told != nil && !e.rtcp { // he was answered
			e.rtcp = true
			e.session.Begin(at)
		}
		if e.session.Due(at) {
			r.sayRTCP(side, at, false)
		}
	}
}

// sayRTCP sends a party a report; one that has nowhere to go is left out.
func (r *Relay) sayRTCP(side media.Side, at int64, bye bool) {
	e, s := &r.ears[index(side)], &r.sides[index(side)]
	pkt, err := e.session.Write(at, e.out, &e.meter, bye)
	if err != nil {
		r.pool.engine.log.Error("our own RTCP cannot be written", "call", r.id, "error", err)
		return
	}
	if to := s.rtcpTarget().addrPort(); s.ready && !s.muted && to.Port() != 0 {
		r.sendRTCP(side, pkt, to)
	}
}

// sendRTCP sends a party an RTCP packet of ours, under its keys. Errors change
// nothing: the next report follows.
func (r *Relay) sendRTCP(side media.Side, pkt []byte, to netip.AddrPort) {
	pkt, verdict := r.sealRTCP(side, slices.Grow(pkt, tailroom))
	if verdict != forward {
		return
	}
	ports := &r.outlets[index(side)]
	out := ports.rtcp.towards(to)
	if r.sides[index(side)].mux {
		out = ports.rtp.towards(to)
	}
	if out != nil {
		out.send(pkt, to)
	}
}

// goodbye ends our RTCP with parties who had any (RFC 3550 6.3.7). The caller
// holds r.mu.
func (r *Relay) goodbye(at int64) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if r.ears[index(side)].session.Wrote() {
			r.sayRTCP(side, at, true)
		}
	}
}
