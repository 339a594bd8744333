package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"ringdown/call"
)

// Order is what is wanted of a live call: exactly one of its fields.
type Order struct {
	Transfer  *OrderTransfer    `json:"transfer,omitempty"`
	Connect   *OrderConnect     `json:"connect,omitempty"`
	Play      *OrderPlay        `json:"play,omitempty"`
	Stop      *OrderStop        `json:"stop,omitempty"`
	Hold      *OrderSwitch      `json:"hold,omitempty"`
	Mute      *OrderSwitch      `json:"mute,omitempty"`
	Recording *OrderRecording   `json:"recording,omitempty"`
	Tag       map[string]string `json:"tag,omitempty"`
}

type (
	// OrderTransfer puts a destination in a party's place.
	OrderTransfer struct {
		Party string      `json:"party"` // caller | callee: whose place
		To    Destination `json:"to"`
	}
	// Destination is where somebody is reached: a URI, a number by a trunk, or a
	// user of a trunk.
	Destination struct {
		URI    string `json:"uri,omitempty"`
		Number string `json:"number,omitempty"`
		User   string `json:"user,omitempty"`
		Trunk  string `json:"trunk,omitempty"`
	}
	// OrderConnect puts a party of another call in a party's place.
	OrderConnect struct {
		Party string `json:"party"` // whose place
		Call  string `json:"call"`  // the other call, which ends
		With  string `json:"with"`  // who comes from there: caller | callee
	}
	// OrderPlay plays a prompt of the configuration.
	OrderPlay struct {
		Party  string `json:"party"`
		Prompt string `json:"prompt"`
		Under  bool   `json:"under,omitempty"` // under the talk; else instead of it
		Loop   bool   `json:"loop,omitempty"`
	}
	// OrderStop ends what orders have begun.
	OrderStop struct {
		Playing bool `json:"playing"`
	}
	// OrderSwitch puts something of a party on or off.
	OrderSwitch struct {
		Party string `json:"party"`
		On    bool   `json:"on"`
	}
	// OrderRecording is start, stop, pause or resume.
	OrderRecording struct {
		Action string `json:"action"`
	}
)

// name is the key of the order, empty when it is not exactly one.
func (o Order) name() (name string) {
	given := 0
	for key, there := range map[string]bool{
		"transfer": o.Transfer != nil, "connect": o.Connect != nil, "play": o.Play != nil, "stop": o.Stop != nil,
		"hold": o.Hold != nil, "mute": o.Mute != nil, "recording": o.Recording != nil, "tag": o.Tag != nil,
	} {
		if there {
			given++
			name = key
		}
	}
	if given != 1 {
		return ""
	}
	return name
}

// check says what is wrong with an order, without repeating anything of it.
func (o Order) check() string {
	party := func(words ...string) string {
		for _, w := range words {
			if w != "caller" && w != "callee" {
				return "party is caller or callee"
			}
		}
		return ""
	}
	switch {
	case o.name() == "":
		return "an order is exactly one of transfer, connect, play, stop, hold, mute, recording, tag"
	case o.Transfer != nil:
		return party(o.Transfer.Party)
	case o.Connect != nil && !IsCallID(o.Connect.Call):
		return "connect.call is not the id of a call"
	case o.Connect != nil:
		return party(o.Connect.Party, o.Connect.With)
	case o.Play != nil && o.Play.Prompt == "":
		return "play.prompt is missing"
	case o.Play != nil:
		return party(o.Play.Party)
	case o.Stop != nil && !o.Stop.Playing:
		return "stop.playing is not true"
	case o.Hold != nil:
		return party(o.Hold.Party)
	case o.Mute != nil:
		return party(o.Mute.Party)
	case o.Recording != nil && !slices.Contains(recordingActions, o.Recording.Action):
		return "recording.action is one of " + strings.Join(recordingActions, ", ")
	case o.Tag != nil && len(o.Tag) == 0:
		return "tag is empty"
	}
	return ""
}

var recordingActions = []string{"start", "stop", "pause", "resume"}

// order takes an order for a live call. That it was taken is said at once; what
// becomes of it is told by the call's events.
func (s *Server) order(w http.ResponseWriter, r *http.Request) error {
	id, err := pathCall(r)
	if err != nil {
		return err
	}
	var o Order
	if err := readJSON(r, &o); err != nil {
		return err
	}
	if msg := o.check(); msg != "" {
		return bad("%s", msg)
	}
	var refused call.NotNow
	var invalid call.Invalid
	switch err := s.deps.Order(r.Context(), id, o); {
	case errors.Is(err, ErrNotFound):
		return notLive(id)
	case errors.As(err, &invalid):
		return bad("%s", invalid.Why)
	case errors.As(err, &refused):
		return &fault{http.StatusConflict, "not-now", refused.Why}
	case err != nil:
		return err
	}
	s.log.Info("order given by api", "call", id, "order", o.name())
	writeJSON(w, http.StatusAccepted, map[string]string{"call": id, "order": o.name(), "status": "taken"})
	return nil
}

// readJSON reads a body that is one JSON value with no key that is not known. The
// error repeats nothing of it.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			return bad("the body goes on behind its JSON")
		}
		return nil
	}
	var tooLong *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &tooLong):
		return &fault{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body is longer than %d bytes", tooLong.Limit)}
	case errors.As(err, &kind):
		return bad("the body has a value of the wrong type at byte %d", kind.Offset)
	case errors.As(err, &syntax):
		return bad("the body is no JSON: byte %d", syntax.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return bad("the body ends too early")
	}
	return bad("the body has a key that is not known")
}
