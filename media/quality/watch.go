package quality

import (
	"time"

	"ringdown/media"
)

// Watch is the watchdog of one party. The zero value has seen nothing.
type Watch struct {
	began, held bool
	from        int64 // since when it may send, or may not
	elsewhere   int64 // when it was heard of in another way; 0: never
}

// Heard says that the party was heard of in another way than by its media.
func (w *Watch) Heard(at int64) { w.elsewhere = max(w.elsewhere, at) }

// Expired says that a party was silent for too long.
type Expired struct {
	Limit media.Limit
	Since int64 // its last sign of life, or when it should have begun
}

// reporting is for how long a party that reports may go without: RFC 3550 6.2 has
// a report about every five seconds.
const reporting = 30 * time.Second

// See takes a look at a party and at the one it talks to. A party that sends
// nothing is gone only when there is a proof: it reported until it fell silent,
// and its reports have stopped too; or nothing has come from the other one
// either, for as long. Else it may be one that listens and has neither comfort
// noise nor RTCP, and whoever talks to it will know.
func (w *Watch) See(s, peer Sight, limits media.Watchdog) (e Expired, ok bool) {
	limits = limits.Defaults()
	switch held := !s.MaySend; {
	case !w.began && !held:
		w.began, w.from = true, s.Judged
	case !w.began || held != w.held:
		w.began, w.held, w.from = true, held, s.Now
	}
	proven := s.LastRTCP > w.from && s.LastRTP-s.LastRTCP < int64(reporting)
	limit, name := limits.Steady, media.SteadyLimit
	switch {
	case w.held, s.Resting, peer.Resting && !proven:
		limit, name = limits.Held, media.HeldLimit
	case s.Packets == 0 && s.LastRTCP == 0:
		limit, name = limits.Initial, media.InitialLimit
	}
	life := max(w.from, w.elsewhere, s.LastRTP, s.LastRTCP)
	alone := s.Now - max(peer.Judged, peer.LastRTP, peer.LastRTCP)
	if limit < 0 || s.Now-life < int64(limit) || !proven && alone < int64(limit) {
		return Expired{}, false
	}
	return Expired{name, life}, true
}
