package relay

import "ringdown/media/dscp"

// mark gives what the pair sends a class. A system that refuses it is said once
// a process, since it will refuse all of them.
func (q *pair) mark(class dscp.Class) {
	if class == q.class {
		return
	}
	q.class = class
	for _, s := range []*socket{q.rtp, q.rtcp} {
		if err := s.line.mark(class); err != nil && !q.pool.unmarked.Swap(true) {
			q.pool.engine.log.Warn("media packets cannot be marked with their DSCP", "dscp", class.String(), "error", err)
		}
	}
}

// markLeg gives the ports of a leg the class that its trunk wants. The caller
// holds r.nego.
func (r *Relay) markLeg(l *leg) {
	class := l.rule.Terms.DSCP.Or(r.pool.dscp)
	l.pair.mark(class)
	for _, q := range l.others {
		q.mark(class)
	}
}
