package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringdown/api"
	"ringdown/call"
)

var update = flag.Bool("update", false, "rewrite the texts in testdata")

const (
	testToken = "rdk_test_0123456789abcdefghijklmnopqrstuv"
	callOne   = "call_01JD0000000000000000000001"
	callTwo   = "call_01JD0000000000000000000002"
	recOne    = "rec_01JD0000000000000000000001"
	recTwo    = "rec_01JD0000000000000000000002"
)

var noon = time.Date(2020, 1, 2, 12, 0, 0, 0, time.UTC)

// fake is a node behind a real server of package api.
type fake struct {
	calls  []call.View
	events []string // envelopes
	books  []api.Recording
	fault  error
}

func newFake(t *testing.T) *fake {
	t.Helper()
	return &fake{
		calls: []call.View{
			{ID: callOne, Account: "demo", Status: "in-progress", Trunk: "carrier", Number: "+4721000001", Caller: "+47*****12",
				Received: noon, Bridged: noon.Add(3 * time.Second), Legs: 2, Recorded: true},
			{ID: callTwo, Account: "other", Status: "ringing", Caller: "anonymous", Received: noon.Add(time.Minute), Legs: 3},
		},
		events: append(readStory(t, "completed").envelopes(t, callOne), readStory(t, "rejected").envelopes(t, callTwo)...),
		books: []api.Recording{
			{ID: recOne, Call: callOne, Account: "demo", StartedAt: noon, DurationMS: 61_000, Bytes: 1_003_520, Result: "ok", Completeness: 1, Completion: "closed"},
			{ID: recTwo, Call: callTwo, Account: "other", StartedAt: noon.Add(time.Hour), DurationMS: 3_723_000, Bytes: 512, Result: "degraded", Completeness: 0.9996, Completion: "recovered"},
		},
	}
}

// order takes orders for the first call; it cannot be transferred now.
func (f *fake) order(_ context.Context, id string, o api.Order) error {
	switch {
	case id != callOne:
		return api.ErrNotFound
	case o.Transfer != nil:
		return call.NotNow{Why: "another transfer is under way"}
	case o.Play != nil:
		return call.Invalid{Why: "there is no such prompt"}
	}
	return nil
}

func (f *fake) deps() api.Deps {
	return api.Deps{
		Version:    buildVersion(),
		Ready:      func() []api.Check { return nil },
		Draining:   func() bool { return false },
		Calls:      func() []call.View { return f.calls },
		Hangup:     f.hangup,
		Order:      f.order,
		Events:     f.tell,
		Recordings: f,
		Directory:  tableFake{},
	}
}

func (f *fake) hangup(id string) error {
	if id != callOne {
		return api.ErrNotFound
	}
	return nil
}

func (f *fake) tell(ctx context.Context, filter api.EventFilter, follow bool, emit func(json.RawMessage) error) error {
	for _, e := range f.events {
		var head struct {
			Call, Account string
			Time          time.Time
		}
		if err := json.Unmarshal([]byte(e), &head); err != nil {
			return err
		}
		if (filter.Call == "" || filter.Call == head.Call) && (filter.Account == "" || filter.Account == head.Account) && !head.Time.Before(filter.Since) {
			if err := emit(json.RawMessage(e)); err != nil {
				return err
			}
		}
	}
	if follow {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.fault
}

func (f *fake) List(_ context.Context, filter api.RecordingFilter, emit func(api.Recording) error) error {
	for _, r := range f.books {
		if (filter.Account == "" || filter.Account == r.Account) && !r.StartedAt.Before(filter.Since) && r.ID > filter.After {
			if err := emit(r); err != nil {
				return err
			}
		}
	}
	return f.fault
}

func (f *fake) find(id string) error {
	for _, r := range f.books {
		if r.ID == id {
			return f.fault
		}
	}
	return fmt.Errorf("recording %s: %w", id, api.ErrNotFound)
}

func (f *fake) Manifest(_ context.Context, id string) ([]byte, error) {
	b, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		return nil, err
	}
	return b, f.find(id)
}

func (f *fake) ExportWAV(_ context.Context, id string, w io.Writer) error {
	if err := f.find(id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "RIFF and the sound of it\n")
	return err
}

func (f *fake) Verify(_ context.Context, id string) (api.Verification, error) {
	v := api.Verification{ID: id, OK: id == recOne, Checks: []api.Check{{Name: "signature", OK: true}, {Name: "audio", OK: true}}}
	if !v.OK {
		v.Checks[1] = api.Check{Name: "audio", Reason: "segment 3 was changed"}
	}
	return v, f.find(id)
}

// serveFake answers on loopback until the test ends.
func serveFake(t *testing.T, f *fake) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.New(api.Config{Listen: l.Addr().String(), Token: testToken}, f.deps())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// Each file in testdata/commands is a conversation with a running node.
// "set token X", "set fault X" and "set nothing" change what follows; {URL} is
// the node, {DIR} an empty folder, {QUICKSTART} the file of configs.
func TestCommands(t *testing.T) {
	files, err := filepath.Glob("testdata/commands/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Setenv(tokenEnv, testToken)
			f := newFake(t)
			url := serveFake(t, f)
			talk := conversation{t: t, set: f.set(t), places: [][2]string{
				{"{URL}", url}, {"{HOST}", strings.TrimPrefix(url, "http://")}, {"{DIR}", t.TempDir()}, {"{QUICKSTART}", "../../configs/quickstart.yaml"},
			}}
			talk.check(file)
		})
	}
}

// set changes the node, or what the client knows of it.
func (f *fake) set(t *testing.T) func(kind, value string) bool {
	return func(kind, value string) bool {
		switch kind {
		case "token":
			t.Setenv(tokenEnv, value)
		case "fault":
			f.fault = map[string]error{
				"none": nil, "not-final": api.ErrNotFinal, "erased": api.ErrErased, "damaged": api.ErrDamaged,
				"undecodable": fmt.Errorf("caller spoke opus: %w", api.ErrUndecodable), "internal": fmt.Errorf("disk on fire"),
			}[value]
		case "nothing":
			f.calls, f.books, f.events = nil, nil, nil
		default:
			return false
		}
		return true
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		at := func(lines []string) string {
			if i < len(lines) {
				return lines[i]
			}
			return "(the end)"
		}
		if at(g) != at(w) {
			return fmt.Sprintf("line %d\n got %s\nwant %s\nin\n%s", i+1, at(g), at(w), got)
		}
	}
	return "no difference"
}

// conversation is a text: what is typed behind "$ ", below it what comes back,
// standard error behind "! ", the exit code last when it is not 0. "cat FILE"
// shows a file.
type conversation struct {
	t      *testing.T
	set    func(kind, value string) bool // what "set KIND VALUE" does
	places [][2]string                   // name in the text, and what it stands for now
}

// check holds the conversation of a file and compares, or rewrites it.
func (c *conversation) check(file string) {
	c.t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	got := c.hold(string(want))
	if !*update {
		if got != string(want) {
			c.t.Errorf("%s: %s", file, firstDifference(got, string(want)))
		}
		return
	}
	if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// hold carries out what is asked in the text and returns it with the answers of now.
func (c *conversation) hold(text string) string {
	var parts []string
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		word, rest, _ := strings.Cut(l, " ")
		switch word {
		case "#":
			parts = append(parts, l+"\n")
		case "set":
			if kind, value, _ := strings.Cut(rest, " "); !c.set(kind, value) {
				c.t.Fatalf("%q: not known", l)
			}
			parts = append(parts, l+"\n")
		case "$":
			parts = append(parts, l+"\n"+c.run(rest))
		}
	}
	return strings.Join(parts, "\n")
}

func (c *conversation) run(typed string) string {
	for _, p := range c.places {
		typed = strings.ReplaceAll(typed, p[0], p[1])
	}
	words := strings.Fields(typed)
	if words[0] == "cat" {
		b, err := os.ReadFile(words[1])
		if err != nil {
			return c.mask(err.Error()) + "\n"
		}
		return string(b)
	}
	if words[0] != "ringdown" {
		c.t.Fatalf("%q is not a command of ours", words[0])
	}
	var stdout, stderr bytes.Buffer
	code := run(words[1:], stdio{in: strings.NewReader(""), out: &stdout, err: &stderr})
	var b strings.Builder
	b.WriteString(c.mask(stdout.String()))
	for l := range strings.Lines(c.mask(stderr.String())) {
		b.WriteString("! " + l)
	}
	if code != done {
		fmt.Fprintf(&b, "exit %d\n", code)
	}
	return b.String()
}

// What is random, or changes with every file, and stands in no place.
var (
	tableVersion = regexp.MustCompile(`(table |"config_version": ")[0-9a-f]{12}\b`)
	keyRef       = regexp.MustCompile(`key_[0-9A-Za-z]{16,}`)
	digest       = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// mask replaces what is different in each run.
func (c *conversation) mask(s string) string {
	for _, p := range c.places {
		s = strings.ReplaceAll(s, p[1], p[0])
	}
	s = tableVersion.ReplaceAllString(s, "${1}{TABLE}")
	return digest.ReplaceAllString(keyRef.ReplaceAllString(s, "{KEY}"), "{DIGEST}")
}
