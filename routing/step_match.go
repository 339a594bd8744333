package routing

import (
	"fmt"
	"slices"
	"strings"
)

// Match goes on with the first case whose conditions all hold, else with the
// default.
type Match struct {
	Cases   []MatchCase `yaml:"cases"`
	Default Flow        `yaml:"default"`
}

// MatchCase is a set of conditions, of which each that is there must hold; of
// the values of a list one is enough.
type MatchCase struct {
	CallerPrefixes []string          `yaml:"caller_prefixes"` // the caller's number begins so: "+4722"
	Countries      []string          `yaml:"countries"`       // he is of one of these
	Areas          []string          `yaml:"areas"`           // he is in one of these
	Callers        []string          `yaml:"callers"`         // he is in one of these lists
	NotCallers     []string          `yaml:"not_callers"`     // he is in none of these lists
	Withheld       *bool             `yaml:"withheld"`        // he does, or does not, withhold his number
	Verstat        []string          `yaml:"verstat"`         // what came of his Identity headers
	Attestation    []string          `yaml:"attestation"`     // A, B, C
	Trunks         []string          `yaml:"trunks"`          // the call came by one of these
	Tags           map[string]string `yaml:"tags"`            // the call has all of these
	Attribution    map[string]string `yaml:"attribution"`     // the number called has all of these
	Header         HeaderMatch       `yaml:"header"`          // the INVITE brought it
	Steps          Flow              `yaml:"steps"`
}

// HeaderMatch looks at a header that some trunk lets in. With a name alone it is
// enough that the header is there.
type HeaderMatch struct {
	Name     string `yaml:"name"`
	Equals   string `yaml:"equals"`
	Contains string `yaml:"contains"`
	Prefix   string `yaml:"prefix"`
	Matches  string `yaml:"matches"` // a regular expression (RE2), anywhere in the value
}

type matchStep struct {
	cases     []matchCase
	otherwise *block
}

type matchCase struct {
	conditions []condition
	steps      *block
}

// condition holds or says in words why not.
type condition func(w *Walk) (missed string)

func (b *builder) match(spec Match, path string) node {
	n := &matchStep{}
	if len(spec.Cases) == 0 {
		b.fault("is empty: conditions, and the steps for calls that meet them", "%s.cases", path)
	}
	for i, c := range spec.Cases {
		at := fmt.Sprintf("%s.cases[%d]", path, i)
		made := matchCase{conditions: b.conditions(c, at), steps: b.block(c.Steps, at+".steps")}
		if len(made.conditions) == 0 {
			b.fault("has no condition: what holds for every call belongs to default", "%s", at)
		}
		if over := slices.IndexFunc(spec.Cases[:i], func(e MatchCase) bool { return e.covers(c) }); over >= 0 && len(made.conditions) > 0 {
			b.fault(fmt.Sprintf("is never come to: cases[%d] takes every call that meets its conditions", over), "%s", at)
		}
		n.cases = append(n.cases, made)
	}
	n.otherwise = b.block(spec.Default, path+".default")
	return n
}

func (s *matchStep) run(w *Walk, _ Outcome) Instruction {
	for i, c := range s.cases {
		missed := c.missed(w)
		if missed == "" {
			w.look("match", Chosen, fmt.Sprintf("case %d: all of its conditions hold", i+1))
			w.result(fmt.Sprintf("case %d", i+1))
			w.enter(c.steps)
			return nil
		}
		w.look("match", Missed, fmt.Sprintf("case %d: %s", i+1, missed))
	}
	w.look("match", Chosen, "no case: the default")
	w.result("default")
	w.enter(s.otherwise)
	return nil
}

// missed is the first condition that does not hold; and, when it is the only
// one, that it was near.
func (c matchCase) missed(w *Walk) string {
	var words []string
	for _, holds := range c.conditions {
		if missed := holds(w); missed != "" {
			words = append(words, missed)
		}
	}
	if len(words) == 1 && len(c.conditions) > 1 {
		return "all holds but that " + words[0]
	}
	return strings.Join(words, "; ")
}
