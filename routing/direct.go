package routing

import "time"

// Directions makes targets of destinations that come from outside the table: a
// hook's reply, a transfer that was asked for. They pass the checks of a dial
// step's targets; the paths of faults begin with "targets[i]". ring is the ring time of those
// without one of their own; zero: the usual.
func (t *Table) Directions(all []Destination, ring time.Duration) (targets []Target, texts []string, faults []Fault) {
	b := newBuilder()
	b.table, b.seenTrunk = t, t.builder.seenTrunk // both are only read here
	said := Duration{}
	if ring > 0 {
		said = Duration{clock: ring}
	}
	for _, x := range b.destinationsOf(Dial{Timeout: said, Targets: all}, "targets") {
		if known, ok := t.builder.destinations[x.Identity()]; ok {
			x.Limits = known.limits // its calls are counted wherever they come from
		}
		targets, texts = append(targets, x.Target.clone()), append(texts, x.text)
	}
	if len(b.faults) > 0 {
		return nil, nil, b.faults
	}
	return targets, texts, nil
}
