package main

import (
	"strings"
	"testing"

	"ringdown/recorder"
)

// A recording of a later segment says which one, what was before it and who speaks.
func TestShowTellsTheSegment(t *testing.T) {
	m := recorder.Manifest{Recording: "rec_2", Part: 1, Segment: 2, Previous: "rec_1",
		Caller: recorder.Track{Leg: "leg_a", Packets: 3}, Callee: recorder.Track{Leg: "leg_b2", Packets: 1}}
	for want, change := range map[string]func(*recorder.Manifest){
		"Segment    2 of its call, after a transfer; the one before is rec_1\n":        func(*recorder.Manifest) {},
		"Segment    2 of its call, after a transfer; the one before is not recorded\n": func(m *recorder.Manifest) { m.Previous = "" },
		"Caller     leg_a, 3 packets\n":                                                func(*recorder.Manifest) {},
		"Callee     leg_b2, 1 packet\n":                                                func(*recorder.Manifest) {},
	} {
		var b strings.Builder
		n := m
		change(&n)
		if err := writeManifest(&b, []recorder.Manifest{n}); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
