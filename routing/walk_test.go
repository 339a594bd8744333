package routing

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var walkStart = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Each file of testdata/walk is a Spec without trunks, accounts and numbers, and
// walks through its flow main: "> from=… draw=…" begins one, "< …" is what became
// of the instruction above it.
func TestWalk(t *testing.T) {
	files, err := filepath.Glob("testdata/walk/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatal("walks missing in testdata/walk", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, _ := strings.Cut(string(raw), "\n> ")
			got := head + "\n" + walkAll(t, head, "> "+rest)
			if got == string(raw) {
				return
			}
			if !*update {
				t.Fatalf("got\n%s\nwant\n%s", got, raw)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// walkTable is a table around the flows of a file.
func walkTable(t *testing.T, head string) *Table {
	t.Helper()
	var lines []string
	for line := range strings.Lines(head) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	spec := good()
	delete(spec.Flows, "sales")
	spec.Numbers[0].Flow = "main"
	dec := json.NewDecoder(strings.NewReader(strings.Join(lines, "")))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&spec); err != nil {
		t.Fatal(err)
	}
	table, faults := NewTable(spec)
	if faults != nil {
		t.Fatal(faults)
	}
	return table
}

func walkAll(t *testing.T, head, script string) string {
	table := walkTable(t, head)
	var out strings.Builder
	var w *Walk
	tell := func(i Instruction) {
		for _, s := range w.Stepped() {
			fmt.Fprintf(&out, "  %s: %s", s.Step, s.Result)
			if s.Choice != "" {
				fmt.Fprintf(&out, " %s", s.Choice)
			}
			out.WriteString("\n")
			for _, l := range s.Looks {
				fmt.Fprintf(&out, "    %s %s: %s\n", l.What, l.Result, l.Text)
			}
		}
		fmt.Fprintf(&out, "= %s %s\n", StepOf(i), Describe(i))
		if r, ok := i.(Ring); ok {
			for _, target := range r.Targets {
				fmt.Fprintf(&out, "=   %s\n", target.URI)
			}
		}
		if w.Consent() != NoConsent || !w.MayRecord() {
			fmt.Fprintf(&out, "  consent %q, may record %v\n", w.Consent(), w.MayRecord())
		}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			r := Request{Trunk: "carrier-a", To: "+4721000001", At: walkStart}
			for _, f := range strings.Fields(line[2:]) {
				switch key, value, _ := strings.Cut(f, "="); key {
				case "from":
					r.From = value
				case "at":
					at, err := time.Parse(time.RFC3339, value)
					if err != nil {
						t.Fatal(err)
					}
					r.At = at
				case "draw":
					r.Draw, _ = strconv.ParseUint(value, 10, 64)
				default:
					t.Fatalf("unknown %q", f)
				}
			}
			d := table.Decide(r)
			if out.Len() > 0 {
				out.WriteString("\n")
			}
			fmt.Fprintln(&out, line)
			w = d.Walk
			tell(d.First)
		case strings.HasPrefix(line, "< "):
			fmt.Fprintln(&out, line)
			tell(w.Next(outcomeOf(t, line[2:])))
		}
	}
	return out.String()
}

// outcomeOf reads an outcome.
func outcomeOf(t *testing.T, line string) Outcome {
	t.Helper()
	words := strings.Fields(line)
	now := When{walkStart.Add(time.Minute)}
	switch words[0] {
	case "said":
		return Said{now, words[1] == "complete", words[1] == "failed"}
	case "pressed":
		g := Gathered{When: now, Complete: true}
		if words[1] != "nothing" {
			g.Keys = words[1]
		}
		return g
	case "rung":
		r := Rung{When: now, Result: RingResult(words[1])}
		for _, trial := range words[2:] {
			i, result, _ := strings.Cut(trial, "=")
			n, err := strconv.Atoi(i)
			if err != nil {
				t.Fatal(err)
			}
			r.Trials = append(r.Trials, Trial{n, RingResult(result)})
		}
		return r
	case "hook":
		r := Replied{When: now}
		for _, w := range words[1:] {
			switch key, value, _ := strings.Cut(w, "="); key {
			case "err":
				r.Err = value
			case "flow":
				r.Reply.Flow = value
			case "refuse":
				r.Reply.Refuse = true
			case "target":
				r.Reply.Targets = append(r.Reply.Targets, Destination{URI: value})
			case "tag":
				k, v, _ := strings.Cut(value, ":")
				r.Reply.Tags = map[string]string{k: v}
			default:
				t.Fatalf("unknown %q", w)
			}
		}
		return r
	case "fact":
		n, err := strconv.ParseUint(words[1], 10, 64)
		if err != nil {
			return Fact{When: now, ID: words[1]}
		}
		return Fact{When: now, Number: n}
	case "message":
		return Messaged{now, words[1] == "left", words[1] == "failed"}
	case "done":
		return Done{now}
	}
	t.Fatalf("unknown outcome %q", line)
	return nil
}
