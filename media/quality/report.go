package quality

import (
	"time"

	"github.com/pion/rtcp"
)

// Write returns the next report to the party: a sender report when we send it
// anything, else a receiver report, with our name; bye says that it is the last
// (RFC 3550 6.1: a compound begins with a report). in is what the party sends.
func (s *Session) Write(at int64, out Sent, in *Meter, bye bool) ([]byte, error) {
	var reports []rtcp.ReceptionReport
	if in.seq.started {
		reports = []rtcp.ReceptionReport{s.block(at, in)}
	}
	s.saidSSRC = s.ssrc
	var head rtcp.Packet
	if out.Clock != 0 {
		s.saidSSRC = out.SSRC
		ntp := s.ntp(at)
		head = &rtcp.SenderReport{
			SSRC: out.SSRC, NTPTime: ntp, RTPTime: out.TS + elapsed(at-out.At, out.Clock),
			PacketCount: out.Packets, OctetCount: out.Octets, Reports: reports,
		}
		copy(s.saidSRs[1:], s.saidSRs[:])
		s.saidSRs[0] = middle(ntp)
		s.saidN = min(s.saidN+1, uint8(len(s.saidSRs)))
	} else {
		head = &rtcp.ReceiverReport{SSRC: s.ssrc, Reports: reports}
	}
	all := rtcp.CompoundPacket{head, rtcp.NewCNAMESourceDescription(s.saidSSRC, string(s.cname[:]))}
	if bye {
		all = append(all, &rtcp.Goodbye{Sources: []uint32{s.saidSSRC}})
	}
	s.next, s.wrote = at+s.wait(reportEvery), true
	return all.Marshal()
}

// Wrote reports whether the party has had a report of ours: whoever had none
// needs no goodbye (RFC 3550 6.3.7).
func (s *Session) Wrote() bool { return s.wrote }

// elapsed is a time in units of a clock.
func elapsed(ns int64, clock uint32) uint32 {
	return uint32(max(0, ns) / int64(time.Microsecond) * int64(clock) / 1_000_000)
}

// block reports what was received of the party's stream (RFC 3550 6.4.1, A.3).
func (s *Session) block(at int64, in *Meter) rtcp.ReceptionReport {
	expected, received := in.seq.expected(), in.seq.unique+in.seq.again
	if s.prior.ssrc != in.ssrc || expected < s.prior.expected {
		s.prior.expected, s.prior.received = 0, 0
	}
	b := rtcp.ReceptionReport{
		SSRC: in.ssrc, LastSequenceNumber: in.seq.highest(), Jitter: in.timing.jitter >> 4,
		TotalLost:    uint32(min(max(int64(expected)-int64(received), -1<<23), 1<<23-1)) & 0xffffff,
		FractionLost: fraction(expected-s.prior.expected, received-min(received, s.prior.received)),
	}
	s.prior.ssrc, s.prior.expected, s.prior.received = in.ssrc, expected, received
	if s.heardSR != 0 && s.heardSRof == in.ssrc {
		b.LastSenderReport = s.heardSR
		b.Delay = uint32(min(max(0, at-s.heardSRAt)/int64(time.Microsecond)*65536/1_000_000, 1<<32-1))
	}
	return b
}

// fraction is the part lost in 256ths; more received than expected is none lost.
func fraction(expected, received uint64) uint8 {
	if expected == 0 || received >= expected {
		return 0
	}
	return uint8(min(255, (expected-received)<<8/expected))
}
