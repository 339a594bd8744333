package relay

import "ringdown/media"

// Stats counts all relays of a pool, open and closed.
type Stats struct {
	Relays      int // open
	Free        int // pairs of ports; a call takes two
	Quarantined int // pairs of ports
	RTP, RTCP   uint64
	Bytes       uint64 // of the RTP
	Drops       [media.DropCount]uint64
	MOS         Scores
	Panics      uint64 // packets that made a tap or us panic
	Converted   uint64 // directions of calls that were converted to another codec or packet time

	Below    int    // directions of calls that pass below the sockets now
	Down, Up uint64 // moves of directions there and back
	Refused  uint64 // flows that the kernel did not take: the packets passed by us
	Uncopied uint64 // packets that passed below without the copy a tap was to get
}

func (s *Stats) add(m *media.Stats) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		f := m.Of(side)
		s.MOS.add(&f.Heard)
		s.RTP += f.Packets
		s.RTCP += f.RTCP
		s.Bytes += f.Bytes
		for d, n := range f.Drops {
			s.Drops[d] += n
		}
	}
}

// Stats reads the counters; it costs a few dozen loads an open relay, and a look
// at what passes below the sockets.
func (p *Pool) Stats() Stats {
	if p.offload != nil {
		p.offload.collect()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.done
	for r := range p.relays {
		m := r.stats()
		s.add(&m)
	}
	s.Relays, s.Free, s.Quarantined = len(p.relays), p.countFree(), len(p.rest)
	s.Drops[media.DropQuarantine] += p.late.Load()
	s.Panics, s.Converted = p.engine.panics.Load(), p.converted.Load()
	if o := p.offload; o != nil {
		o.stats(&s)
	}
	return s
}

// Free returns how many pairs of ports are free; a call takes two.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countFree()
}

func (p *Pool) countFree() (n int) {
	for i := range p.homes {
		for f := range p.homes[i].places {
			n += len(p.homes[i].places[f].free)
		}
	}
	return n
}
