package relay

import (
	"slices"
	"sync/atomic"
	"time"

	"ringdown/media"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// side is what the packet path knows of one party. Guarded by Relay.mu. What each
// packet of RTP reads stands first, together with that of its source: with a
// thousand calls every line of memory that is not touched counts.
type side struct {
	ready     bool // it has a description in force
	muted     bool // its description has no address now: nothing may be sent to it
	started   bool // its first packet was noticed
	direction sdp.Direction
	fax       bool // T.38: what comes is UDPTL
	rtpRate   bucket
	source    source

	rtcp       endpoint // where its description wants RTCP
	rtcpSeen   endpoint // where its RTCP came from, while its source is a learnt one
	rtcpRate   bucket
	digits     media.DigitTerms
	events     eventType // telephone-event as its description has it; zero: it takes none
	takes      *sdp.Description
	told       []byte      // our last description to it
	ice        *secure.ICE // our end of its connectivity checks; nil: it does without
	checkRate  bucket      // of checks from places that have passed none
	passedRate bucket      // of checks from places that have
	hellos     []hello     // that came too early
	mux        bool        // its RTCP goes over the port of its RTP (RFC 5761)
	unreported bool        // it is sent no RTCP: there are no keys for it
	former     []endpoint  // where parties before sent from, whose place this one has taken
}

// gone reports whether a place was that of somebody who is there no more.
func (s *side) gone(src endpoint) bool {
	return src != s.source.exact && slices.Contains(s.former, src)
}

// flow counts what one party sent; written by the packet path, read by anyone.
type flow struct {
	packets, bytes, rtcp atomic.Uint64
	first, last          atomic.Int64 // arrivals on the relay's clock plus 1; 0: none
	drops                [media.DropCount]atomic.Uint64
}

func (f *flow) drop(d media.Drop) { f.drops[d].Add(1) }

func (f *flow) read(start time.Time) media.Flow {
	out := media.Flow{Packets: f.packets.Load(), Bytes: f.bytes.Load(), RTCP: f.rtcp.Load()}
	for d := range f.drops {
		out.Drops[d] = f.drops[d].Load()
	}
	if at := f.first.Load(); at != 0 {
		out.First = start.Add(time.Duration(at - 1))
	}
	if at := f.last.Load(); at != 0 {
		out.Last = start.Add(time.Duration(at - 1))
	}
	return out
}

// forward is the verdict on a packet that has no reason to be dropped.
const forward = media.DropCount

// judgeRTP decides about one RTP packet: where it goes, or why it does not, and
// whether it is the first accepted one of its side. sound says that its lengths
// hold. The caller holds r.mu.
func (r *Relay) judgeRTP(from media.Side, src endpoint, h *header, sound bool, at int64) (to endpoint, verdict media.Drop, first bool) {
	me, peer := &r.sides[index(from)], &r.sides[index(from.Other())]
	switch {
	case !me.ready || src.isZero() || src != me.source.locked && me.gone(src):
		return endpoint{}, media.DropSource, false
	case !sound && (src == me.source.locked || me.source.permits(src)):
		return endpoint{}, media.DropMalformed, false
	case !sound:
		return endpoint{}, media.DropSource, false
	}
	before := me.source.locked
	if !me.source.accept(src, h, at) {
		return endpoint{}, media.DropSource, false
	}
	if before != me.source.locked {
		me.rtcpSeen = endpoint{}
	}
	if !me.rtpRate.take(at, r.interval) {
		return endpoint{}, media.DropRate, false
	}
	first, me.started = !me.started, true
	if r.apart && me.direction.Sends() {
		return endpoint{}, media.DropApart, first
	}
	if r.muted[index(from)] && me.direction.Sends() {
		return endpoint{}, media.DropMuted, first
	}
	if !peer.ready {
		return endpoint{}, media.DropNoPeer, first
	}
	if !me.direction.Sends() || !peer.direction.Receives() {
		return endpoint{}, media.DropDirection, first
	}
	to = peer.source.target()
	if peer.muted || to.isZero() {
		return endpoint{}, media.DropNoPeer, first
	}
	return to, forward, first
}

// judgeRTCP decides about one RTCP packet. It is accepted only from the host
// that sends the RTP, and is not subject to hold (RFC 3264 8.4). What is accepted
// is for us. The caller holds r.mu.
func (r *Relay) judgeRTCP(from media.Side, src endpoint, sound bool, at int64) media.Drop {
	me := &r.sides[index(from)]
	switch {
	case !me.ready || src.ip != me.source.host() && src != me.rtcp || src.ip == host{},
		src != me.rtcpSeen && src != me.rtcp && slices.Contains(me.former, src):
		return media.DropSource
	case !sound:
		return media.DropMalformed
	case !me.rtcpRate.take(at, r.interval):
		return media.DropRate
	}
	me.rtcpSeen = src
	return taken
}

// rtcpTarget is where RTCP to the side goes: where its description says, or,
// once its RTP source was learnt at another place, to that place.
func (s *side) rtcpTarget() endpoint {
	rtp := s.source.target()
	switch {
	case rtp.isZero(), s.unreported:
		return endpoint{}
	case s.mux:
		return rtp
	case rtp == s.source.exact:
		return s.rtcp
	case s.rtcpSeen.ip == rtp.ip:
		return s.rtcpSeen
	}
	return rtp.next()
}

// input is one of the four ways into a relay: the receiver of one socket.
type input struct {
	relay *Relay
	from  media.Side
	out   *outlet // for the same kind of packet, towards the other side
}

// rtpInput and rtcpInput tell the two kinds apart, by port and not by content.
type (
	rtpInput  struct{ input }
	rtcpInput struct{ input }
)

func (in *rtpInput) handle(d datagram) (out outgoing, ok bool) {
	r, f := in.relay, &in.relay.flows[index(in.from)]
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.lanes[index(in.from)].packet
	*p = packet{buf: d.bytes, src: endpointOf(d.src), from: in.from, arrival: d.at, at: r.clock(d.at)}
	verdict, aside := r.aside(p)
	switch {
	case aside:
	case r.sides[index(in.from)].mux && isRTCP(p.buf):
		if verdict = r.acceptRTCP(in.from, p.src, p.buf, d.at); verdict == taken {
			f.rtcp.Add(1)
		}
	default:
		verdict = r.pass(p)
	}
	if verdict == forward {
		place := p.to.addrPort()
		if out = (outgoing{p.buf, in.out.towards(place), place}); out.by != nil {
			r.sends(in.from.Other(), &p.header, p.at)
			if r.lanes[index(in.from)].sound == nil {
				return out, true
			}
			// The clock sends too: what it puts behind this must not overtake it.
			in.sent(len(out.bytes), out.by.send(out.bytes, out.to))
			return outgoing{}, false
		}
		verdict = media.DropNoPeer // it went back to another IP version
	}
	if verdict == media.DropSource {
		r.stray(in.from, p.src)
	}
	if verdict != taken {
		f.drop(verdict)
	}
	return outgoing{}, false
}

func (in *rtpInput) sent(bytes int, err error) {
	f := &in.relay.flows[index(in.from)]
	if err != nil {
		f.drop(media.DropSend)
		return
	}
	f.packets.Add(1)
	f.bytes.Add(uint64(bytes))
}

// isRTCP tells RTCP from RTP on a port that has both (RFC 5761 4).
func isRTCP(b []byte) bool { return len(b) > 1 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223 }

func (in *rtcpInput) handle(d datagram) (outgoing, bool) {
	r, f := in.relay, &in.relay.flows[index(in.from)]
	r.mu.Lock()
	defer r.mu.Unlock()
	if verdict := r.acceptRTCP(in.from, endpointOf(d.src), d.bytes, d.at); verdict != taken {
		f.drop(verdict)
	} else {
		f.rtcp.Add(1)
	}
	return outgoing{}, false
}

func (in *rtcpInput) sent(int, error) {} // nothing goes out by itself

// clock turns an arrival into the relay's own time in nanoseconds.
func (r *Relay) clock(at time.Time) int64 { return max(0, int64(at.Sub(r.start))) }

func index(s media.Side) int { return int(s) - 1 }
