package routing

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected decisions in testdata")

// script is a file of testdata/decide: comments, one Spec in JSON, then requests
// ("> trunk=a from=… to=…", URL-like values unquoted) with the decision below.
type script struct {
	head string // up to and with the Spec
	spec Spec
	asks []ask
}

type ask struct{ line, want string }

func readScript(t *testing.T, path string) script {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(raw), "\n>")
	if !found {
		t.Fatalf("%s: no request", path)
	}
	s := script{head: strings.TrimRight(head, "\n") + "\n"}
	var lines []string
	for line := range strings.Lines(head) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	dec := json.NewDecoder(strings.NewReader(strings.Join(lines, "")))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s.spec); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for block := range strings.SplitSeq(rest, "\n>") {
		line, want, _ := strings.Cut(block, "\n")
		s.asks = append(s.asks, ask{strings.TrimSpace(line), strings.TrimRight(want, "\n") + "\n"})
	}
	return s
}

func (a ask) request(t *testing.T) Request {
	r := Request{At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	for field := range strings.FieldsSeq(a.line) {
		key, value, _ := strings.Cut(field, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch key {
		case "trunk":
			r.Trunk = value
		case "from":
			r.From = value
		case "to":
			r.To = value
		case "at":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			r.At = at
		default:
			t.Fatalf("unknown key %q in request %q", key, a.line)
		}
	}
	return r
}

// show is the whole decision, what is masked for people included.
func show(d Decision) string {
	var b bytes.Buffer
	b.WriteString(d.Text())
	if d.Number != "" {
		fmt.Fprintf(&b, "= number %s account %s agency %s\n", d.Number, d.Account, d.Agency)
	}
	if !d.Caller.IsZero() {
		fmt.Fprintf(&b, "= caller %s\n", d.Caller.Reveal())
	}
	if d.MediaSources.Latch || d.MediaSources.Sources != nil {
		fmt.Fprintf(&b, "= caller's media {Latch:%v Sources:%v}\n", d.MediaSources.Latch, d.MediaSources.Sources)
	}
	for _, t := range d.Targets {
		fmt.Fprintf(&b, "= target %s trunk=%q %s {Latch:%v Sources:%v}\n", t.URI, t.Trunk, t.Timeout, t.Media.Latch, t.Media.Sources)
		for _, p := range t.Places {
			fmt.Fprintf(&b, "=   at %s priority %d weight %d\n", p.URI, p.Priority, p.Weight)
		}
	}
	if len(d.Attribution) > 0 {
		fmt.Fprintf(&b, "= attribution %v\n", d.Attribution)
	}
	return b.String()
}

func TestDecide(t *testing.T) {
	files, err := filepath.Glob("testdata/decide/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts in testdata/decide", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := readScript(t, path)
			table, faults := NewTable(s.spec)
			if faults != nil {
				t.Fatalf("faults: %v", faults)
			}
			out := s.head
			for _, a := range s.asks {
				got := strings.Replace(show(table.Decide(a.request(t))), "table "+table.Version(), "table VERSION", 1)
				if got != a.want && !*update {
					t.Errorf("> %s\ngot:\n%s\nwant:\n%s", a.line, got, a.want)
				}
				out += "\n> " + a.line + "\n" + got
			}
			if *update {
				if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A trunk comes back as it was written, an unknown one does not.
func TestTrunkAsWritten(t *testing.T) {
	want := Trunk{ID: "a", Sources: []string{"192.0.2.0/24"}, NumberFormat: NumberFormat{Country: "NO"}}
	table, faults := NewTable(Spec{Trunks: []Trunk{want}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if got, ok := table.Trunk("a"); !ok || got.ID != want.ID || got.NumberFormat != want.NumberFormat {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := table.Trunk("b"); ok {
		t.Error("an unknown trunk is known")
	}
}
