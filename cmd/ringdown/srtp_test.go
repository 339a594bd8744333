package main

import (
	"slices"
	"testing"

	"ringdown/media/secure"
	"ringdown/routing"
)

// The configuration knows the suites that the media room does, and no others.
func TestSuitesOfConfigurationAndMedia(t *testing.T) {
	var known []string
	for s := secure.Suite(1); s.String() != "none"; s++ {
		known = append(known, s.String())
	}
	if got := routing.SRTPSuites(); !slices.Equal(got, known) {
		t.Errorf("the configuration knows %q, the media room %q", got, known)
	}
}
