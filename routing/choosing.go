package routing

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// choosing names the dial steps of one flow whose order depends on more than the
// table, so that each keeps its name when steps come and go around it.
type choosing struct {
	flow string
	all  []chooser
}

// chooser is one of them.
type chooser struct {
	strategy   string
	identities []string // of its targets, sorted
	nth        int      // tells it from those before it
}

// key is the name of the next dial step of a strategy.
//
// A round robin is named by its targets: it goes on where it was for as long as
// they are the same. Of several with the same in one flow the second has a name of
// its own, and so on: a call that comes by two would else turn each by two. Shares
// go by the flow's name; a step has another one when a step before it has a target
// of its own too, or a caller would fall to the same one in both. Steps without
// a target in common draw apart anyhow: its identity is part of each lot.
func (c *choosing) key(strategy string, targets []candidate) string {
	if strategy != RoundRobin && strategy != Percentage {
		return ""
	}
	next := chooser{strategy: strategy}
	for _, t := range targets {
		next.identities = append(next.identities, t.identity)
	}
	slices.Sort(next.identities)
	for _, before := range c.all {
		if before.strategy == strategy && before.meets(next) {
			next.nth = max(next.nth, before.nth+1)
		}
	}
	c.all = append(c.all, next)
	name := c.flow
	if strategy == RoundRobin {
		name += "/" + next.digest()
	}
	if next.nth > 0 {
		name += fmt.Sprintf("/%d", next.nth+1)
	}
	return name
}

// meets reports whether two steps of one strategy need names of their own.
func (c chooser) meets(other chooser) bool {
	if c.strategy == RoundRobin {
		return slices.Equal(c.identities, other.identities)
	}
	return slices.ContainsFunc(c.identities, func(s string) bool { return slices.Contains(other.identities, s) })
}

// digest stands for its targets where their numbers are not to be read.
func (c chooser) digest() string {
	h := sha256.New()
	for _, s := range c.identities {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
