package routing

import (
	"fmt"
	"time"
)

// Session says how long a call through a trunk may stay without a sign of life
// in signalling (RFC 4028), for each leg by itself.
type Session struct {
	Expires   Duration `yaml:"expires"`   // offered, and the longest accepted; zero: 30 min
	Min       Duration `yaml:"min"`       // the shortest accepted (Min-SE); zero: 90 s
	Refresher string   `yaml:"refresher"` // who refreshes where we may choose: auto (default): the peer when he asks for a timer | us | peer
}

// Words of Session, of Trunk.Reliable and of Trunk.EarlyMedia.
const (
	RefresherAuto = "auto"
	RefresherUs   = "us"
	RefresherPeer = "peer"

	ReliableSupported = "supported"
	ReliableRequired  = "required"
	ReliableOff       = "off"

	EarlyPass     = "pass"
	EarlyRingback = "ringback"
)

var (
	refreshers  = []string{RefresherAuto, RefresherUs, RefresherPeer}
	reliables   = []string{ReliableSupported, ReliableRequired, ReliableOff}
	earlyMedias = []string{EarlyPass, EarlyRingback}
)

// RFC 4028 4 and 5: half an hour is recommended, and an interval below 90 s is
// never asked for. Links and tests may go lower, to the least that is no storm.
const (
	defaultExpires = 30 * time.Minute
	defaultMin     = 90 * time.Second
	shortestMin    = 10 * time.Second
	longestExpires = 24 * time.Hour
)

// Interval is the session interval to offer and to allow at most; never below Shortest.
func (s Session) Interval() time.Duration {
	d, _ := s.Expires.Exact()
	if d == 0 {
		d = defaultExpires
	}
	return max(d, s.Shortest())
}

// Shortest is the Min-SE.
func (s Session) Shortest() time.Duration {
	if d, _ := s.Min.Exact(); d > 0 {
		return d
	}
	return defaultMin
}

func (b *builder) session(t Trunk, path string) {
	b.fault(checkWord(t.Session.Refresher, refreshers), "%s.session.refresher", path)
	b.fault(checkWord(t.Reliable, reliables), "%s.reliable", path)
	b.fault(checkWord(t.EarlyMedia, earlyMedias), "%s.early_media", path)
	wrong := b.fault(checkSession(t.Session.Min), "%s.session.min", path)
	wrong = b.fault(checkSession(t.Session.Expires), "%s.session.expires", path) || wrong
	if d, _ := t.Session.Expires.Exact(); !wrong && d > 0 && d < t.Session.Shortest() {
		b.fault(fmt.Sprintf("is below min, which is %s", Duration{clock: t.Session.Shortest()}), "%s.session.expires", path)
	}
}

// checkSession holds a duration to whole seconds, which is all that the headers can say.
func checkSession(d Duration) string {
	if d.IsZero() {
		return ""
	}
	length, exact := d.Exact()
	switch {
	case !exact || length%time.Second != 0:
		return "is not a number of whole seconds"
	case length < shortestMin || length > longestExpires:
		return fmt.Sprintf("is not %s to %s", Duration{clock: shortestMin}, Duration{clock: longestExpires})
	}
	return ""
}
