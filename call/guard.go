package call

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// How many accounts and destinations are remembered. Who calls so many others that
// his own are forgotten is new at each of them, and soon out of them.
const (
	guardedAccounts = 10_000
	knownPlaces     = 100_000
	knownFor        = 30 * 24 * time.Hour
)

// guard counts what the calls out of each account cost and whom they go to, as far
// as the rules about that need it. What is live is a set, as places are: a call
// that is over leaves it whole, however it ended.
type guard struct {
	mu      sync.Mutex
	seed    maphash.Seed // of the hashes of destinations: of this process
	spent   windows      // by account
	fresh   windows      // by account
	places  windows      // by account and destination
	callers windows      // by account or number, and caller
	live    map[holder]spending
}

// spending is a leg that costs.
type spending struct {
	account string
	since   time.Time
	units   int // a minute
	over    time.Duration
}

func newGuard() *guard {
	return &guard{seed: maphash.MakeSeed(), spent: newWindows(guardedAccounts), fresh: newWindows(guardedAccounts),
		places: newWindows(knownPlaces), callers: newWindows(knownCallers), live: map[holder]spending{}}
}

// minutes are those begun.
func (s spending) minutes(now time.Time) int {
	return int(max(0, now.Sub(s.since)+time.Minute-1) / time.Minute)
}

// pass counts an attempt that the rules let pass, or refuses it because of what
// was before it.
func (g *guard) pass(who holder, account string, r routing.Ruling, now time.Time) routing.Ruling {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Refused {
		return r
	}
	key := windowKey{of: account}
	if r.Units > 0 && r.Spend.Most > 0 {
		spent := g.spent.sum(key, now, r.Spend.Within)
		for _, s := range g.live {
			if s.account == account {
				spent += s.units * s.minutes(now)
			}
		}
		if spent+r.Units > r.Spend.Most {
			r.Refused, r.Rule = true, routing.RuleSpend
			r.Text = fmt.Sprintf("calls abroad have cost %d units within %s, the account may spend %d", spent, r.Spend.Within, r.Spend.Most)
			return r
		}
	}
	place := windowKey{of: account, who: maphash.String(g.seed, r.Target)}
	if known := g.places.known(place, now, knownFor); !known && r.Fresh.Most > 0 && r.Class != "" {
		if n := g.fresh.sum(key, now, r.Fresh.Within); n >= r.Fresh.Most {
			g.places.forget(place)
			r.Refused, r.Rule = true, routing.RuleFresh
			r.Text = fmt.Sprintf("the account has called %d new numbers within %s, and may call %d", n, r.Fresh.Within, r.Fresh.Most)
			return r
		}
		g.fresh.add(key, now, r.Fresh.Within, 1)
	}
	if r.Units > 0 && r.Spend.Most > 0 {
		g.spent.add(key, now, r.Spend.Within, r.Units)
		g.live[who] = spending{account, now, r.Units, r.Spend.Within}
	}
	return r
}

// done ends the spending of a leg, or of all legs of a call (leg empty). Doing it
// twice changes nothing.
func (g *guard) done(id ID, leg LegID, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for who, s := range g.live {
		if who.call == id && (leg == "" || who.leg == leg) {
			g.spent.add(windowKey{of: s.account}, now, s.over, s.units*s.minutes(now))
			delete(g.live, who)
		}
	}
}

// undo takes back what a leg costs that was let out and not dialled after all.
func (g *guard) undo(who holder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.live[who]; ok {
		g.spent.add(windowKey{of: s.account}, s.since, s.over, -s.units)
		delete(g.live, who)
	}
}

// forget takes a key back.
func (w *windows) forget(key windowKey) {
	if e := w.of[key]; e != nil {
		w.last.Remove(e)
		delete(w.of, key)
	}
}

// mayCall asks the guard about a leg that is to go out, whoever named its target,
// and tells of a refusal.
func (c *Call) mayCall(leg LegID, to routing.Target) *Cause {
	if c.ports.Guard == nil {
		return nil
	}
	m, now := c.machine, c.now()
	r := c.ports.Guard(m.decision.Table, routing.Guarded{Account: c.account, Number: m.decision.Number, At: now, Sent: m.invite.Diverted.Count}, to)
	r = c.board.guard.pass(holder{c.id, leg}, c.account, r, now)
	if !r.Refused {
		return nil
	}
	c.publish(doPublish{kind: events.FraudSuspected, at: now, data: events.FraudSuspectedData{
		Leg: m.leg(leg).ulid, Rule: r.Rule, Class: r.Class, Country: r.Country, Trunk: to.Trunk, Text: r.Text,
	}})
	c.log.Warn("the fraud guard refuses an attempt", "rule", r.Rule, "class", r.Class, "country", r.Country)
	refused := Refused(ReasonFraudGuard, "not allowed by the fraud guard: "+r.Rule)
	return &refused
}
