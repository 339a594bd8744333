package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"ringdown/routing"
	"ringdown/routing/hook"
)

// assumptions are the options of route explain about what nobody can know
// beforehand.
type assumptions struct {
	press, answer, hook, sticky *string
	turn, draw, repeats         *uint64
	tree                        *bool
	headers                     []string
}

func newAssumptions(o *options) *assumptions {
	a := &assumptions{
		press:   o.String("press", "", "`KEYS` that the caller presses, one entry for each question: 1,2; then nothing"),
		answer:  o.String("answer", "", "`HOW` each dial comes out, one for each: first, no-answer, busy, declined, unreachable or full; the last for all further ones; default no-answer"),
		hook:    o.String("hook", "", "`FILE` with what each hook answers, in JSON; a word instead of a file: timeout, refused, …"),
		sticky:  o.String("sticky", "", "`URI` of who answered this caller before"),
		turn:    o.Uint64("turn", 0, "`N` of a round robin"),
		draw:    o.Uint64("draw", 0, "`N` in the place of chance"),
		repeats: o.Uint64("repeats", 1, "how often this caller has called, this call included"),
		tree:    o.Bool("tree", false, "every choice that the caller, the called and the hooks have"),
	}
	o.Func("header", "`NAME: VALUE` that the call brings; again for each", func(s string) error {
		a.headers = append(a.headers, s)
		return nil
	})
	return a
}

var answers = []string{routing.AnsweredFirst, string(routing.NoAnswer), string(routing.Busy), string(routing.Declined), string(routing.Unreachable), string(routing.Full)}

// fill puts what was assumed into the question and returns the rest.
func (a *assumptions) fill(r *routing.Request) (routing.Assume, error) {
	out := routing.Assume{Turn: *a.turn, Sticky: *a.sticky, Repeats: *a.repeats, Tree: *a.tree}
	r.Draw = *a.draw
	for _, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return out, usagef("--header wants NAME: VALUE")
		}
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if *a.press != "" {
		out.Press = strings.Split(*a.press, ",")
		for _, keys := range out.Press {
			if !routing.Keys(keys).Valid() {
				return out, usagef("--press wants keys, 0 to 9, * and #, with commas between the questions")
			}
		}
	}
	if *a.answer != "" {
		out.Answers = strings.Split(*a.answer, ",")
		for _, word := range out.Answers {
			if !slices.Contains(answers, word) {
				return out, usagef("--answer %q is not known; allowed: %s", word, strings.Join(answers, ", "))
			}
		}
	}
	return out, a.reply(&out)
}

// reply reads what hooks answer.
func (a *assumptions) reply(into *routing.Assume) error {
	if *a.hook == "" {
		return nil
	}
	if routing.ValidID(*a.hook) {
		into.HookErr = *a.hook
		return nil
	}
	data, err := os.ReadFile(*a.hook)
	if err != nil {
		return err
	}
	into.Hook, err = hook.ReadReply(data)
	return err
}

// writeTour tells how the call goes on.
func writeTour(b *strings.Builder, v *routing.Visit) {
	if v == nil {
		return
	}
	b.WriteString("the call\n")
	tourLines(b, v, "", "  ")
}

// tourLines tells a visit and what comes of it; from is the step it comes from.
func tourLines(b *strings.Builder, v *routing.Visit, from, indent string) {
	for v != nil {
		for _, s := range v.Passed {
			if s.Step != from && s.Step != v.Step {
				fmt.Fprintf(b, "%s%s: %s\n", indent, s.Step, strings.TrimSpace(s.Result+" "+s.Choice))
			}
			for _, l := range s.Looks {
				if l.What != "target" || l.Result != routing.Chosen { // who is rung is told below
					fmt.Fprintf(b, "%s    %s %s: %s\n", indent, l.What, l.Result, l.Text)
				}
			}
		}
		fmt.Fprintf(b, "%s%s\n", indent, strings.TrimSpace(v.Step+"  "+v.Does))
		for _, t := range v.Targets {
			fmt.Fprintf(b, "%s    %s, for %s\n", indent, t.URI, t.Timeout)
		}
		if v.Cut {
			fmt.Fprintf(b, "%s    and so on: the tree is too large\n", indent)
		}
		for _, w := range v.Ways {
			fmt.Fprintf(b, "%s    -> %s\n", indent, w.When)
			if len(v.Ways) > 1 && w.Then != nil {
				tourLines(b, w.Then, v.Step, indent+"       ")
			}
		}
		if len(v.Ways) != 1 {
			return
		}
		from, v = v.Step, v.Ways[0].Then
	}
}

// visited is a visit for programs.
type visited struct {
	Step    string            `json:"step,omitempty"`
	Does    string            `json:"does"`
	Targets []explainedTarget `json:"targets,omitempty"`
	Passed  []passed          `json:"passed,omitempty"`
	Ways    []taken           `json:"ways,omitempty"`
	Cut     bool              `json:"cut,omitempty"`
}

type passed struct {
	Step   string          `json:"step"`
	Kind   string          `json:"kind"`
	Result string          `json:"result"`
	Choice string          `json:"choice,omitempty"`
	Looks  []explainedLook `json:"looks,omitempty"`
}

type taken struct {
	When string   `json:"when"`
	Then *visited `json:"then,omitempty"`
}

func visitJSON(v *routing.Visit) *visited {
	if v == nil {
		return nil
	}
	out := &visited{Step: v.Step, Does: v.Does, Cut: v.Cut}
	for _, t := range v.Targets {
		out.Targets = append(out.Targets, targetJSON(t))
	}
	for _, s := range v.Passed {
		out.Passed = append(out.Passed, passed{s.Step, s.Kind, s.Result, s.Choice, looksJSON(s.Looks)})
	}
	for _, w := range v.Ways {
		out.Ways = append(out.Ways, taken{w.When, visitJSON(w.Then)})
	}
	return out
}

func looksJSON(looks []routing.Look) (out []explainedLook) {
	for _, l := range looks {
		out = append(out, explainedLook(l))
	}
	return out
}
