package media

import "time"

// Heard is how well one party is heard: figures of the stream that it sends us,
// over a stretch of time or the whole of its part in the call.
type Heard struct {
	Codec                        string // encoding name; empty: not known
	Packets, Bytes               uint64 // received, payloads only
	Expected, Lost               uint64
	Late                         uint64 // too late for the jitter buffer that a listener is supposed to have
	Duplicate, Reordered         uint64
	Jitter                       time.Duration // RFC 3550 6.4.1
	RoundTrip                    time.Duration // between us and the party, by RTCP; 0: not known
	BurstDensity, GapDensity     float64       // part of packets lost in bursts and between (RFC 3611 4.7.2)
	Rated                        bool          // the three below mean something: the codec is one that can be rated
	R, ListeningMOS, TalkingMOS  float64       // ITU-T G.107; TalkingMOS 0: the delay is not known
	Class                        string        // of R, in the words of G.109: best, high, medium, low, poor
	Reports                      bool          // the party has sent RTCP about what it receives
	ReportedLoss                 float64       // part of what it should have received from us, 0 to 1
	ReportedJitter               time.Duration // of what it receives
	ReportedListening, ReportedR float64       // of its own measuring (RFC 3611 4.7.5); 0: it did not say
	ReportedTalking              float64
}

// LossPart is the part of packets that did not come, 0 to 1.
func (h Heard) LossPart() float64 {
	if h.Expected == 0 {
		return 0
	}
	return float64(h.Lost) / float64(h.Expected)
}
