package main

import (
	"bytes"
	"strings"
	"testing"
)

// Every command is found by its name alone, tells about itself without doing
// anything, refuses what it does not know, and says where to read on.
func TestEveryCommand(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands() {
		if seen[c.name] {
			t.Errorf("%s stands in the table twice", c.name)
		}
		seen[c.name] = true
		for other := range seen {
			if strings.HasPrefix(c.name, other+" ") || strings.HasPrefix(other, c.name+" ") {
				t.Errorf("%s hides %s", other, c.name)
			}
		}
		words := strings.Fields(c.name)
		var out, errs bytes.Buffer
		if code := run(append(words, "--help"), stdio{out: &out, err: &errs}); code != done || errs.Len() > 0 {
			t.Errorf("%s --help: %d %s", c.name, code, &errs)
		}
		if want := "ringdown " + strings.TrimSpace(c.name+" "+c.args) + "\n\n" + sentence(c.summary) + "\n"; !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s --help begins\n%s\nnot\n%s", c.name, &out, want)
		}
		for l := range strings.Lines(out.String()) {
			if flag, ok := strings.CutPrefix(l, "  --"); ok && len(strings.Fields(flag)) < 3 {
				t.Errorf("%s: a flag without words: %s", c.name, l)
			}
		}
		out.Reset()
		if code := run(append(words, "--no-such-flag"), stdio{out: &out, err: &errs}); code != misuse || out.Len() > 0 {
			t.Errorf("%s --no-such-flag: %d %s", c.name, code, &out)
		}
		if want := "ringdown " + c.name + ": there is no flag --no-such-flag; see ringdown help " + c.name + "\n"; errs.String() != want {
			t.Errorf("%s: %q, want %q", c.name, &errs, want)
		}
	}
}
