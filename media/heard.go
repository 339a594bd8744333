package media

import (
	"net/netip"
	"time"
)

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

// Verdict says why a party is not heard.
type Verdict string

const (
	NeverSent      Verdict = "never-sent"      // nothing has come from it since the answer
	PrivateAddress Verdict = "private-address" // it is at a private address that we cannot reach, or says so and is elsewhere
	WrongType      Verdict = "payload-type"    // its packets are of payload types that nobody agreed on
	WrongSource    Verdict = "wrong-source"    // its packets come from where they may not
	Muted          Verdict = "muted"           // its packets hold only silence
	Stopped        Verdict = "stopped"         // it was heard, and has stopped
	Blocked        Verdict = "blocked"         // it says that it sends (RTCP), and nothing arrives
)

// Unheard says that a party is not heard, and why; or that it is heard again.
type Unheard struct {
	Verdict Verdict
	Origin  Origin // of packets that were refused, when that is the reason
	Over    bool   // it is heard again, after what Verdict says
}

// Origin is the kind of place that packets came from which were not accepted.
// It says nothing of anybody's address.
type Origin uint8

const (
	NoOrigin  Origin = iota
	OtherPort        // the described host, another port
	Public
	Private   // RFC 1918, RFC 6598, RFC 4193
	LinkLocal // RFC 3927, RFC 4291
	Loopback
)

func (o Origin) String() string {
	return [...]string{"", "other-port", "public", "private", "link-local", "loopback"}[min(o, Loopback)]
}

// shared is the address space between carriers and their customers.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// OriginOf is the kind of an address.
func OriginOf(a netip.Addr) Origin {
	a = a.Unmap()
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return NoOrigin
	case a.IsLoopback():
		return Loopback
	case a.IsLinkLocalUnicast():
		return LinkLocal
	case a.IsPrivate(), shared.Contains(a):
		return Private
	}
	return Public
}

// Watchdog bounds how long a party may be silent before its call is ended. 0
// stands for the default of each, a negative limit for none.
type Watchdog struct {
	Initial time.Duration // from the answer, while nothing has come from it; default 30 s
	Steady  time.Duration // after its last sound or RTCP; default 60 s
	Held    time.Duration // during a hold of either side, or while it rests; default 30 min
}

// Defaults fills in what is 0.
func (w Watchdog) Defaults() Watchdog {
	for _, l := range []struct {
		limit *time.Duration
		usual time.Duration
	}{{&w.Initial, 30 * time.Second}, {&w.Steady, time.Minute}, {&w.Held, 30 * time.Minute}} {
		if *l.limit == 0 {
			*l.limit = l.usual
		}
	}
	return w
}

// Limit names a limit of a [Watchdog].
type Limit string

const (
	InitialLimit Limit = "initial"
	SteadyLimit  Limit = "steady"
	HeldLimit    Limit = "held"
)
