package call

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"ringdown/routing"
)

// Whose limit a claim is made under: values of limit in the events.
const (
	limitNode        = routing.ScopeNode
	limitTrunk       = routing.ScopeTrunk
	limitAgency      = routing.ScopeAgency
	limitAccount     = routing.ScopeAccount
	limitNumber      = routing.ScopeNumber
	limitDestination = routing.ScopeDestination
)

// place is one limit: of the node, or of a trunk, an agency, an account, a number
// or a destination. The key of the last two is personal data, and goes nowhere.
type place struct{ kind, key string }

// claim is a call's wish for a place.
type claim struct {
	place
	limits routing.Limits
	leg    LegID // who will hold it, when it is not the call
}

// holder is who holds a place: a call, or a leg of it, which holds one of the
// trunk it came or goes out by.
type holder struct {
	call ID
	leg  LegID // empty: the call
}

// places knows which live calls hold a place under which limit. Nothing is
// counted up and down: the count is the size of a set, a call leaves all its
// sets at once, and leaving twice changes nothing. So a call that crashed, was
// refused halfway or whose leg does not go holds no place. The switchboard's
// lock guards it.
type places struct {
	held    map[place]map[holder]struct{}
	of      map[ID][]hold
	buckets map[place]*bucket // one for each limit of calls a second that was asked for lately
	sweep   int               // as many of them as make it worth to look for those that are full again
}

// bucket holds up to one second of calls.
type bucket struct {
	tokens float64
	filled time.Time
}

// hold is a place that a call or one of its legs is in.
type hold struct {
	place
	leg LegID
}

func newPlaces() places {
	return places{held: map[place]map[holder]struct{}{}, of: map[ID][]hold{}, buckets: map[place]*bucket{}}
}

// take gives who all the places that are claimed, or none and says why: the
// first limit that is reached.
func (p *places) take(who holder, at time.Time, claims ...claim) *Cause {
	for _, c := range claims {
		if c.limits.Calls > 0 && len(p.held[c.place]) >= c.limits.Calls {
			return c.refusal(ReasonConcurrencyLimit)
		}
	}
	for _, c := range claims {
		if c.limits.CPS > 0 && p.bucket(c, at).tokens < 1 {
			return c.refusal(ReasonCPSLimit)
		}
	}
	for _, c := range claims {
		if c.limits.CPS > 0 {
			p.buckets[c.place].tokens--
		}
		p.put(who, c)
	}
	return nil
}

// put gives who a place that is limited, also above the limit: for a leg that talks already.
func (p *places) put(who holder, c claim) {
	if c.limits.Calls <= 0 {
		return
	}
	if p.held[c.place] == nil {
		p.held[c.place] = map[holder]struct{}{}
	}
	who.leg = cmp.Or(c.leg, who.leg)
	p.held[c.place][who] = struct{}{}
	p.of[who.call] = append(p.of[who.call], hold{c.place, who.leg})
}

// bucket returns the place's bucket as it is at a time.
func (p *places) bucket(c claim, at time.Time) *bucket {
	full := float64(c.limits.CPS)
	b := p.buckets[c.place]
	if b == nil {
		p.forget(at)
		b = &bucket{full, at}
		p.buckets[c.place] = b
	}
	if d := at.Sub(b.filled); d > 0 {
		b.tokens = min(full, b.tokens+d.Seconds()*full)
		b.filled = at
	}
	return b
}

// forget drops the buckets that were asked for last more than a second ago: they
// are full, as a new one is. It costs each new bucket about one look at another.
func (p *places) forget(at time.Time) {
	if len(p.buckets) < max(p.sweep, fewBuckets) {
		return
	}
	maps.DeleteFunc(p.buckets, func(_ place, b *bucket) bool { return at.Sub(b.filled) > time.Second })
	p.sweep = 2 * len(p.buckets)
}

const fewBuckets = 256

// leave gives back what a call and its legs hold, if they hold anything.
func (p *places) leave(id ID) {
	for _, h := range p.of[id] {
		p.free(h.place, holder{id, h.leg})
	}
	delete(p.of, id)
}

// leaveLeg gives back what one attempt holds.
func (p *places) leaveLeg(id ID, leg LegID) {
	p.of[id] = slices.DeleteFunc(p.of[id], func(h hold) bool {
		if h.leg == leg {
			p.free(h.place, holder{id, leg})
		}
		return h.leg == leg
	})
	if len(p.of[id]) == 0 {
		delete(p.of, id)
	}
}

func (p *places) free(at place, who holder) {
	delete(p.held[at], who)
	if len(p.held[at]) == 0 {
		delete(p.held, at)
	}
}

// refusal words a limit that is reached. The node's and a trunk's are 503: the
// carrier may take another way, and should. The others' are the customer's own
// lines, all taken: busy (486), which no carrier answers by trying elsewhere or
// by leaving the trunk alone; too many in a second is 480.
func (c claim) refusal(reason string) *Cause {
	text := "call limit reached"
	if reason == ReasonCPSLimit {
		text = "calls a second limit reached"
	}
	if c.kind != limitNode {
		text = c.kind + " " + text
	}
	out := Refused(reason, text)
	out.Limit = c.kind
	if c.kind != limitNode && c.kind != limitTrunk {
		out.Status = 480
		if reason == ReasonConcurrencyLimit {
			out.Status, out.Q850 = 486, 17
		}
	}
	return &out
}

// look is the line of a trace that tells of a limit: the rule, not the number.
func (c *Cause) look() (l routing.Look, ok bool) {
	if c.Limit == "" {
		return l, false
	}
	what := "calls at once"
	if c.Reason == ReasonCPSLimit {
		what = "calls a second"
	}
	return routing.Look{What: "limit", Result: "reached", Text: fmt.Sprintf("the %s's limit of %s", c.Limit, what)}, true
}
