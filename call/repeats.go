package call

import (
	"hash/maphash"
	"time"

	"ringdown/routing"
)

// knownCallers is how many callers are remembered for how often they call. Beyond
// that who has not called for longest is forgotten, and his next call counts as
// his first.
const knownCallers = 100_000

// repeated counts this call among those of its caller to the same account or, with
// scope number, to the same number, and returns how many there were within the
// window, this one included. Refused ones count: who goes on calling stays out
// until he has been quiet for as long. A caller without a subject that lasts is
// at his first call.
func (b *Switchboard) repeated(c *Call, scope string, over time.Duration) uint64 {
	subject := c.machine.caller.Subject
	if subject == "" || c.machine.decision.Caller.IsZero() || c.machine.invite.Party.Private {
		return 1
	}
	of := c.account
	if scope == routing.ScopeNumber {
		of = c.machine.decision.Number
	}
	g, now := b.guard, c.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	key := windowKey{scope, of, maphash.String(g.seed, subject)}
	g.callers.add(key, now, over, 1)
	return uint64(g.callers.sum(key, now, over))
}
