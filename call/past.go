package call

import (
	"ringdown/events"
	"ringdown/routing"
)

// callerClass is what may be told of the caller of a decision without telling who he
// is: the call can be decided again by it.
func callerClass(d routing.Decision) *events.CallerClass {
	return &events.CallerClass{Withheld: d.Class.Withheld, Country: d.Class.Country, Area: d.Class.Area, Lists: d.Class.Lists}
}

// destinations are targets as events may show them.
func destinations(all []routing.Target) []events.Destination {
	if len(all) == 0 {
		return nil
	}
	out := make([]events.Destination, len(all))
	for i, t := range all {
		out[i] = events.Destination{Check: t.Check(), Class: t.Class(), Trunk: t.Trunk}
	}
	return out
}
