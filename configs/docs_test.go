package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/routing"
)

// around is the file that the examples of docs/routing.md are put into: what they
// say themselves takes the place of what stands here.
var around = []part{{"node", "node: {id: edge-1}\n"},
	{"trunks", "trunks:\n  - id: carrier\n    sources: [192.0.2.0/24]\n    targets: [{uri: \"sip:192.0.2.9\"}]\n    number_format: {country: \"NO\"}\n    headers: {in: [X-Campaign]}\n"},
	{"accounts", "accounts:\n  - {id: demo, agency: demo-agency}\n"},
	{"numbers", "numbers:\n  - {number: \"+4721000001\", account: demo, flow: main, attribution: {source: google-ads}}\n"},
	{"calendars", "calendars:\n  office: {zone: Europe/Oslo, open: [{days: [mon-fri], from: \"08:00\", until: \"16:00\"}]}\n"},
	{"lists", "lists:\n  vip: {numbers: [\"+4791234567\"]}\n  nuisance: {prefixes: [\"+4790\"]}\n"},
	{"areas", "areas:\n  oslo: [\"+4722\", \"+4791\"]\n"},
	{"flows", "flows:\n  main:\n    - dial: {targets: [{uri: \"sip:agent@127.0.0.1:5090\"}]}\n"},
	{"flow sales", "  sales:\n    - dial: {targets: [{uri: \"sip:sales@127.0.0.1:5090\"}]}\n"},
	{"flow after-hours", "  after-hours:\n    - voicemail: {}\n"},
}

type part struct{ name, text string }

// example is one ```yaml block of the document: steps of a flow (it begins with
// "- "), or keys of a file.
type example struct {
	line  int
	text  string
	first string // "first: …" below it: the first instruction of a call
}

func examples(t *testing.T) (out []example) {
	data, err := os.ReadFile(filepath.Join("..", "docs", "routing.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] != "```yaml" {
			continue
		}
		e := example{line: i + 1}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			e.text += lines[i] + "\n"
		}
		for j := i + 1; j < len(lines) && j <= i+2; j++ {
			if first, ok := strings.CutPrefix(lines[j], "first: "); ok {
				e.first = strings.Trim(first, "`")
			}
		}
		out = append(out, e)
	}
	return out
}

// file is a whole file with the example in it.
func (e example) file() string {
	text := e.text
	if strings.HasPrefix(text, "- ") {
		text = "flows:\n  main:\n    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
	}
	own := map[string]bool{}
	for line := range strings.Lines(text) {
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") {
			own[key] = true
		}
	}
	var b strings.Builder
	flows := ""
	for _, s := range around {
		switch {
		case strings.HasPrefix(s.name, "flow "):
			if id := strings.TrimPrefix(s.name, "flow "); !strings.Contains(text, "\n  "+id+":\n") {
				flows += s.text
			}
		case s.name == "flows" && own["flows"]:
		case s.name == "flows":
			flows = s.text + flows
		case !own[s.name]:
			b.WriteString(s.text)
		}
	}
	if own["flows"] {
		before, after, _ := strings.Cut(text, "flows:\n")
		text, flows = before, "flows:\n"+flows
		return b.String() + text + flows + after
	}
	return b.String() + text + flows
}

// Each example of docs/routing.md is a file that is right, and where a line
// "first:" stands below it, that is the first thing a call of it does: one from
// +47 91 23 45 67 at noon on a Wednesday, all prompts heard and nothing known of
// calls before.
func TestRoutingExamples(t *testing.T) {
	t.Setenv("RINGDOWN_HOOK_SECRET", "hunter5")
	all := examples(t)
	said := 0
	for _, e := range all {
		t.Run(fmt.Sprintf("line %d", e.line), func(t *testing.T) {
			c, faults := read("routing.md", []byte(e.file()))
			if len(faults) > 0 {
				t.Fatalf("%s\n%s", errors.Join(faults), e.file())
			}
			d := c.Table().Decide(routing.Request{
				Trunk: "carrier", From: "+4791234567", To: "+4721000001", At: time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC),
			})
			if e.first == "" {
				return
			}
			said++
			first := routing.Describe(d.First)
			if d.First == nil {
				first = "refuse the call: " + string(d.Reject)
			}
			if first != e.first {
				t.Errorf("got %q, the document says %q\n%s", first, e.first, d.Text())
			}
		})
	}
	if len(all) < 18 || said < 12 {
		t.Errorf("only %d examples, %d of which say what comes first", len(all), said)
	}
}
