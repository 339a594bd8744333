package quality

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtcp"
)

// Errors of reading; what is told of them names the part and never its content.
var (
	errShort   = errors.New("shorter than its counts say")
	errVersion = errors.New("not of version 2")
	errPadding = errors.New("padding is longer than the part")
	errLength  = errors.New("length leads out of the packet")
)

// maxParts bounds how many parts of one packet are read: a full compound has
// seven or eight.
const maxParts = 32

// Read takes an RTCP packet of the party that came at a moment, compound or of
// reduced size (RFC 5506). about is the stream that we send it: reports of
// others mean nothing. What cannot be read is skipped and counted, and the
// error is that of the first such part; the rest counts.
func (s *Session) Read(pkt []byte, at int64, about Sent) error {
	var first error
	for n := 1; len(pkt) > 0; n++ {
		part, rest, err := cut(pkt)
		if err == nil && n > maxParts {
			err = errLength
		}
		if err == nil {
			err = s.part(part, at, about)
		}
		if err != nil {
			s.Malformed++
			if first == nil {
				first = fmt.Errorf("rtcp part %d: %w", n, err)
			}
		}
		if rest == nil {
			return first
		}
		pkt = rest
	}
	s.lastAt = at + 1
	return first
}

// cut takes the first part of a compound, without its padding. rest is nil when
// where the next one begins cannot be known.
//
//	 0                   1                   2                   3
//	|V=2|P|  count  |      type     |   length in words minus one   |
func cut(pkt []byte) (part, rest []byte, err error) {
	if len(pkt) < 4 {
		return nil, nil, errShort
	}
	if pkt[0]>>6 != 2 {
		return nil, nil, errVersion
	}
	n := 4 + 4*int(binary.BigEndian.Uint16(pkt[2:]))
	if n > len(pkt) {
		return nil, nil, errLength
	}
	part, rest = pkt[:n:n], pkt[n:]
	if part[0]&0x20 == 0 {
		return part, rest, nil
	}
	pad := int(part[n-1])
	if len(rest) > 0 || pad == 0 || pad%4 != 0 || pad > n-4 {
		return nil, rest, errPadding
	}
	// The part is read as if it had none.
	whole := append([]byte(nil), part[:n-pad]...)
	whole[0] &^= 0x20
	binary.BigEndian.PutUint16(whole[2:], uint16(len(whole)/4-1))
	return whole, rest, nil
}

// Least sizes of the parts, in bytes: what comes before the blocks that are counted.
const (
	srSize, rrSize, blockSize = 28, 8, 24
	xrSize, voipSize          = 8, 36
)

// part reads one part of a compound.
func (s *Session) part(p []byte, at int64, about Sent) error {
	count := int(p[0] & 0x1f)
	switch rtcp.PacketType(p[1]) {
	case rtcp.TypeSenderReport:
		if len(p) < srSize+count*blockSize {
			return errShort
		}
		var sr rtcp.SenderReport
		if err := sr.Unmarshal(p); err != nil {
			return err
		}
		s.heardSR, s.heardSRAt, s.heardSRof, s.Sends, s.Left = middle(sr.NTPTime), at, sr.SSRC, sr.PacketCount, false
		s.blocks(sr.Reports, at, about)
	case rtcp.TypeReceiverReport:
		if len(p) < rrSize+count*blockSize {
			return errShort
		}
		var rr rtcp.ReceiverReport
		if err := rr.Unmarshal(p); err != nil {
			return err
		}
		s.blocks(rr.Reports, at, about)
	case rtcp.TypeGoodbye:
		if len(p) < 4+4*count {
			return errShort
		}
		s.Left = count > 0
	case rtcp.TypeExtendedReport:
		return s.extended(p, about)
	case rtcp.TypeSourceDescription: // who the party says it is stays with it
		if count > 0 && len(p) < 8 {
			return errShort
		}
	default:
		s.Unread++
	}
	return nil
}

// blocks takes the report block about our stream, if there is one.
func (s *Session) blocks(reports []rtcp.ReceptionReport, at int64, about Sent) {
	for _, b := range reports {
		if b.SSRC != about.SSRC {
			continue
		}
		s.report, s.reported, s.sentClock = b, true, about.Clock
		if rtt, ok := s.measure(b, at); ok {
			s.roundTrip = rtt
		}
		return
	}
}

// measure is the round trip of RFC 3550 6.4.1: now, less when our report went,
// less how long the party kept it. Only our own last reports count.
func (s *Session) measure(b rtcp.ReceptionReport, at int64) (time.Duration, bool) {
	for i, sr := range s.saidSRs {
		if i >= int(s.saidN) || sr != b.LastSenderReport {
			continue
		}
		units := int32(middle(s.ntp(at)) - b.LastSenderReport - b.Delay)
		switch {
		case units < -65536/100, units > 65536*10: // more than the grain of clocks
			return 0, false
		case units <= 0:
			return time.Microsecond, true
		}
		return time.Duration(units) * time.Second / 65536, true
	}
	return 0, false
}

// extended reads the VoIP metrics (RFC 3611 4.7) of our stream out of an
// extended report; blocks of other kinds are passed over.
//
//	|     type      |   specific    |    length in words minus one  |
func (s *Session) extended(p []byte, about Sent) error {
	if len(p) < xrSize {
		return errShort
	}
	for b := p[xrSize:]; len(b) > 0; {
		if len(b) < 4 {
			return errShort
		}
		n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return errLength
		}
		if rtcp.BlockTypeType(b[0]) == rtcp.VoIPMetricsReportBlockType {
			if n != voipSize {
				return errShort
			}
			if err := s.metrics(p[:xrSize], b[:n], about); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// metrics reads one VoIP metrics block, as a report that holds nothing else.
func (s *Session) metrics(head, block []byte, about Sent) error {
	one := append(append(make([]byte, 0, xrSize+voipSize), head...), block...)
	binary.BigEndian.PutUint16(one[2:], uint16(len(one)/4-1))
	var xr rtcp.ExtendedReport
	if err := xr.Unmarshal(one); err != nil {
		return err
	}
	for _, r := range xr.Reports {
		if v, ok := r.(*rtcp.VoIPMetricsReportBlock); ok && v.SSRC == about.SSRC {
			s.voip, s.voiped = *v, true
		}
	}
	return nil
}
