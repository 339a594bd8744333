package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkFlows looks at how steps and flows hang together: that each step can be
// come to, and that no call goes round for ever.
func (b *builder) checkFlows() {
	ids := slices.Sorted(maps.Keys(b.flows))
	for _, id := range ids {
		if f := b.flows[id]; f != nil && f.steps != nil {
			b.checkReach(f.steps)
		}
	}
	b.checkLoops(ids)
}

// checkReach reports the first step of each list that nothing leads to.
func (b *builder) checkReach(in *block) {
	for i, s := range in.steps {
		if n, ok := s.node.(branching); ok {
			ways, _ := n.ways()
			for i, w := range ways {
				if !slices.ContainsFunc(ways[:i], func(x way) bool { return x.block == w.block }) {
					b.checkReach(w.block)
				}
			}
		}
		if i+1 < len(in.steps) && !s.falls() {
			b.fault("is never come to: no call gets past "+s.path, "%s", in.steps[i+1].path)
			return
		}
	}
}

// falls reports whether a call can go on behind a step.
func (s stage) falls() bool {
	switch n := s.node.(type) {
	case terminal:
		return false
	case branching:
		ways, on := n.ways()
		return on || slices.ContainsFunc(ways, func(w way) bool { return w.block.falls() })
	}
	return true
}

// falls reports whether a call can go on behind the block.
func (b *block) falls() bool {
	return !slices.ContainsFunc(b.steps, func(s stage) bool { return !s.falls() })
}

// checkLoops finds flows that redirect to each other so that a call can be kept
// for ever, whatever its caller chooses. What is not the caller's choice may go
// any way: it can be closed, and nobody may answer.
func (b *builder) checkLoops(ids []string) {
	left := map[*flow]bool{nil: true} // flows that a caller can see the end of; nil: one that there is not
	for changed := true; changed; {
		changed = false
		for _, id := range ids {
			f := b.flows[id]
			if f == nil || f.steps == nil {
				return // it is faulty, and nothing can be said
			}
			if !left[f] && f.steps.left(true, left) {
				left[f], changed = true, true
			}
		}
	}
	told := map[*flow]bool{}
	for _, id := range ids {
		f := b.flows[id]
		if left[f] || told[f] {
			continue
		}
		round, path := f.round(left)
		if round == nil {
			continue // it only leads to a loop
		}
		names := make([]string, 0, len(round)+1)
		for _, r := range round {
			told[r] = true
			names = append(names, r.id)
		}
		b.fault(fmt.Sprintf("a call can go round for ever: %s; no choice of its caller leads out", strings.Join(append(names, id), " to ")), "%s", path)
	}
}

// left reports whether the caller can see the end of a block, where behind says
// it of what comes behind.
func (b *block) left(behind bool, known map[*flow]bool) bool {
	for _, s := range slices.Backward(b.steps) {
		behind = s.left(behind, known)
	}
	return behind
}

func (s stage) left(behind bool, known map[*flow]bool) bool {
	if to, ok := s.node.(*redirectStep); ok {
		return known[to.to]
	}
	if _, ok := s.node.(terminal); ok {
		return true
	}
	if slices.ContainsFunc(s.leads(), func(to *flow) bool { return !known[to] }) {
		return false
	}
	n, ok := s.node.(branching)
	if !ok {
		return behind
	}
	ways, on := n.ways()
	if _, ok := s.node.(chosen); ok {
		return on && behind || slices.ContainsFunc(ways, func(w way) bool { return w.block.left(behind, known) })
	}
	return (!on || behind) && !slices.ContainsFunc(ways, func(w way) bool { return !w.block.left(behind, known) })
}

// leads returns the flows that a step may go on with by itself, without a choice
// of the caller's. nil is one that there is not.
func (s stage) leads() []*flow {
	switch n := s.node.(type) {
	case *redirectStep:
		return []*flow{n.to}
	case *hookStep: // it is its owner who chooses
		return n.flows
	}
	return nil
}

// round is the shortest way from a flow back to it through flows that are not
// left, and the path of the step where it begins; nil: there is none.
func (f *flow) round(left map[*flow]bool) ([]*flow, string) {
	type hop struct {
		at   *flow
		way  []*flow
		path string
	}
	seen := map[*flow]bool{}
	for queue := []hop{{f, nil, ""}}; len(queue) > 0; queue = queue[1:] {
		h := queue[0]
		var found *hop
		h.at.steps.each(func(s stage) {
			for _, to := range s.leads() {
				if left[to] || seen[to] || found != nil {
					continue
				}
				next := hop{to, append(slices.Clip(h.way), h.at), cmp.Or(h.path, s.path)}
				if to == f {
					found = &next
					continue
				}
				seen[to] = true
				queue = append(queue, next)
			}
		})
		if found != nil {
			return found.way, found.path
		}
	}
	return nil, ""
}

// warnOfEnds notes flows that a call can get through with nobody dialled, no
// message taken and no refusal.
func (b *builder) warnOfEnds(say func(msg, path string, args ...any)) {
	for _, id := range slices.Sorted(maps.Keys(b.flows)) {
		if where, bare := b.flows[id].steps.bare(); bare {
			if where != "" {
				where = " by " + where
			}
			say("a call can come to its end"+where+" with nobody dialled, no message taken and no refusal", "flows.%s", id)
		}
	}
}

// bare reports whether a call can go on behind the block without having reached
// anybody or anything, and the last branching on its way.
func (b *block) bare() (where string, bare bool) {
	for _, s := range b.steps {
		switch n := s.node.(type) {
		case *dialStep, terminal:
			return "", false
		case branching:
			way, ok := bareWay(s, n)
			if !ok {
				return "", false
			}
			where = way
		}
	}
	return where, true
}

func bareWay(s stage, n branching) (string, bool) {
	ways, on := n.ways()
	for _, w := range ways {
		if deeper, ok := w.block.bare(); ok {
			if deeper == "" {
				deeper = s.path + "." + w.name
			}
			return deeper, true
		}
	}
	return s.path, on
}
