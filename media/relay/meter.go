package relay

import (
	"math/rand/v2"
	"time"

	"ringdown/media"
	"ringdown/media/kernel"
	"ringdown/media/quality"
)

// observed is how one party is heard, and our RTCP with it. It is the meter of its
// lane, and the same party's for life: who takes its place gets a new one.
// Guarded by Relay.mu.
type observed struct {
	meter   quality.Meter
	session quality.Session
	out     quality.Sent // what the party is sent
	judge   quality.Judge
	watch   quality.Watch
	limits  media.Watchdog

	since  int64                      // when the party came, if it took another's place
	rtcp   bool                       // the session has begun
	strays [media.Loopback + 1]uint64 // packets refused for where they came from
	told   media.NoticeKind           // as what it was said that the party is not heard

	mark   quality.Mark // of the last live figures
	markAt int64
	class  string // as it was said last
}

func (r *Relay) newObserved(now int64) observed {
	return observed{session: quality.NewSession(r.start, rand.Uint64(), rand.Uint64()), since: now}
}

// forgetHeard makes a side's ear that of another party, with whom it is judged
// anew whether anybody is gone. The caller holds r.mu.
func (r *Relay) forgetHeard(side media.Side, now int64) {
	r.expired = false
	r.ears[index(side)] = r.newObserved(now)
}

// pass measures a packet that was accepted.
func (e *observed) pass(p *packet) media.Drop {
	h := &p.header
	e.meter.Packet(p.at, h.pt, h.seq, h.ts, h.ssrc, p.buf[h.start:h.end])
	return forward
}

// sends notes a packet that goes out to a party, for our reports to it: every
// stage that sends one by itself has to say so. The caller holds r.mu.
func (r *Relay) sends(to media.Side, h *header, at int64) {
	e := &r.ears[index(to)]
	e.out.Count(&r.ears[index(to.Other())].meter, &e.meter, at, h.pt, h.ts, h.ssrc, h.end-h.start)
}

// stray counts a packet that came from where it may not.
func (r *Relay) stray(from media.Side, src endpoint) {
	origin := media.OriginOf(src.addr())
	if exact := r.sides[index(from)].source.exact; !exact.isZero() && src.ip == exact.ip {
		origin = media.OtherPort
	}
	r.ears[index(from)].strays[origin]++
}

// tallied takes what a fast path has counted of a direction. before is what was
// taken already.
func (r *Relay) tallied(from media.Side, c, before *kernel.Counts) {
	e, to := &r.ears[index(from)], &r.ears[index(from.Other())]
	packets := c.Packets - before.Packets
	octets := c.Bytes - before.Bytes
	octets -= min(octets, 12*packets)
	at := r.clock(c.Last)
	out, outOctets := sent(c, before)
	to.out.Add(&e.meter, &to.meter, at, c.Type, c.TS, c.SSRC, out, outOctets-min(outOctets, 12*out))
	e.strays[media.NoOrigin] += c.Source - before.Source
	e.meter.Absorb(quality.Tally{
		SSRC: c.SSRC, PT: c.Type, Highest: uint16(c.Highest), Jitter: c.Jitter, Packets: packets, Octets: octets,
		Expected: c.Expected - before.Expected, Unique: c.Unique - before.Unique, Reordered: c.Reordered - before.Reordered,
		Duplicates: c.Duplicates - before.Duplicates, Foreign: c.Foreign - before.Foreign,
	})
}

// figures are those of a party since a mark. The caller holds r.mu.
func (r *Relay) figures(side media.Side, since quality.Mark) media.Heard {
	e, peer := &r.ears[index(side)], &r.ears[index(side.Other())]
	var whole time.Duration
	if near := e.session.RoundTrip(); near > 0 {
		whole = (near + peer.session.RoundTrip()) / 2
	}
	return e.meter.Figures(since, &e.session, whole)
}

// Heard returns how a party was heard until now: for one whose place is about to
// be taken. It may not be called from inside the notice function or the tap.
func (r *Relay) Heard(side media.Side) media.Heard {
	r.raise(side)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.figures(side, quality.Mark{})
}

// heardLast returns how both parties were heard, at the end.
func (r *Relay) heardLast() (caller, callee media.Heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ears {
		r.ears[i].meter.Close()
	}
	return r.figures(media.Caller, quality.Mark{}), r.figures(media.Callee, quality.Mark{})
}
