package routing

import (
	"slices"
	"strings"
)

// CallerClass is what may be known of a caller whose number is not: what the
// events of a past call tell of him.
type CallerClass struct {
	Withheld bool     // he did not want his number shown, or there was none
	Country  string   // ISO 3166-1; empty: none, or not known
	Area     string   // that he was in, by the table that decided then
	Lists    []string // that he was in, by the table that decided then
}

// Class is what may be told of a caller, E.164 with his +, without telling who
// he is. private says that he does not want to be shown.
func (t *Table) Class(e164 string, private bool) CallerClass {
	n, _ := parseE164(strings.TrimPrefix(e164, "+"))
	return t.classOf(n, Request{Private: private})
}

func (t *Table) classOf(caller number, r Request) CallerClass {
	if caller == 0 && r.Class != nil {
		return *r.Class
	}
	area, _ := t.areas.find(caller)
	return CallerClass{Withheld: r.Private || caller == 0, Country: caller.ground(), Area: area, Lists: t.listsOf(caller)}
}

// classed is the class that stands in the place of the caller's number; nil:
// there is none, his number is what it is. An answer by a class that another
// table may have given otherwise is noted as assumed.
func (w *Walk) classed(assumes string) *CallerClass {
	c := w.facts.request.Class
	if c == nil || w.facts.caller != 0 {
		return nil
	}
	if assumes != "" && !c.Withheld && !slices.Contains(w.assumed, assumes) {
		w.assumed = append(slices.Clip(w.assumed), assumes)
	}
	return c
}

// Assumed is what the walk asked about a caller of whom only the class is known,
// in words: the answers were those of the table that gave the class, or no.
func (w *Walk) Assumed() []string { return slices.Clone(w.assumed) }

func (w *Walk) callerCountry() string {
	if c := w.classed(""); c != nil {
		return c.Country
	}
	return w.facts.caller.ground()
}

func (w *Walk) callerArea() string {
	if c := w.classed("the area of the caller"); c != nil {
		return c.Area
	}
	area, _ := w.table.areas.find(w.facts.caller)
	return area
}

func (w *Walk) callerIn(s *numberSet) bool {
	if c := w.classed("whether the caller is in list " + s.id); c != nil {
		return slices.Contains(c.Lists, s.id)
	}
	return s.has(w.facts.caller)
}

func (w *Walk) callerBegins(heads *prefixes[struct{}]) bool {
	if w.classed("how the number of the caller begins") != nil {
		return false
	}
	_, ok := heads.find(w.facts.caller)
	return ok
}

func (w *Walk) callerWithheld() bool {
	if c := w.classed(""); c != nil {
		return c.Withheld
	}
	return w.facts.request.Private || w.facts.caller == 0
}

// callerWords are what a trace says of where the caller is from.
func (w *Walk) callerWords() string {
	country := w.callerCountry()
	switch {
	case country == "" && w.facts.caller == 0 && w.facts.request.Class == nil:
		return "the caller has no number"
	case country == "":
		return "the caller is of no known country"
	}
	if area := w.callerArea(); area != "" {
		return "the caller is of " + country + ", area " + area
	}
	return "the caller is of " + country
}
