package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Geo goes on by where the caller's number is from: with the first case that
// names its country or its area. Who has no number is nowhere.
type Geo struct {
	Cases   []GeoCase `yaml:"cases"`
	Default Flow      `yaml:"default"`
}

// GeoCase is for callers of any of its countries and areas.
type GeoCase struct {
	Countries []string `yaml:"countries"` // ISO 3166-1 codes
	Areas     []string `yaml:"areas"`     // of the section areas
	Steps     Flow     `yaml:"steps"`
}

type geoStep struct {
	cases     []geoCase
	otherwise *block
}

type geoCase struct {
	countries, areas map[string]bool
	steps            *block
}

func (b *builder) geo(spec Geo, path string) node {
	n := &geoStep{}
	if len(spec.Cases) == 0 {
		b.fault("is empty: a place, and the steps for callers from there", "%s.cases", path)
	}
	for i, c := range spec.Cases {
		at := fmt.Sprintf("%s.cases[%d]", path, i)
		if len(c.Countries)+len(c.Areas) == 0 {
			b.fault("is for nobody: it names no countries and no areas", "%s", at)
		}
		made := geoCase{b.countryList(c.Countries, at+".countries"), b.areaList(c.Areas, at+".areas"), b.block(c.Steps, at+".steps")}
		if over := n.covered(made); over >= 0 {
			b.fault(fmt.Sprintf("is never come to: all that it names is in cases[%d] and before", over), "%s", at)
		}
		n.cases = append(n.cases, made)
	}
	n.otherwise = b.block(spec.Default, path+".default")
	return n
}

// covered is the last of the earlier cases that together name all that a case
// does; -1: they do not.
func (s *geoStep) covered(c geoCase) int {
	last := -1
	for _, of := range []struct {
		want map[string]bool
		have func(geoCase) map[string]bool
	}{{c.countries, func(e geoCase) map[string]bool { return e.countries }}, {c.areas, func(e geoCase) map[string]bool { return e.areas }}} {
		for place := range of.want {
			at := slices.IndexFunc(s.cases, func(e geoCase) bool { return of.have(e)[place] })
			if at < 0 {
				return -1
			}
			last = max(last, at)
		}
	}
	return last
}

func (c geoCase) words() string {
	return strings.Join(append(slices.Sorted(maps.Keys(c.countries)), slices.Sorted(maps.Keys(c.areas))...), ", ")
}

func (s *geoStep) run(w *Walk, _ Outcome) Instruction {
	from := w.callerWords()
	country, area := w.callerCountry(), w.callerArea()
	for i, c := range s.cases {
		if country != "" && c.countries[country] || area != "" && c.areas[area] {
			w.look("geo", Chosen, fmt.Sprintf("%s: case %d (%s)", from, i+1, c.words()))
			w.result(fmt.Sprintf("case %d", i+1))
			w.enter(c.steps)
			return nil
		}
		w.look("geo", Missed, fmt.Sprintf("%s, case %d is for %s", from, i+1, c.words()))
	}
	w.look("geo", Chosen, from+": the default")
	w.result("default")
	w.enter(s.otherwise)
	return nil
}
