package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/events"
)

// told is one file of testdata/why: the events of a call, a line each, and
// below "---" what `why` makes of them.
//
//	demo 3000 call.answered {"winner":"leg_b1"}
//	skip 2
//
// A line is the account, milliseconds since the call was received, the type
// and the payload; skip leaves out so many seqs.
type told struct {
	name   string
	head   string // as written
	want   string
	events []events.Event
}

func readStory(t *testing.T, name string) told {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "why", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	s := told{name: name}
	s.head, s.want, _ = strings.Cut(string(b), "---\n")
	seq := uint64(0)
	for n, l := range strings.Split(s.head, "\n") {
		f := strings.SplitN(l, " ", 4)
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
			continue
		case f[0] == "skip" && len(f) == 2:
			k, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				t.Fatalf("%s:%d: %v", name, n+1, err)
			}
			seq += k
			continue
		case len(f) != 4:
			t.Fatalf("%s:%d: not account, milliseconds, type and payload", name, n+1)
		}
		ms, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatalf("%s:%d: %v", name, n+1, err)
		}
		seq++
		s.events = append(s.events, events.Event{
			Account: f[0], Type: f[2], Seq: seq, Time: noon.Add(time.Duration(ms) * time.Millisecond), Data: json.RawMessage(f[3]),
		})
	}
	return s
}

// envelopes are the events as the bus would hold them.
func (s told) envelopes(t *testing.T, id string) (lines []string) {
	t.Helper()
	for _, e := range s.events {
		e.Call = id
		kind := e.Type
		if !events.Known(kind) { // from a later version
			e.Type = events.CallRinging
		}
		b, err := events.Encode(e, "edge-1")
		if err != nil {
			t.Fatalf("%s: %s: %v", s.name, e.Type, err)
		}
		lines = append(lines, strings.Replace(string(b), `"type":"`+e.Type, `"type":"`+kind, 1))
	}
	return lines
}

func TestWhyTellsEachStory(t *testing.T) {
	files, err := filepath.Glob("testdata/why/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			s := readStory(t, name)
			var heard story
			for _, e := range s.envelopes(t, callOne) {
				if err := heard.add(json.RawMessage(e)); err != nil {
					t.Fatal(err)
				}
			}
			got := heard.text()
			if *update {
				if err := os.WriteFile(file, []byte(s.head+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != s.want {
				t.Error(firstDifference(got, s.want))
			}
		})
	}
}

// Told twice, or with an event of another call or a broken one among them, a
// story stays what it is.
func TestStoryRefuses(t *testing.T) {
	lines := readStory(t, "completed").envelopes(t, callOne)
	var once, twice story
	for _, l := range lines {
		for s, n := range map[*story]int{&once: 1, &twice: 2} {
			for range n {
				if err := s.add(json.RawMessage(l)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if once.text() != twice.text() {
		t.Errorf("a repeated event changes the story:\n%s", twice.text())
	}
	before := once.text()
	other := readStory(t, "completed").envelopes(t, callTwo)
	for _, bad := range []string{other[0], `{}`, `null`, `"x"`, strings.Replace(lines[0], `"seq":1`, `"seq":0`, 1)} {
		if err := once.add(json.RawMessage(bad)); err == nil {
			t.Errorf("%.80s is taken", bad)
		}
	}
	if once.text() != before {
		t.Errorf("a refused event changes the story:\n%s", once.text())
	}
}

// Whatever stands in the payloads, it stays on its line and moves no cursor.
func FuzzStory(f *testing.F) {
	f.Add("call.received", `{"transport":"udp","caller":{"masked":"\u001b[2Jx\nforged"}}`)
	f.Add("call.routed", `{"trace":[{"what":"a\u0000","result":"\u202e","text":"b\r"}]}`)
	f.Add("leg.failed", `{"leg":"x","status":"failed"}`)
	f.Add("call.ended", `{"status":"completed","media":{"caller":{"drops":{"\u001b":3}}}}`)
	f.Add("recording.completed", `{"recording":"r","completeness":1e300}`)
	f.Add("call.unheard", `{}`)
	f.Fuzz(func(t *testing.T, kind, data string) {
		envelope, err := json.Marshal(map[string]any{
			"specversion": "1.0", "id": callOne + "-1", "type": kind, "time": noon, "account": "demo", "call": callOne, "seq": 1, "data": json.RawMessage(data),
		})
		if err != nil {
			return // not JSON
		}
		var s story
		if s.add(envelope) != nil {
			return
		}
		text := s.text()
		for _, r := range text {
			if r != '\n' && clean(string(r)) != string(r) {
				t.Fatalf("%q in %q", r, text)
			}
		}
		if _, err := json.Marshal(s); err != nil {
			t.Fatal(err)
		}
	})
}
