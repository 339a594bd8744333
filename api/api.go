// Package api is the HTTP face of a node: health, metrics, live calls, the event
// stream and the recordings.
//
// It owns the routes, their documents (openapi.json), who may call them, and the
// limits of a request. It owns no call, no key and no file: everything it shows
// or does goes through [Deps]. It refuses what has no token, what is not a
// well-formed id, and to put a number, a name or a query into a log line.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"ringdown/call"
)

// Deps is what the face shows and does. Every function may be called by many
// requests at once.
type Deps struct {
	// Version is what /v1/version says.
	Version Version
	// Ready tells the state of each dependency, in words of ours: neither
	// addresses nor secrets. It must not wait.
	Ready func() []Check
	// Draining reports whether the node is saying goodbye.
	Draining func() bool
	// Metrics are the rooms' own counts; each is called at every scrape.
	Metrics []func(*Metrics)
	// Calls are the live calls, in the order of their ids.
	Calls func() []call.View
	// Hangup asks a live call to end and returns at once; [ErrNotFound] when no
	// such call is live.
	Hangup func(id string) error
	// Order gives a live call an order and returns when it is taken or refused:
	// [ErrNotFound] when no such call is live, a [call.Invalid] or a [call.NotNow].
	Order func(ctx context.Context, id string, o Order) error
	// Events hands over the stored events that the filter takes, each as its
	// whole envelope, in the order of the stream. It returns after the last
	// stored one, or with follow not before ctx ends. An error of emit ends it.
	Events func(ctx context.Context, f EventFilter, follow bool, emit func(json.RawMessage) error) error
	// Recordings is where recordings are read from.
	Recordings Recordings
	// Directory is the routing table.
	Directory Directory
	// Log gets one line a request at level debug, hangups and exports at info,
	// faults at error; nil: nowhere.
	Log *slog.Logger
}

// Recordings reads finished recordings. Its errors wrap the sentinels below.
type Recordings interface {
	// List calls emit for each recording the filter takes, in the order of the
	// ids, which is that of time. An error of emit ends it and comes back.
	List(ctx context.Context, f RecordingFilter, emit func(Recording) error) error
	// Manifest returns the manifests of the recording's parts, in order, as a
	// JSON array; their signatures have been checked.
	Manifest(ctx context.Context, id string) ([]byte, error)
	// ExportWAV writes the decoded recording. Nothing is written before it is
	// known that the recording can be opened and decoded.
	ExportWAV(ctx context.Context, id string, w io.Writer) error
	// Verify reads the whole recording. The error says that it could not be
	// looked at; a recording that does not hold is a Verification with OK false.
	Verify(ctx context.Context, id string) (Verification, error)
}

// What a dependency may say about an id; each has its own answer in HTTP.
var (
	ErrNotFound    = errors.New("not found")                   // 404
	ErrNotFinal    = errors.New("recording is still open")     // 409
	ErrErased      = errors.New("recording was erased")        // 410
	ErrUndecodable = errors.New("recording cannot be decoded") // 422: the codec has no decoder here
	ErrDamaged     = errors.New("recording is damaged")        // 422: it does not open as it was sealed
)

// EventFilter takes events; an empty field takes all.
type EventFilter struct {
	Account string
	Call    string
	Since   time.Time
}

// RecordingFilter takes recordings; an empty field takes all.
type RecordingFilter struct {
	Account string
	Since   time.Time // of the start
	After   string    // only ids behind this one
}

// Check is one dependency's state.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not
	Detail string `json:"detail,omitempty"` // which kind of it works here, and why
}

// Version says which program this is.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Time    string `json:"commit_time,omitempty"` // RFC 3339
	Dirty   bool   `json:"modified,omitempty"`    // built from a tree with changes not in the commit
	Go      string `json:"go"`
	FIPS    bool   `json:"fips"`
	Module  string `json:"fips_module,omitempty"` // version of the Go cryptographic module
}

// Recording is one line of the list; the manifest holds the rest.
type Recording struct {
	ID           string    `json:"id"`
	Call         string    `json:"call"`
	Account      string    `json:"account"`
	StartedAt    time.Time `json:"started_at"`
	DurationMS   int64     `json:"duration_ms"`
	Bytes        int64     `json:"bytes"`
	Result       string    `json:"result"`       // ok | degraded | damaged: what is signed does not verify
	Completeness float64   `json:"completeness"` // 0 to 1
	Completion   string    `json:"completion"`   // closed | recovered | unknown: damaged
}

// Verification is what a reading of the whole recording found.
type Verification struct {
	ID     string  `json:"id"`
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}
