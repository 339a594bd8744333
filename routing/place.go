package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Place is one of several addresses that reach the same target.
type Place struct {
	URI      string // sip: URI
	Priority int    // lower goes first
	Weight   int    // share of the calls among those of one priority; where all have 0, in the order written
}

// spot is a target of a trunk.
type spot struct {
	uri
	priority, weight int
}

// trunkTargets reads the targets of a trunk, the first to try in front.
func (b *builder) trunkTargets(all []TrunkTarget, path string) []spot {
	var list []spot
	for i, spec := range all {
		u, msg := parseURI(spec.URI)
		if msg == "" && u.user != "" {
			msg = "has a user part; the number called goes there"
		}
		b.fault(msg, "%s.targets[%d].uri", path, i)
		b.fault(checkRank(spec.Priority), "%s.targets[%d].priority", path, i)
		b.fault(checkRank(spec.Weight), "%s.targets[%d].weight", path, i)
		list = append(list, spot{u, spec.Priority, spec.Weight})
	}
	slices.SortStableFunc(list, func(x, y spot) int {
		return cmp.Or(cmp.Compare(x.priority, y.priority), cmp.Compare(y.weight, x.weight))
	})
	return list
}

func checkRank(n int) string {
	if n < 0 || n > 65535 {
		return "is not 0 to 65535"
	}
	return ""
}

// through is the target of a number by a trunk, as the trunk wants it written:
// all the places of the trunk, of which one takes the call.
func (t *trunk) through(n number, ring time.Duration) Target {
	out := Target{Trunk: t.id, Number: n.e164(), Timeout: ring, Media: t.media.clone(), Redirect: t.redirect, Talk: t.talk()}
	user := strings.ReplaceAll(t.spec.NumberFormat.Called(n.e164()), "#", "%23")
	for _, s := range t.targets {
		u := s.uri
		if On(t.spec.Identity.UserPhone) {
			u.params += ";user=phone"
		}
		out.Places = append(out.Places, Place{u.to(user), s.priority, s.weight})
	}
	if len(out.Places) > 0 {
		out.URI = out.Places[0].URI
	}
	return out
}

// order words where calls through the trunk go: "a (3 of 4 calls) or b (1 of 4
// calls), else c".
func (t *trunk) order() string {
	var groups []string
	for rest := t.targets; len(rest) > 0; {
		n, total := 0, 0
		for n < len(rest) && rest[n].priority == rest[0].priority {
			total += rest[n].weight
			n++
		}
		var names []string
		for _, s := range rest[:n] {
			name := s.place()
			if total > 0 && n > 1 {
				name += fmt.Sprintf(" (%d of %d calls)", s.weight, total)
			}
			names = append(names, name)
		}
		join := ", else "
		if total > 0 {
			join = " or "
		}
		groups = append(groups, strings.Join(names, join))
		rest = rest[n:]
	}
	return strings.Join(groups, ", else ")
}
