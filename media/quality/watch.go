package quality

import "ringdown/media"

// Watch is the watchdog of one party. The zero value has seen nothing.
type Watch struct {
	began, held bool
	from        int64 // since when it may send, or may not
}

// Expired says that a party was silent for too long.
type Expired struct {
	Limit media.Limit
	Since int64 // its last sign of life, or when it should have begun
}

// See takes a look. Only packets of sound, from where they may come, are a sign
// of life before the party has sent any; afterwards, and while it may not send,
// its RTCP is one too: a party that is silent on purpose, on hold or between
// words, still reports, and one that is gone does not.
func (w *Watch) See(s Sight, limits media.Watchdog) (e Expired, ok bool) {
	limits = limits.Defaults()
	switch held := !s.MaySend; {
	case !w.began && !held:
		w.began, w.from = true, s.Judged
	case !w.began || held != w.held:
		w.began, w.held, w.from = true, held, s.Now
	}
	life := max(w.from, s.LastRTP, s.LastRTCP)
	limit, name := limits.Steady, media.SteadyLimit
	switch {
	case w.held:
		limit, name = limits.Held, media.HeldLimit
	case s.Packets == 0:
		life, limit, name = w.from, limits.Initial, media.InitialLimit
	}
	if limit < 0 || s.Now-life < int64(limit) {
		return Expired{}, false
	}
	return Expired{name, life}, true
}
