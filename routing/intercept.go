package routing

import "fmt"

// Intercept says what answers a call to a number that takes none: the flow for
// each state, which says something and refuses. It is written for an account,
// for an agency and for the whole table; the nearest that names a flow for the
// state has its way. Without any the call is refused at once.
type Intercept struct {
	Suspended   string `yaml:"suspended"`
	Unassigned  string `yaml:"unassigned"` // between two validities too
	PortedOut   string `yaml:"ported-out"`
	Quarantined string `yaml:"quarantined"`
}

// by is the id of the flow for a state.
func (i Intercept) by(s state) string {
	switch s {
	case suspended:
		return i.Suspended
	case unassigned:
		return i.Unassigned
	case portedOut:
		return i.PortedOut
	case quarantined:
		return i.Quarantined
	}
	return ""
}

// intercepts checks all of them.
func (b *builder) intercepts(s Spec) {
	b.table.intercept = s.Intercept
	b.intercept(s.Intercept, "")
	for i, a := range s.Agencies {
		b.intercept(a.Intercept, fmt.Sprintf("agencies[%d].", i))
	}
	for i, a := range s.Accounts {
		b.intercept(a.Intercept, fmt.Sprintf("accounts[%d].", i))
	}
}

// intercept checks the flows that are named; they are all known by then.
func (b *builder) intercept(i Intercept, path string) {
	for s := suspended; s <= quarantined; s++ {
		if id := i.by(s); id != "" {
			b.refer("flow", id, path+"intercept."+s.String(), b.hasFlow, b.flowIDs)
		}
	}
}

// intercepted looks for the flow that answers a call to a number in this state
// and puts it in the place of the number's own; false when there is none. The
// call is refused in the end, for the reason that is kept here.
func (w *walk) intercepted(s state, why Reason) bool {
	account := w.called.account
	levels := [...]struct {
		of string
		by Intercept
	}{{"account " + account.id, account.intercept}, {"agency " + account.agency.id, account.agency.intercept}, {"the table", w.table.intercept}}
	for _, l := range levels {
		if id := l.by.by(s); id != "" {
			w.look("intercept", Chosen, l.of+" has such calls answered by flow "+id)
			w.called.flow, w.refused = w.table.flows.at(w.table.flows.of[id]), why
			return true
		}
	}
	return false
}
