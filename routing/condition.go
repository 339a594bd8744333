package routing

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

var verstats = []string{verstatPassed, "TN-Validation-Failed", "No-TN-Validation"}

// conditions checks and compiles those of a case, in the order of its keys.
func (b *builder) conditions(c MatchCase, path string) (all []condition) {
	all = append(all, b.callerConditions(c, path)...)
	if c.Withheld != nil {
		want := *c.Withheld
		all = append(all, func(w *Walk) string {
			switch {
			case w.callerWithheld() == want:
				return ""
			case want:
				return "the caller shows his number"
			}
			return "the caller withholds his number"
		})
	}
	b.table.mentions.withheld = b.table.mentions.withheld || c.Withheld != nil
	b.table.mentions.attested = b.table.mentions.attested || len(c.Verstat)+len(c.Attestation) > 0
	if len(c.Verstat) > 0 {
		all = append(all, b.oneOf(c.Verstat, verstats, path+".verstat", "verstat is", func(w *Walk) string { return w.facts.request.Attested.Verstat }))
	}
	if len(c.Attestation) > 0 {
		all = append(all, b.oneOf(c.Attestation, attestWords, path+".attestation", "the attestation is", func(w *Walk) string { return w.facts.request.Attested.Attest }))
	}
	if len(c.Trunks) > 0 {
		b.table.mentions.trunks = true
		for i, id := range c.Trunks {
			b.refer("trunk", id, fmt.Sprintf("%s.trunks[%d]", path, i), b.hasTrunk, b.trunkIDs)
		}
		all = append(all, b.oneOf(c.Trunks, nil, path+".trunks", "the call came by trunk", func(w *Walk) string { return w.facts.trunk.id }))
	}
	if len(c.Tags) > 0 {
		b.attribution(c.Tags, path+".tags")
		for key, value := range c.Tags {
			b.table.mentions.tags = append(b.table.mentions.tags, [2]string{key, value})
		}
		all = append(all, allOf(c.Tags, "tag", func(w *Walk) map[string]string { return w.state.tags }))
	}
	if len(c.Attribution) > 0 {
		b.attribution(c.Attribution, path+".attribution")
		all = append(all, allOf(c.Attribution, "attribution", func(w *Walk) map[string]string { return w.facts.entry.attributed() }))
	}
	if c.Header != (HeaderMatch{}) {
		all = append(all, b.header(c.Header, path+".header"))
	}
	return all
}

// callerConditions are those about who calls.
func (b *builder) callerConditions(c MatchCase, path string) (all []condition) {
	if len(c.CallerPrefixes) > 0 {
		heads := &prefixes[struct{}]{}
		for i, s := range c.CallerPrefixes {
			n, msg := checkNumberPrefix(s)
			if at := fmt.Sprintf("%s.caller_prefixes[%d]", path, i); !b.fault(msg, "%s", at) && !heads.add(n, struct{}{}) {
				b.fault("is in the list already", "%s", at)
			}
		}
		for n := range heads.of {
			b.table.mentions.heads = append(b.table.mentions.heads, n)
		}
		all = append(all, func(w *Walk) string {
			if w.callerBegins(heads) {
				return ""
			}
			return "the caller begins with no prefix of the case"
		})
	}
	if len(c.Countries) > 0 {
		set := b.countryList(c.Countries, path+".countries")
		names := strings.Join(slices.Sorted(maps.Keys(set)), ", ")
		all = append(all, func(w *Walk) string {
			if country := w.callerCountry(); country != "" && set[country] {
				return ""
			}
			return w.callerWords() + ", not of " + names
		})
	}
	if len(c.Areas) > 0 {
		set := b.areaList(c.Areas, path+".areas")
		names := strings.Join(slices.Sorted(maps.Keys(set)), ", ")
		all = append(all, func(w *Walk) string {
			if area := w.callerArea(); area != "" && set[area] {
				return ""
			}
			return w.callerWords() + ", not in " + names
		})
	}
	if lists := b.listsOf(c.Callers, path+".callers"); len(lists) > 0 {
		all = append(all, func(w *Walk) string {
			if slices.ContainsFunc(lists, w.callerIn) {
				return ""
			}
			return "the caller is not in " + listWords(lists) + w.nearly(lists)
		})
	}
	if lists := b.listsOf(c.NotCallers, path+".not_callers"); len(lists) > 0 {
		all = append(all, func(w *Walk) string {
			if i := slices.IndexFunc(lists, w.callerIn); i >= 0 {
				return "the caller is in " + lists[i].words()
			}
			return ""
		})
	}
	return all
}

func (b *builder) listsOf(ids []string, path string) (lists []*numberSet) {
	for i, id := range ids {
		at := fmt.Sprintf("%s[%d]", path, i)
		if slices.Contains(ids[:i], id) {
			b.fault("is in the list already", "%s", at)
		}
		if set := b.listed(id, at); set != nil {
			lists = append(lists, set)
		}
	}
	return lists
}

func listWords(lists []*numberSet) string {
	var words []string
	for _, l := range lists {
		words = append(words, l.words())
	}
	return strings.Join(words, ", ")
}

// oneOf is a condition that a word is one of several, which are of a closed list
// unless known is nil.
func (b *builder) oneOf(want, known []string, path, what string, is func(*Walk) string) condition {
	for i, s := range want {
		switch {
		case s == "" && known != nil:
			b.fault("is missing: "+strings.Join(known, ", "), "%s[%d]", path, i)
		case known != nil:
			b.fault(checkWord(s, known), "%s[%d]", path, i)
		}
		if slices.Contains(want[:i], s) {
			b.fault("is in the list already", "%s[%d]", path, i)
		}
	}
	return func(w *Walk) string {
		got := is(w)
		if slices.Contains(want, got) {
			return ""
		}
		return fmt.Sprintf("%s %s, not %s", what, orNone(got), strings.Join(want, ", "))
	}
}

// allOf is a condition that a mapping holds all of several values. The values
// are not told: some may come from outside.
func allOf(want map[string]string, what string, is func(*Walk) map[string]string) condition {
	keys := slices.Sorted(maps.Keys(want))
	return func(w *Walk) string {
		have := is(w)
		for _, key := range keys {
			switch got, there := have[key]; {
			case !there:
				return "there is no " + what + " " + key
			case got != want[key]:
				return what + " " + key + " is another"
			}
		}
		return ""
	}
}

// Bounds of what is compared with headers.
const (
	maxHeaderText    = 256
	maxHeaderPattern = 128
)

// header is a condition on what the INVITE brought. Regular expressions take
// time in proportion to the value (RE2), and both are bounded.
func (b *builder) header(h HeaderMatch, path string) condition {
	if h.Name == "" {
		b.fault("is missing: which header", "%s.name", path)
	} else if !b.fault(checkHeader(h.Name), "%s.name", path) && !b.letsIn(h.Name) {
		b.fault("is let in by no trunk (headers.in), so no call brings it", "%s.name", path)
	}
	ways := 0
	for _, way := range []struct{ key, text string }{{"equals", h.Equals}, {"contains", h.Contains}, {"prefix", h.Prefix}} {
		if way.text != "" {
			ways++
		}
		b.fault(checkText(way.text, maxHeaderText), "%s.%s", path, way.key)
	}
	var pattern *regexp.Regexp
	if h.Matches != "" {
		ways++
		var err error
		if len(h.Matches) > maxHeaderPattern {
			b.fault(fmt.Sprintf("is longer than %d bytes", maxHeaderPattern), "%s.matches", path)
		} else if pattern, err = regexp.Compile(h.Matches); err != nil {
			b.fault("is not a regular expression: "+syntaxWords(err), "%s.matches", path)
		}
	}
	b.table.mentions.headers = append(b.table.mentions.headers, mentioned(h, pattern))
	if ways > 1 {
		b.fault("has more than one of: equals, contains, prefix, matches", "%s", path)
	}
	return func(w *Walk) string {
		value, there := w.header(h.Name)
		switch {
		case !there:
			return "there is no header " + h.Name
		case h.Equals != "" && value != h.Equals, !strings.Contains(value, h.Contains), !strings.HasPrefix(value, h.Prefix),
			pattern != nil && !pattern.MatchString(value):
			return "header " + h.Name + " is another"
		}
		return ""
	}
}

// letsIn reports whether a trunk lets a header in.
func (b *builder) letsIn(name string) bool {
	for _, t := range b.table.trunks {
		if slices.ContainsFunc(t.spec.Headers.In, func(s string) bool { return strings.EqualFold(s, name) }) {
			return true
		}
	}
	return false
}

// header finds a header of the call by its name in any case.
func (w *Walk) header(name string) (string, bool) {
	for key, value := range w.facts.request.Headers {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// syntaxWords are what is wrong with an expression, without repeating it.
func syntaxWords(err error) string {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return wrong.Code.String()
	}
	return "it cannot be read"
}
