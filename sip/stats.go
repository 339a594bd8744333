package sip

import (
	"maps"
	"sync"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/sip/locate"
)

// Stats is what the endpoint has counted since it was made. No value of a label
// comes from a peer.
type Stats struct {
	Requests      map[string]uint64 // received and parsed, by method; "other" for what we do not speak
	Responses     map[string]uint64 // sent, by class: "1xx" to "6xx"
	Answers       map[string]uint64 // received, by class
	Drops         map[string]uint64 // messages not handled (or not sent: "egress"), by reason
	Legs          int               // live
	Streams       int               // open TCP connections
	Transactions  int               // not over, of both kinds; most only wait for repetitions
	Registrations map[string]string // of ours: trying, registered, failed or left, by trunk
	Phones        map[string]int    // that users of ours have registered, by trunk
	Bans          uint64            // of strangers
	Banned        int               // strangers who are, now
	Failovers     map[string]uint64 // calls that went on to another address: "silent", "unreachable", "503"
	Targets       []TargetState     // of the trunks, in their order
	DNS           locate.Stats
	Panics        uint64
}

type counts struct {
	mu        sync.Mutex
	requests  map[string]uint64
	responses map[string]uint64
	answers   map[string]uint64
	drops     map[string]uint64
	failovers map[string]uint64
	panics    uint64
}

func newCounts() *counts {
	return &counts{requests: map[string]uint64{}, responses: map[string]uint64{}, answers: map[string]uint64{}, drops: map[string]uint64{}, failovers: map[string]uint64{}}
}

func (c *counts) add(m map[string]uint64, label string) {
	c.mu.Lock()
	m[label]++
	c.mu.Unlock()
}

func (c *counts) drop(reason string) { c.add(c.drops, reason) }

func (c *counts) failover(why string) { c.add(c.failovers, why) }

func (c *counts) request(m gosip.RequestMethod) {
	label := "other"
	if methods[m] {
		label = string(m)
	}
	c.add(c.requests, label)
}

func class(status int) string {
	return [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}[min(max(status/100, 0), 6)]
}

func (c *counts) panicked() {
	c.mu.Lock()
	c.panics++
	c.mu.Unlock()
}

func (c *counts) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Requests: maps.Clone(c.requests), Responses: maps.Clone(c.responses),
		Answers: maps.Clone(c.answers), Drops: maps.Clone(c.drops), Failovers: maps.Clone(c.failovers), Panics: c.panics,
	}
}
