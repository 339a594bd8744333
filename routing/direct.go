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

// TransferTo decides where a party is put through to whom somebody outside the call
// wants to have elsewhere: to a destination as a flow could dial it.
func (t *Table) TransferTo(to Destination) (d Transferred) {
	targets, texts, faults := t.Directions([]Destination{to}, 0)
	for _, f := range faults {
		d.Trace = append(d.Trace, Look{"target", Missed, f.Path + " " + f.Msg})
	}
	for _, text := range texts {
		d.Trace = append(d.Trace, Look{"target", Chosen, text})
	}
	if d.Targets = targets; len(targets) == 0 {
		d.Reject = NoRoute
	}
	return d
}
