//go:build interop

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// event is an envelope as it stands in JetStream.
type event struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Account string `json:"account"`
	Call    string `json:"call"`
	Seq     int    `json:"seq"`
	Data    facts  `json:"data"`

	Time time.Time `json:"time"`
}

// facts are the fields of payloads that the tests look at.
type facts struct {
	Status         string     `json:"status"`
	Trunk          string     `json:"trunk"`
	Transport      string     `json:"transport"`
	EndedBy        string     `json:"ended_by"`
	RejectReason   string     `json:"reject_reason"`
	Reason         string     `json:"reason"`
	Source         string     `json:"source"`
	TrackingNumber string     `json:"tracking_number"`
	Verdict        string     `json:"verdict"`
	Side           string     `json:"side"`
	Limit          string     `json:"limit"`
	State          string     `json:"state"`
	Expected       int        `json:"expected"`
	Lost           int        `json:"lost"`
	JitterMS       float64    `json:"jitter_ms"`
	MOSLQ          float64    `json:"mos_lq"`
	TalkMS         int64      `json:"talk_ms"`
	HoldMS         int64      `json:"hold_ms"`
	Party          string     `json:"party"`
	Class          string     `json:"class"`
	Count          int        `json:"count"`
	Ways           []string   `json:"ways"`
	BillableMS     int64      `json:"billable_ms"`
	AnsweredAt     time.Time  `json:"answered_at"`
	BridgedAt      time.Time  `json:"bridged_at"`
	EndedAt        time.Time  `json:"ended_at"`
	BilledUntil    time.Time  `json:"billed_until"`
	Estimated      bool       `json:"estimated"`
	Recording      string     `json:"recording"`
	Result         string     `json:"result"`
	Completeness   float64    `json:"completeness"`
	Completion     string     `json:"completion"`
	DurationMS     int64      `json:"duration_ms"`
	Media          sideTotals `json:"media"`

	Attestation struct {
		Verstat string `json:"verstat"`
		Attest  string `json:"attest"`
	} `json:"attestation"`
	Segment   int    `json:"segment"`
	Transfers int    `json:"transfers"`
	FromCall  string `json:"from_call"`
	ToCall    string `json:"to_call"`
}

type sideTotals struct{ Caller, Callee flow }

type flow struct {
	Packets int            `json:"packets"`
	Drops   map[string]int `json:"drops"`
}

// story is all events of one call.
type story struct {
	id     string
	events []event
}

// stories reads all events back from JetStream, by call, oldest first.
func (n *node) stories(t *testing.T) []*story {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(n.ask(t, "events", "tail")))
	lines.Buffer(nil, 1<<20)
	byID := map[string]*story{}
	var all []*story
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("events tail: %v", err)
		}
		if !strings.HasPrefix(e.Call, "call_") {
			continue // of the node: see told
		}
		s := byID[e.Call]
		if s == nil {
			s = &story{id: e.Call}
			byID[e.Call] = s
			all = append(all, s)
		}
		s.events = append(s.events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// told reads back what the node has told of itself.
func (n *node) told(t *testing.T, kind string) (all []event) {
	t.Helper()
	for line := range strings.Lines(n.ask(t, "events", "tail")) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("events tail: %v", err)
		}
		if strings.HasPrefix(e.Call, "node_") && e.Type == kind {
			all = append(all, e)
		}
	}
	return all
}

// settled waits until want calls and their recordings have come to their end.
func (n *node) settled(t *testing.T, want int) (all []*story) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("the events of %d calls", want), func() bool {
		all = n.stories(t)
		return len(all) >= want && !slices.ContainsFunc(all, func(s *story) bool { return !s.over() })
	})
	if len(all) != want {
		t.Errorf("%d calls were told, want %d", len(all), want)
	}
	return all
}

func (s *story) over() bool {
	return s.count("call.ended") > 0 &&
		s.count("recording.started") <= s.count("recording.completed")+s.count("recording.failed")
}

func (s *story) count(kind string) (n int) {
	for _, e := range s.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// last returns the payload of the last event of a type; zero when there is none.
func (s *story) last(kind string) facts {
	for _, e := range slices.Backward(s.events) {
		if e.Type == kind {
			return e.Data
		}
	}
	return facts{}
}

func (s *story) recording() string { return s.last("recording.started").Recording }

// whole wants what is promised of every call: seq from 1 without gaps and in
// order, ids made of it, call.received first, exactly one end.
func (s *story) whole(t *testing.T) {
	t.Helper()
	for i, e := range s.events {
		if e.Seq != i+1 || e.ID != fmt.Sprintf("%s-%d", s.id, i+1) {
			t.Errorf("%s: event %d has seq %d and id %s", s.id, i+1, e.Seq, e.ID)
		}
	}
	if s.events[0].Type != "call.received" {
		t.Errorf("%s: begins with %s", s.id, s.events[0].Type)
	}
	if k := s.count("call.ended"); k != 1 {
		t.Errorf("%s: ended %d times", s.id, k)
	}
}

// completed wants a call that was answered, bridged, recorded and hung up.
func (s *story) completed(t *testing.T) {
	t.Helper()
	s.whole(t)
	for _, kind := range []string{"call.routed", "call.answered", "call.bridged", "recording.started", "recording.completed"} {
		if k := s.count(kind); k != 1 {
			t.Errorf("%s: %s %d times", s.id, kind, k)
		}
	}
	if status := s.last("call.ended").Status; status != "completed" {
		t.Errorf("%s: ended as %q", s.id, status)
	}
	if r := s.last("recording.completed"); r.Result != "ok" || r.Completeness != 1 {
		t.Errorf("%s: recording is %q, complete to %g", s.id, r.Result, r.Completeness)
	}
}

// export verifies the recording of a call and returns its channels.
func (n *node) export(t *testing.T, s *story, file string) [][]int16 {
	t.Helper()
	id := s.recording()
	if id == "" {
		t.Errorf("%s: not recorded", s.id)
		return nil
	}
	n.ask(t, "recordings", "verify", id)
	n.ask(t, "recordings", "export", id, "--force", "--out", file)
	return readWAV(t, file)
}
