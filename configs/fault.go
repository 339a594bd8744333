package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with a configuration file.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line"`           // from 1
	Path string `json:"path,omitempty"` // "trunks[0].sources[1]"; empty: the file as a whole
	Msg  string `json:"message"`        // in words; never a secret, a number or an unchecked text
}

// String writes FILE:LINE: path: what is wrong.
func (f Fault) String() string {
	if f.Path == "" {
		return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Msg)
	}
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Path, f.Msg)
}

// Faults is everything wrong with a file, in the order of its lines. It is the
// error of [Load].
type Faults []Fault

// Error writes one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders by line and drops what was said twice.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return slices.Compact(f)
}
