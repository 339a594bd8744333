package routing

import (
	"iter"
	"slices"
)

// Holdings goes through all numbers and their validities in order, each as it
// holds: with what its pool says filled in. A number that only a pool lists comes
// with the others.
func (t *Table) Holdings() iter.Seq[TrackingNumber] {
	return func(yield func(TrackingNumber) bool) {
		for r := range t.numbers.from(0, beginless) {
			if !yield(t.holding(r)) {
				return
			}
		}
	}
}

// Holders returns the validities of one number in order; none for what is not
// E.164 or not in the table.
func (t *Table) Holders(e164 string) (all []TrackingNumber) {
	n, msg := checkE164(e164)
	if msg != "" {
		return nil
	}
	for r := range t.numbers.from(n, beginless) {
		if r.number != n {
			break
		}
		all = append(all, t.holding(r))
	}
	return all
}

func (t *Table) holding(r *row) TrackingNumber {
	n, e := t.spec(r), t.entry(r)
	n.Account, n.Flow = e.account.id, e.flow.id
	n.Trunks, n.Limits, n.Attribution = slices.Clone(e.trunks), e.limits, e.attributed()
	if n.Recording.Mode == "" && e.pool != nil {
		n.Recording = e.pool.recording
	}
	return n
}

// Idle returns the flows that no number starts and nothing else leads to, in order.
func (t *Table) Idle() (flows []string) {
	b := *t.builder
	b.table = t
	for id := range t.flows.of {
		if !b.isUsed("flow", id) {
			flows = append(flows, id)
		}
	}
	slices.Sort(flows)
	return flows
}

// Check tells what is wrong with a number by itself, by the keys: what it refers
// to is not looked for.
func (n TrackingNumber) Check() (out []Fault) {
	say := func(key, msg string) {
		if msg != "" {
			out = append(out, Fault{key, msg})
		}
	}
	_, msg := checkE164(n.Number)
	say("number", msg)
	for _, ref := range []struct{ key, id string }{{"account", n.Account}, {"flow", n.Flow}, {"pool", n.Pool}} {
		if ref.id != "" {
			say(ref.key, checkID(ref.id))
		}
	}
	for _, id := range n.Trunks {
		say("trunks", checkID(id))
	}
	say("state", checkWord(n.State, states))
	if n.ValidFrom.or(beginless) >= n.ValidUntil.or(endless) {
		say("valid_until", "is not behind valid_from")
	}
	say("regulatory_ref", checkText(n.Regulatory, attributionLimit))
	var b builder
	b.attribution(n.Attribution, "attribution")
	return append(out, b.faults...)
}
