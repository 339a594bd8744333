package routing

import "slices"

// trials are those of a dialling in which each attempt comes out alike: the first
// ends it when it is neither one after which the next target is tried nor one of
// several at once, of whom only somebody who declines speaks for all.
func (r Ring) trials(result RingResult) []Trial {
	n := len(r.Targets)
	if !slices.Contains(r.Failover, result) && (!r.Together || result == Declined) {
		n = min(1, n)
	}
	all := make([]Trial, n)
	for i := range all {
		all[i] = Trial{i, result}
	}
	return all
}
