package routing

import "slices"

// Stepped is a step that a walk has been through, or ends with.
type Stepped struct {
	Step   string // its path in the Spec: "flows.sales[2].menu"
	Kind   string // its key: "menu"
	Result string // a word of what became of it: played, chosen, busy, …
	Choice string // of a menu: the option that the caller chose
	Looks  []Look // what was looked at in it
}

// Stepped returns the steps that are over since it was asked last, in order.
func (w *Walk) Stepped() []Stepped {
	out := w.done
	w.done = nil
	return out
}

// Under returns the step that is under way, as far as it has come; false: none is,
// or the walk is over. A nil walk is.
func (w *Walk) Under() (Stepped, bool) {
	if w == nil || w.over || !w.under {
		return Stepped{}, false
	}
	return w.here, true
}

// step begins a step.
func (w *Walk) step(s *stage) {
	w.under, w.local = true, local{}
	w.here = Stepped{Step: s.path, Kind: s.kind, Result: "done"}
}

// close ends the step under way.
func (w *Walk) close() {
	if w.under = false; w.here.Result != "" {
		w.done = append(w.done, w.here)
	}
}

// result says in a word what became of the step under way; empty: nothing, it is
// not to be told of.
func (w *Walk) result(word string) { w.here.Result = word }

// at is the path of the step under way.
func (w *Walk) at() string { return w.here.Step }

// look notes what was looked at.
func (w *Walk) look(what, result, text string) {
	l := Look{what, result, text}
	w.looks = append(w.looks, l)
	w.here.Looks = append(slices.Clip(w.here.Looks), l) // a clone must not write into ours
}
