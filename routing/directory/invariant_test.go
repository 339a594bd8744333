package directory

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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

// Who reads a commit takes its invariants as held: its writer has looked.
func TestReaderTakesWhatWasHeld(t *testing.T) {
	m := newMemory()
	d, _ := newNode(t, m, t.TempDir())
	s := someSpec(3)
	s.Invariants = map[string]routing.Invariant{"quiet": {RingsNobody: true}}
	unchecked(t, d, m, s)
	look(t, d)
	if d.Table() == nil || len(d.Table().Violations(time.Now())) != 1 {
		t.Errorf("%+v", d.Status())
	}
}

// A change of numbers alone, by putting or removing, is about these alone.
func TestNumbersThatAChangeIsAbout(t *testing.T) {
	put := []routing.TrackingNumber{number(1)}
	for name, tt := range map[string]struct {
		change Change
		want   []string // none: all
	}{
		"put":               {Change{Put: routing.Spec{Numbers: put}}, []string{number(1).Number}},
		"removed":           {Change{Remove: map[string][]string{"numbers": {number(2).Number, number(3).Number + "@2026-01-01"}}}, []string{number(2).Number, number(3).Number}},
		"a flow as well":    {Change{Put: routing.Spec{Numbers: put, Flows: someSpec(0).Flows}}, nil},
		"a pool goes":       {Change{Remove: map[string][]string{"numbers": {number(2).Number}, "pools": {"site"}}}, nil},
		"everything is put": {Change{Put: routing.Spec{Numbers: put}, Replace: true}, nil},
	} {
		if got := numbersOnly(tt.change); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
