package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ringdown/call"
)

const (
	token  = "rdk_test_0123456789abcdefghijklmnopqrstuv"
	call1  = "call_01JD0000000000000000000001"
	call2  = "call_01JD0000000000000000000002"
	nobody = "call_01JD0000000000000000000009"
	rec1   = "rec_01JD0000000000000000000001"
	rec2   = "rec_01JD0000000000000000000002"
	rec3   = "rec_01JD0000000000000000000003"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is a node in a few slices.
type world struct {
	calls      []call.View
	hungUp     []string
	orders     []string
	told       []stored
	recordings []Recording
	wav        []byte
	fault      error // of the recordings
	faultAfter int   // bytes of wav before the fault
	checks     []Check
	draining   bool
	directory  tableWorld
	log        bytes.Buffer
}

type stored struct {
	account, call string
	at            time.Time
	body          string
}

func newWorld() *world {
	event := func(call, account string, after time.Duration, body string) stored {
		return stored{account, call, noon.Add(after), body}
	}
	return &world{
		calls: []call.View{
			{ID: call1, Account: "demo", Status: "in-progress", Trunk: "carrier", Number: "+4721000001", Caller: "+47*****12",
				Received: noon, Bridged: noon.Add(3 * time.Second), Legs: 2, Recorded: true},
			{ID: call2, Account: "other", Status: "ringing", Received: noon},
		},
		told: []stored{
			event(call1, "demo", 0, `{"id":"`+call1+`-1","type":"call.received"}`),
			event(call2, "other", time.Minute, `{"id":"`+call2+`-1","type":"call.received"}`),
			event(call1, "demo", 2*time.Minute, `{"id":"`+call1+`-2","type":"call.ended"}`),
		},
		recordings: []Recording{
			{ID: rec1, Call: call1, Account: "demo", StartedAt: noon, DurationMS: 8000, Bytes: 4096, Result: "ok", Completeness: 1, Completion: "closed"},
			{ID: rec2, Call: call2, Account: "other", StartedAt: noon.Add(time.Hour), Result: "degraded", Completeness: .5, Completion: "recovered"},
			{ID: rec3, Call: call2, Account: "demo", StartedAt: noon.Add(2 * time.Hour), Result: "ok", Completeness: 1, Completion: "closed"},
		},
		wav:    []byte("RIFF the sound of it"),
		checks: []Check{{Name: "disk", OK: true}, {Name: "nats", OK: true}},
	}
}

func (o *world) deps() Deps {
	return Deps{
		Version:  Version{Version: "v1.2.3", Commit: strings.Repeat("ab", 20), Time: "2026-11-21T12:00:00Z", Go: "go1.26", FIPS: true, Module: "v1.0.0"},
		Ready:    func() []Check { return o.checks },
		Draining: func() bool { return o.draining },
		Metrics: []func(*Metrics){func(m *Metrics) {
			m.Gauge("ringdown_calls", "Live calls by state.", 1, "status", "in-progress")
		}},
		Calls:      func() []call.View { return o.calls },
		Hangup:     o.hangup,
		Order:      o.order,
		Events:     o.events,
		Recordings: (*shelf)(o),
		Directory:  &o.directory,
		Log:        slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (o *world) hangup(id string) error {
	for _, c := range o.calls {
		if string(c.ID) == id {
			o.hungUp = append(o.hungUp, id)
			return nil
		}
	}
	return ErrNotFound
}

func (o *world) events(ctx context.Context, f EventFilter, follow bool, emit func(json.RawMessage) error) error {
	for _, e := range o.told {
		if (f.Account == "" || f.Account == e.account) && (f.Call == "" || f.Call == e.call) && !e.at.Before(f.Since) {
			if err := emit(json.RawMessage(e.body)); err != nil {
				return err
			}
		}
	}
	if follow {
		<-ctx.Done()
		return ctx.Err()
	}
	return o.fault
}

// shelf is the world as Recordings.
type shelf world

func (o *shelf) List(_ context.Context, f RecordingFilter, emit func(Recording) error) error {
	for _, r := range o.recordings {
		if (f.Account == "" || f.Account == r.Account) && !r.StartedAt.Before(f.Since) && r.ID > f.After {
			if err := emit(r); err != nil {
				return err
			}
		}
	}
	return o.fault
}

func (o *shelf) find(id string) error {
	for _, r := range o.recordings {
		if r.ID == id {
			return o.fault
		}
	}
	return ErrNotFound
}

func (o *shelf) Manifest(_ context.Context, id string) ([]byte, error) {
	return []byte(manifestOf(id)), o.find(id)
}

// manifestOf is as recorder writes it.
func manifestOf(id string) string {
	track := `{"packets":400,"bytes":64000,"dropped":0,"ignored":0,"digits":0,"codecs":["PCMA"]}`
	return `[{"version":1,"recording":"` + id + `","part":1,"call":"` + call1 + `","account":"demo","node":"edge-1","mode":"record-from-answer",` +
		`"channels":"dual","started_at":"2026-11-21T12:00:00.000Z","duration_ms":8000,"completion":"closed","result":"ok","key_ref":"key_1",` +
		`"size":4096,"segments":1,"root":"aa","sha256":"bb","caller":` + track + `,"callee":` + track + `,"gaps":0,"pauses":[],"paused_ms":0}]`
}

func (o *shelf) ExportWAV(_ context.Context, id string, w io.Writer) error {
	err := o.find(id)
	if errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil {
		w.Write(o.wav[:o.faultAfter])
		return err
	}
	_, err = w.Write(o.wav)
	return err
}

func (o *shelf) Verify(_ context.Context, id string) (Verification, error) {
	return Verification{ID: id, OK: false, Checks: []Check{{Name: "root", Reason: "segment 3 was changed"}}}, o.find(id)
}

func (o *world) server(t *testing.T, change ...func(*Config)) *Server {
	t.Helper()
	c := Config{Token: token}
	c.Defaults()
	for _, f := range change {
		f(&c)
	}
	s, err := New(c, o.deps())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request, with the token unless told otherwise.
func ask(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// described is openapi.json, able to judge answers.
type described struct {
	doc struct {
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Responses  map[string]answerDoc `json:"responses"`
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
	}
	compiler *jsonschema.Compiler
}

type operation struct {
	ID         string               `json:"operationId"`
	Security   []map[string]any     `json:"security"`
	Parameters []parameter          `json:"parameters"`
	Responses  map[string]answerDoc `json:"responses"`
}

type answerDoc struct {
	Ref     string         `json:"$ref"`
	Content map[string]any `json:"content"`
}

type parameter struct {
	Ref, Name, In string
}

func (p *parameter) UnmarshalJSON(b []byte) error {
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	p.Ref, _ = raw["$ref"].(string)
	p.Name, _ = raw["name"].(string)
	p.In, _ = raw["in"].(string)
	return nil
}

func describe(t *testing.T) *described {
	t.Helper()
	d := &described{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(openapi, &d.doc); err != nil {
		t.Fatal(err)
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.compiler.AddResource("openapi.json", raw); err != nil {
		t.Fatal(err)
	}
	d.compiler.AssertFormat()
	return d
}

// judge fails the test when the answer is not one that the document describes.
func (d *described) judge(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	op, ok := d.doc.Paths[path][strings.ToLower(method)]
	if !ok {
		t.Fatalf("%s %s is not described", method, path)
	}
	status := http.StatusText(w.Code)
	code := jsonNumber(w.Code)
	at := "openapi.json#/paths/" + pointer(path) + "/" + strings.ToLower(method) + "/responses/" + code
	a, ok := op.Responses[code]
	if !ok {
		t.Fatalf("%s %s answers %d %s, which is not described", method, path, w.Code, status)
	}
	if a.Ref != "" {
		name := a.Ref[strings.LastIndexByte(a.Ref, '/')+1:]
		if a, ok = d.doc.Components.Responses[name]; !ok {
			t.Fatalf("%s leads nowhere", a.Ref)
		}
		at = "openapi.json#/components/responses/" + name
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if _, ok := a.Content[kind]; !ok {
		t.Fatalf("%s %s answers %d with %q, which is not described", method, path, w.Code, kind)
	}
	if kind != "application/json" {
		return
	}
	schema, err := d.compiler.Compile(at + "/content/application~1json/schema")
	if err != nil {
		t.Fatal(err)
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	if err := schema.Validate(body); err != nil {
		t.Errorf("%s %s %d: %v\n%s", method, path, w.Code, err, w.Body)
	}
}

func jsonNumber(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func pointer(path string) string {
	path = strings.ReplaceAll(strings.ReplaceAll(path, "~", "~0"), "/", "~1")
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(path)
}
