package directory

import (
	"errors"
	"strings"
	"testing"

	"ringdown/routing"
)

// A change that breaks an invariant is refused with a call that shows it, and
// the table in effect stays.
func TestChangeThatBreaksAnInvariant(t *testing.T) {
	d, _ := newNode(t, newMemory(), t.TempDir())
	s := someSpec(3)
	s.Invariants = map[string]routing.Invariant{"somebody-rings": {Reaches: []string{routing.ReachTarget}}}
	before := commit(t, d, Change{Put: s})
	away := routing.Flow{{Hangup: &routing.Hangup{}}}
	for name, c := range map[string]Change{
		"a flow":             {Put: routing.Spec{Flows: map[string]routing.Flow{"sales": away}}},
		"another invariant":  {Put: routing.Spec{Invariants: map[string]routing.Invariant{"quiet": {RingsNobody: true}}}},
		"a flow and numbers": {Put: routing.Spec{Flows: map[string]routing.Flow{"sales": away}, Numbers: s.Numbers}},
	} {
		_, err := d.Commit(t.Context(), c, false)
		var faults Invalid
		if !errors.As(err, &faults) || len(faults) != 1 || !strings.HasPrefix(faults[0].Path, "invariants.") || !strings.Contains(faults[0].Msg, "does not hold: a caller") {
			t.Errorf("%s: %v", name, err)
		}
		if d.Table().Version() != before.Table {
			t.Fatalf("%s took effect", name)
		}
	}
	n := number(4)
	if _, err := d.Commit(t.Context(), Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}}, false); err != nil {
		t.Errorf("a number to a flow that holds: %v", err)
	}
}
