package routing

import (
	"slices"
	"strings"
)

// covers reports whether every call that meets the conditions of c meets those of
// e too, as far as can be seen from the conditions themselves: each one of e is one
// of c, or a wider one. A case of e without any is left to be told by itself.
func (e MatchCase) covers(c MatchCase) bool {
	for _, of := range [][2][]string{
		{e.Countries, c.Countries}, {e.Areas, c.Areas}, {e.Callers, c.Callers},
		{e.Verstat, c.Verstat}, {e.Attestation, c.Attestation}, {e.Trunks, c.Trunks},
	} {
		if wide, narrow := of[0], of[1]; !wider(wide, narrow, func(a, b string) bool { return a == b }) {
			return false
		}
	}
	return wider(e.CallerPrefixes, c.CallerPrefixes, func(a, b string) bool { return strings.HasPrefix(b, a) }) &&
		!slices.ContainsFunc(e.NotCallers, func(id string) bool { return !slices.Contains(c.NotCallers, id) }) &&
		(e.Withheld == nil || c.Withheld != nil && *e.Withheld == *c.Withheld) &&
		demanded(e.Tags, c.Tags) && demanded(e.Attribution, c.Attribution) && e.Header.covers(c.Header) && e.conditional()
}

// conditional reports whether a case has any condition.
func (c MatchCase) conditional() bool {
	lists := len(c.CallerPrefixes) + len(c.Countries) + len(c.Areas) + len(c.Callers) + len(c.NotCallers) + len(c.Verstat) + len(c.Attestation) + len(c.Trunks)
	return lists+len(c.Tags)+len(c.Attribution) > 0 || c.Withheld != nil || c.Header != (HeaderMatch{})
}

// wider reports whether one of a list of values holds wherever one of another does.
// An empty list asks nothing.
func wider(wide, narrow []string, holds func(wide, narrow string) bool) bool {
	if len(wide) == 0 {
		return true
	}
	return len(narrow) > 0 && !slices.ContainsFunc(narrow, func(b string) bool {
		return !slices.ContainsFunc(wide, func(a string) bool { return holds(a, b) })
	})
}

// demanded reports whether a mapping holds all that another does.
func demanded(few, many map[string]string) bool {
	for key, want := range few {
		if value, there := many[key]; !there || value != want {
			return false
		}
	}
	return true
}

// covers says of two looks at a header what [MatchCase.covers] says of cases.
func (h HeaderMatch) covers(c HeaderMatch) bool {
	switch {
	case h == HeaderMatch{}:
		return true
	case !strings.EqualFold(h.Name, c.Name):
		return false
	}
	h.Name, c.Name = "", ""
	return h == HeaderMatch{} || h == c
}
