package sdp

import (
	"fmt"
	"slices"

	"ringdown/media"
)

const eventName = "TELEPHONE-EVENT"

// ownEvents is the event format of an offer whose party has none of its own.
var ownEvents = media.Format{PT: 101, Name: eventName, Clock: 8000, Channels: 1, Params: "0-16"}

// answering says in which format we take events from the party that made an
// offer: in its own. Where it has none we take none.
func (s Speech) answering(offer *Description) Speech {
	i := slices.IndexFunc(offer.relay.formats, func(f media.Format) bool { return f.Name == eventName })
	if s.Keys = s.Keys && i >= 0; s.Keys {
		s.events = offer.relay.formats[i]
	}
	return s
}

// addKeys adds events to the payload types of a description that speaks for d,
// when we take them and d does not, with the attributes that they need.
func (s *Speech) addKeys(d *Description, types []uint8, lines []string) ([]uint8, []string) {
	if !s.Keys || d.keyed() {
		return types, lines
	}
	f, taken := s.events, slices.Concat(types, d.relay.types)
	if f.Name == "" {
		f = ownEvents
		if pt, ok := freeType(f, append(taken, 96, 97, 98, 99, 100)); ok { // 101, as everybody has it, or above
			f.PT = pt
		}
	}
	if slices.Contains(taken, f.PT) { // the number means something else to the other party
		return types, lines
	}
	lines = append(lines, rtpmap(f.PT, f))
	if f.Params != "" {
		lines = append(lines, fmt.Sprintf("fmtp:%d %s", f.PT, f.Params))
	}
	return append(slices.Clone(types), f.PT), lines
}
