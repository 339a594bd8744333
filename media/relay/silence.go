package relay

import (
	"time"

	"ringdown/media"
)

// Silence forgets what a side has said: until its next [Relay.Answer] nothing is
// accepted from it and nothing sent to it. It is for early media whose sender
// has gone while the call goes on. Before a description, and after Close, it
// does nothing.
func (r *Relay) Silence(side media.Side) {
	r.nego.Lock()
	defer r.nego.Unlock()
	r.legs[index(side)].desc = nil

	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sides[index(side)]
	if l := &r.legs[index(side)]; l.who != "" {
		r.vacate(side)
		*s, l.who = comes(s, true, &attempt{}), ""
	}
	s.ready, s.source, s.ice = false, source{}, nil
	r.forsake(side)
	r.forgetKeys(side)
	r.replan()
	r.forgetHeard(side, r.clock(time.Now()))
}
