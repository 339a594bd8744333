package main

import (
	"slices"
	"testing"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/routing"
)

// routing promises to convert what media/codec can, and nothing else.
func TestCodecsOfRoutingAreSpoken(t *testing.T) {
	var known []string
	for _, f := range []media.Format{
		{Name: "OPUS", Clock: 48000, Channels: 2}, {Name: "G722", Clock: 8000, Channels: 1}, {Name: "G729", Clock: 8000, Channels: 1},
		{Name: "PCMA", Clock: 8000, Channels: 1}, {Name: "PCMU", Clock: 8000, Channels: 1}, {Name: "GSM", Clock: 8000, Channels: 1},
	} {
		if codec.Known(f) {
			known = append(known, f.Name)
		}
	}
	if got := routing.SpokenCodecs(); !slices.Equal(got, known) {
		t.Errorf("routing promises %v, media/codec speaks %v", got, known)
	}
}
