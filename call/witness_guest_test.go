package call

import "ringdown/media"

// dialled opens the anteroom of an attempt that has one.
func (w *witness) dialled(a doDial) {
	if !w.m.leg(a.leg).room {
		return
	}
	if w.rooms == nil {
		w.rooms = map[LegID]bool{}
	}
	w.rooms[a.leg] = true
}

// checkGuest: who has answered is spoken to where he is, is moved out of a room that
// is open, and a room is closed once.
func (w *witness) checkGuest(a action, s Signal) {
	switch a := a.(type) {
	case doReceive:
		w.needs(a, a.leg)
		if w.rooms[a.leg] == w.apart {
			w.fail("%s is to be spoken to in a room (%t), or apart from the caller (%t)", a.leg, w.rooms[a.leg], w.apart)
		}
		w.signal("", Received{At: At{s.at()}, Leg: a.leg, Body: []byte("answer"), Err: w.receives()})
	case doFetch:
		w.needs(a, a.leg)
		if !w.rooms[a.leg] {
			w.fail("%s is fetched from no room", a.leg)
		}
	case doSeat:
		w.needs(a, a.leg)
		w.keptBack()
		w.signal("", Agreed{At: At{s.at()}, Body: []byte("answer"), Err: w.receives()})
	case doCloseRoom:
		if !w.rooms[a.leg] {
			w.fail("the room of %s is closed and was not open", a.leg)
		}
		for what := range w.playing {
			if what.room == a.leg {
				w.fail("the room of %s is closed while %v plays", a.leg, what)
			}
		}
		delete(w.rooms, a.leg)
	case doApart:
		w.apart = a.on
	}
}

// keptBack: a caller whom we have answered hears nobody before the talk is told of.
func (w *witness) keptBack() {
	if w.m.attended() && !w.apart && w.deaf != [2]bool{true, true} {
		w.fail("an attended caller and the callee hear each other before call.answered")
	}
}

// presents: no offer of ours goes to a leg that has one already.
func (w *witness) presents(a doPresent) {
	if w.owes[a.leg] {
		w.fail("%s is made an offer and owes the answer to the last one", a.leg)
	}
	if w.owes == nil {
		w.owes = map[LegID]bool{}
	}
	w.owes[a.leg] = a.id != 0
}

// replaces: a party is played one sound under the talk and one in its stead. What an
// order plays takes the place of another one, and nothing takes its.
func (w *witness) replaces(a doPlay, s Signal) {
	if w.under == nil {
		w.under = map[sounding]bool{}
	}
	w.under[a.what] = a.order.Under
	for other := range w.playing {
		switch {
		case other.to != a.what.to || other.room != a.what.room || w.under[other] != a.order.Under:
		case other.purpose == forOrder:
			w.fail("%v takes the place of what an order plays", a.what)
		case a.what.purpose == forOrder:
			delete(w.playing, other)
			p := media.Playback{To: other.to, For: other.purpose, End: media.PlayReplaced}
			w.signal("", Noticed{At: At{s.at()}, Notice: media.Notice{Kind: media.Played, Playback: &p}})
		}
	}
}
