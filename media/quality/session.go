package quality

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"

	"ringdown/media"
)

// Timing of RFC 3550 6.2 and 6.3.1 for a session of two: five seconds, half of
// that before the first report, times something between a half and one and a
// half, and divided by e-3/2 to make up for what reconsideration adds.
const (
	reportEvery = 5 * time.Second
	compensate  = 1.21828
)

// Session is our RTCP towards one party (RFC 3550 6): what we report of the
// stream it sends, what we say of the one we send it, and what it says of that.
// Nothing of the other party passes through it but those figures. The zero
// value is unusable: [NewSession].
type Session struct {
	chance rand.PCG
	start  time.Time // the moment 0, by the clock on the wall
	ssrc   uint32    // ours while we send nothing
	cname  [16]byte

	next     int64 // when a report is due
	wrote    bool
	saidSSRC uint32    // of our last report
	saidSRs  [4]uint32 // middle of the NTP time of our last sender reports
	saidN    uint8

	prior struct { // for the fraction lost of the next report (A.3)
		ssrc               uint32
		expected, received uint64
	}

	heardSR   uint32 // middle of the NTP time of the party's last sender report; 0: none
	heardSRAt int64
	heardSRof uint32
	lastAt    int64  // of the party's last RTCP, plus 1; 0: none
	Sends     uint32 // packets that the party says it has sent
	Left      bool   // it has said BYE
	Malformed uint64 // parts that could not be read
	Unread    uint64 // parts of kinds that mean nothing here
	report    rtcp.ReceptionReport
	reported  bool
	voip      rtcp.VoIPMetricsReportBlock
	voiped    bool
	roundTrip time.Duration
	sentClock uint32 // of the stream that the report is about
}

// NewSession begins a session whose moment 0 was at start. Its name (CNAME) is
// random, as RFC 7022 4.2 wants it for one session: it tells nothing of anybody.
func NewSession(start time.Time, seed1, seed2 uint64) Session {
	s := Session{chance: *rand.NewPCG(seed1, seed2), start: start}
	var name [12]byte
	binary.BigEndian.PutUint64(name[:], s.chance.Uint64())
	binary.BigEndian.PutUint32(name[8:], uint32(s.chance.Uint64()))
	base64.RawURLEncoding.Encode(s.cname[:], name[:])
	s.ssrc = uint32(s.chance.Uint64())
	return s
}

// Begin makes the first report due within the half interval of RFC 3550 6.2.
func (s *Session) Begin(at int64) { s.next = at + s.wait(reportEvery/2) }

// Due reports whether it is time for a report; never before Begin.
func (s *Session) Due(at int64) bool { return s.next != 0 && at >= s.next }

func (s *Session) wait(t time.Duration) int64 {
	part := float64(s.chance.Uint64()>>11) / (1 << 53)
	return int64(float64(t) * (0.5 + part) / compensate)
}

// LastAt is when the party's last RTCP came; ok is false when none did.
func (s *Session) LastAt() (at int64, ok bool) { return s.lastAt - 1, s.lastAt != 0 }

// RoundTrip is the time to the party and back, by its last report; 0: not known.
func (s *Session) RoundTrip() time.Duration {
	if s.roundTrip == 0 && s.voiped && s.voip.RoundTripDelay != 0 && s.voip.RoundTripDelay != 0xffff {
		return time.Duration(s.voip.RoundTripDelay) * time.Millisecond
	}
	return s.roundTrip
}

// ntp is a moment as RFC 3550 4 writes it: seconds since 1900 in 32.32 bits.
func (s *Session) ntp(at int64) uint64 {
	const since1900 = 2_208_988_800
	t := s.start.Add(time.Duration(at))
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// tell adds what RTCP knows to figures.
func (s *Session) tell(h *media.Heard) {
	if s == nil {
		return
	}
	h.RoundTrip = s.RoundTrip()
	if s.reported {
		h.Reports = true
		h.ReportedLoss = float64(s.report.FractionLost) / 256
		if s.sentClock != 0 {
			h.ReportedJitter = time.Duration(int64(s.report.Jitter) * int64(time.Second) / int64(s.sentClock))
		}
	}
	if s.voiped {
		h.Reports = true
		h.ReportedR, h.ReportedListening, h.ReportedTalking = known(s.voip.RFactor, 1), known(s.voip.MOSLQ, 10), known(s.voip.MOSCQ, 10)
	}
}

// known reads a figure of a VoIP metrics block: 127 says that there is none.
func known(v uint8, scale float64) float64 {
	if v >= 127 {
		return 0
	}
	return float64(v) / scale
}
