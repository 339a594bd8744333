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
	first := d.Strategy + " to " + plural(len(d.Targets), "target")
	if d.Strategy == "" {
		first = "first " + firstWords(d.First)
	}
	return fmt.Sprintf("accepted: account %s, flow %s, %s, recording %s (%s)",
		orNone(d.Account), d.Flow, first, d.Recording.words(), d.Recording.From)
}

// firstWords is an instruction in a word or two, for a line about the decision.
func firstWords(i Instruction) string {
	switch i.(type) {
	case Say:
		return "a greeting"
	case Gather:
		return "a menu"
	case Ask:
		return "a hook"
	case Want:
		return "a look at calls before"
	case Message:
		return "voicemail"
	case Hang:
		return "goodbye"
	case Refuse:
		return "a refusal in words"
	}
	return "a note" // of a tag, a consent or the recording
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
