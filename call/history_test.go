package call

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringdown/routing"
)

// past plays a transcript and returns its call as its events tell it, with the
// number of who called, which keys would open.
func past(t *testing.T, file string) (*setup, routing.Past) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := defaultSetup()
	s.replay(t, string(text))
	p := s.history.Past
	p.Request.From, p.Request.To = "+4799999912", "21000001"
	return &s, p
}

// What the machine tells of a call is enough to decide it again: by the table that
// decided it everything comes out as it did, and nothing has to be assumed.
func TestToldCallsReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	replayed := 0
	for _, f := range files {
		s, p := past(t, f)
		if s.table == nil || p.Request.Class == nil || p.Reject == ReasonRecordingImpossible {
			continue
		}
		p.Caps = nil // some transcripts say others by hand
		replayed++
		if out, assumed := s.table.Replay(p); len(out)+len(assumed) > 0 {
			t.Errorf("%s: %+v, assumed %q, of %+v", f, out, assumed, p.Steps)
		}
	}
	if replayed < 40 {
		t.Errorf("only %d of the transcripts go a flow", replayed)
	}
}

// A change of the table is found by exactly what it changes for the call that was.
func TestToldCallsReplayChanged(t *testing.T) {
	for _, tt := range []struct {
		transcript string
		change     func(routing.Flow) routing.Flow
		want       string // what, was -> is; ~ stands for a check sum
	}{
		{"desk_voicemail_behind_dial", func(f routing.Flow) routing.Flow { return f[:1] }, "destination voicemail -> nobody"},
		{"desk_consent_announced", func(f routing.Flow) routing.Flow { f[1].Greeting.Notice = false; return f }, "consent announced -> none"},
		{"flow_two_dials", func(f routing.Flow) routing.Flow {
			f[1].Dial.Targets[0] = routing.Destination{URI: "sip:other@127.0.0.1"}
			return f
		}, "destination sip (~) -> sip (~)"},
	} {
		s, p := past(t, "testdata/"+tt.transcript+".txt")
		if s.table == nil {
			t.Fatalf("%s goes no flow", tt.transcript)
		}
		s.spec.Flows["sales"] = tt.change(s.spec.Flows["sales"])
		draft, faults := routing.NewTable(s.spec)
		if faults != nil {
			t.Fatal(faults)
		}
		var words []string
		out, assumed := draft.Replay(p)
		for _, d := range out {
			words = append(words, d.What+" "+d.Was+" -> "+d.Is)
		}
		got := strings.Join(words, "; ")
		for _, step := range p.Steps {
			for _, d := range step.Directions {
				got = strings.ReplaceAll(got, d.Check, "~")
			}
		}
		got = strings.ReplaceAll(got, routing.Check("sip:other@127.0.0.1"), "~")
		if got != tt.want || len(assumed) > 0 {
			t.Errorf("%s: %s, want %s; assumed %q", tt.transcript, got, tt.want, assumed)
		}
	}
}
