package routing

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// headerMention is a condition on a header, with a value that it holds for.
type headerMention struct {
	HeaderMatch
	value  string
	cannot bool // there is an expression, and no value is found that it holds for
}

func mentioned(h HeaderMatch, pattern *regexp.Regexp) headerMention {
	m := headerMention{HeaderMatch: h, value: h.Equals + h.Prefix + h.Contains}
	if pattern != nil {
		m.value = exampleOf(pattern)
		m.cannot = !pattern.MatchString(m.value)
	}
	return m
}

// values are those that tell callers apart by the condition: none, one that it
// holds for, and of two conditions on parts of the header one that both hold for.
func (m headerMention) values(all []headerMention) []string {
	out := []string{"", m.value}
	if m.Prefix == "" && m.Contains == "" {
		return out
	}
	for _, other := range all {
		if strings.EqualFold(other.Name, m.Name) && other.Contains != "" && !strings.Contains(m.value, other.Contains) {
			out = append(out, m.value+other.Contains)
		}
	}
	return out
}

// exampleOf is a text that an expression probably holds for: the shortest way
// through it, of letters where it does not care.
func exampleOf(pattern *regexp.Regexp) string {
	parsed, err := syntax.Parse(pattern.String(), syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	example(parsed, &b)
	return b.String()
}

func example(r *syntax.Regexp, into *strings.Builder) {
	times := 1
	switch r.Op {
	case syntax.OpLiteral:
		into.WriteString(string(r.Rune))
		return
	case syntax.OpCharClass:
		into.WriteRune(oneOfClass(r.Rune))
		return
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		into.WriteByte('a')
		return
	case syntax.OpAlternate:
		example(r.Sub[0], into)
		return
	case syntax.OpStar, syntax.OpQuest:
		return
	case syntax.OpRepeat:
		times = r.Min
	}
	for range times {
		if into.Len() > maxHeaderText {
			return
		}
		for _, sub := range r.Sub {
			example(sub, into)
		}
	}
}

// oneOfClass is a letter or a digit of a class of characters, where it has any.
func oneOfClass(ranges []rune) rune {
	for _, want := range "a1A" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= want && want <= ranges[i+1] {
				return want
			}
		}
	}
	if len(ranges) == 0 {
		return utf8.RuneError // a class that nothing is in
	}
	return max(ranges[0], min(' ', ranges[1]))
}
