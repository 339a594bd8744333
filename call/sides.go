package call

import "ringdown/media"

// talking is who speaks on each side of an answered call. It begins as the
// caller's leg and the winner; a transfer puts another leg in the place of one
// of them, and the sides stay what they are: channels of the recording, words
// of ended_by. An empty LegID is a side that nobody holds.
type talking struct{ caller, callee LegID }

func (t talking) on(s media.Side) LegID {
	if s == media.Caller {
		return t.caller
	}
	return t.callee
}

// put gives a side to a leg.
func (t *talking) put(s media.Side, id LegID) {
	if s == media.Caller {
		t.caller = id
	} else {
		t.callee = id
	}
}

// side returns the side a leg speaks on; ok is false for a leg that does not
// speak, or no longer.
func (t talking) side(id LegID) (s media.Side, ok bool) {
	switch {
	case id == "":
		return 0, false
	case id == t.caller:
		return media.Caller, true
	case id == t.callee:
		return media.Callee, true
	}
	return 0, false
}

// enderOf names the party on a side in ended_by.
func enderOf(s media.Side) Ender {
	if s == media.Caller {
		return ByCaller
	}
	return ByCallee
}
