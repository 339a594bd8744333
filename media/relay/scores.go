package relay

import "ringdown/media"

// MOSBounds are the upper bounds of the buckets of [Scores].
var MOSBounds = [...]float64{1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.3}

// Scores counts how parties of closed relays were heard (MOS of listening), one
// score a party.
type Scores struct {
	Buckets [len(MOSBounds) + 1]uint64 // each without the ones below; the last is above all bounds
	Sum     float64
}

// add takes the score of a party, when it has one.
func (s *Scores) add(h *media.Heard) {
	if !h.Rated {
		return
	}
	i := 0
	for i < len(MOSBounds) && h.ListeningMOS > MOSBounds[i] {
		i++
	}
	s.Buckets[i]++
	s.Sum += h.ListeningMOS
}
