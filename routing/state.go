package routing

import "time"

// owner says in the trace whose number it is.
func (e entry) owner() string {
	if e.account.id == "" {
		return ", belongs to nobody"
	}
	return ", belongs to account " + e.account.id
}

// idle reports whether a number in this state need have neither account nor flow.
func (s state) idle() bool { return s != active && s != suspended }

// refuses says why a number in this state takes no call; empty when it does.
func (s state) refuses() (Reason, string) {
	switch s {
	case suspended:
		return NumberSuspended, "the number is suspended"
	case unassigned:
		return NumberUnassigned, "the number is unassigned"
	case portedOut:
		return NumberPortedOut, "the number is with another carrier now"
	case quarantined:
		return NumberResting, "the number rests between two owners"
	}
	return "", ""
}

// between refuses a call to a number that is in the table, but not at this time,
// and says who has had it before and who gets it.
func (w *walk) between(called number, how form) bool {
	w.called, w.dialled, w.d.Number = w.table.entry(&row{}), called, called.e164()
	before, behind := w.table.numbers.around(called, w.request.At.Unix())
	text := called.String() + ", " + how.String() + ", is nobody's at " + w.request.At.UTC().Format(time.RFC3339)
	if before != nil {
		text += "; it was " + w.table.whose(before) + " until " + instantAt(before.until).String()
	}
	if behind != nil {
		text += "; it is " + w.table.whose(behind) + " from " + instantAt(behind.from).String()
	}
	w.look("number", Near, text)
	if w.intercepted(unassigned, NumberUnassigned) {
		return true
	}
	w.d.Reject = NumberUnassigned
	return false
}

// whose number it is, in words.
func (t *Table) whose(r *row) string {
	if id := t.accounts.id(r.account); id != "" {
		return "account " + id + "'s"
	}
	if id := t.pools.id(r.pool); id != "" {
		return "pool " + id + "'s"
	}
	return "nobody's"
}
