package relay

import (
	"encoding/binary"

	"ringdown/media"
	"ringdown/media/sdp"
)

// leastUDPTL is the shortest datagram of T.38 over UDPTL: a sequence number, one
// primary packet of no length, no redundancy (ITU-T T.38 9.1).
const leastUDPTL = 4

// faxes reports whether both parties have agreed on T.38. The caller holds r.mu.
func (r *Relay) faxes() bool { return r.sides[0].fax && r.sides[1].fax }

// passFax takes a datagram of a fax to the other party as it is. The rule of its
// source is that of RTP, with the sequence number that UDPTL begins with; it has
// no stages, and nothing of it reaches the tap. The caller holds r.mu.
func (r *Relay) passFax(p *packet) media.Drop {
	if len(p.buf) < leastUDPTL || len(p.buf) > maxDatagram {
		return media.DropFax
	}
	p.header = header{pt: sdp.FaxType, seq: binary.BigEndian.Uint16(p.buf), end: len(p.buf)}
	to, verdict, first := r.judgeRTP(p.from, p.src, &p.header, true, p.at)
	p.to = to
	f := &r.flows[index(p.from)]
	if first {
		f.first.CompareAndSwap(0, p.at+1)
		r.notice(media.Notice{Kind: media.Started, Side: p.from, At: p.arrival, PT: p.header.pt})
	}
	if verdict != media.DropSource && verdict != media.DropRate {
		f.last.Store(p.at + 1)
	}
	return verdict
}
