package routing

import (
	"fmt"
	"io"
	"strings"
)

// Text explains the decision to a person: the outcome in one line, then a line
// for each rule looked at. Numbers are masked and URIs reduced to their host.
func (d Decision) Text() string {
	var b strings.Builder
	b.WriteString(d.Outcome())
	fmt.Fprintf(&b, "\ntable %s\n", orNone(d.Version))
	Explain(&b, d.Trace)
	return b.String()
}

// Outcome is the decision in one line.
func (d Decision) Outcome() string {
	if d.Reject != "" {
		s := "rejected: " + string(d.Reject)
		if d.Account != "" {
			s += ", account " + d.Account
		}
		return s
	}
	return fmt.Sprintf("accepted: account %s, flow %s, %s to %s, recording %s (%s)",
		orNone(d.Account), d.Flow, d.Strategy, plural(len(d.Targets), "target"), d.Recording.words(), d.Recording.From)
}

// Explain writes a trace, a line for each look.
func Explain(w io.Writer, trace []Look) error {
	for _, l := range trace {
		if _, err := fmt.Fprintf(w, "  %-9s  %-7s  %s\n", l.What, l.Result, l.Text); err != nil {
			return err
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
