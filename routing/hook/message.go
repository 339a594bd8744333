package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ringdown/routing"
)

// Question is what an owner is asked about one call. Caller, Number and
// Attribution go out only where the step's send says so.
type Question struct {
	ID          string // unique; a question that is repeated has the same
	Call        string
	Account     string
	Agency      string
	Flow        string
	Step        string // path of the step in the configuration
	At          time.Time
	Trunk       string
	Subject     string // the caller's id, the same in each of his calls to the account; empty: withheld
	Masked      string // the caller, masked
	Caller      string // E.164; empty: withheld
	Number      string // tracking number, E.164
	Attribution map[string]string
	Tags        map[string]string
	Consent     string
}

// wire is a question as JSON.
type wire struct {
	Type        string            `json:"type"`
	ID          string            `json:"id"`
	Time        string            `json:"time"`
	Account     string            `json:"account"`
	Agency      string            `json:"agency,omitempty"`
	Call        string            `json:"call"`
	Flow        string            `json:"flow"`
	Step        string            `json:"step"`
	Trunk       string            `json:"trunk"`
	Caller      wireCaller        `json:"caller"`
	Number      string            `json:"tracking_number,omitempty"`
	Attribution map[string]string `json:"attribution,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Consent     string            `json:"consent,omitempty"`
}

type wireCaller struct {
	Subject string `json:"subject,omitempty"`
	Masked  string `json:"masked"`
	Number  string `json:"number,omitempty"`
}

func (q Question) encode(send []string) ([]byte, error) {
	w := wire{
		Type: "call.hook", ID: q.ID, Time: q.At.UTC().Format("2006-01-02T15:04:05.000Z"), Account: q.Account, Agency: q.Agency, Call: q.Call,
		Flow: q.Flow, Step: q.Step, Trunk: q.Trunk, Caller: wireCaller{Subject: q.Subject, Masked: q.Masked}, Tags: q.Tags, Consent: q.Consent,
	}
	if slices.Contains(send, routing.SendCaller) {
		w.Caller.Number = q.Caller
	}
	if slices.Contains(send, routing.SendNumber) {
		w.Number = q.Number
	}
	if slices.Contains(send, routing.SendAttribution) {
		w.Attribution = q.Attribution
	}
	return json.Marshal(w)
}

// answer is a reply as JSON: exactly one of its first four fields.
type answer struct {
	Continue bool              `json:"continue"`
	Flow     string            `json:"flow"`
	Dial     *answerDial       `json:"dial"`
	Refuse   bool              `json:"refuse"`
	Tags     map[string]string `json:"tags"`
}

type answerDial struct {
	Targets []answerTarget   `json:"targets"`
	Timeout routing.Duration `json:"timeout"`
}

type answerTarget struct {
	URI     string           `json:"uri"`
	Number  string           `json:"number"`
	User    string           `json:"user"`
	Trunk   string           `json:"trunk"`
	Timeout routing.Duration `json:"timeout"`
}

// Bounds of a reply.
const (
	maxTargets = 16
	maxTags    = 32
)

// ReadReply reads what an owner answered. A key that is not known is an error: a
// slip of the pen would send the call elsewhere without a word. The error repeats
// nothing of the reply.
func ReadReply(b []byte) (routing.HookReply, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var a answer
	if err := d.Decode(&a); err != nil {
		return routing.HookReply{}, fmt.Errorf("%w: %s", ErrInvalid, fault(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return routing.HookReply{}, fmt.Errorf("%w: something stands behind it", ErrInvalid)
	}
	said := 0
	for _, there := range []bool{a.Continue, a.Flow != "", a.Dial != nil, a.Refuse} {
		if there {
			said++
		}
	}
	if said != 1 {
		return routing.HookReply{}, fmt.Errorf("%w: it is not exactly one of continue, flow, dial, refuse", ErrInvalid)
	}
	if len(a.Tags) > maxTags {
		return routing.HookReply{}, fmt.Errorf("%w: more than %d tags", ErrInvalid, maxTags)
	}
	r := routing.HookReply{Flow: a.Flow, Refuse: a.Refuse, Tags: a.Tags}
	if a.Dial == nil {
		return r, nil
	}
	if n := len(a.Dial.Targets); n == 0 || n > maxTargets {
		return routing.HookReply{}, fmt.Errorf("%w: dial.targets holds %d, not 1 to %d", ErrInvalid, n, maxTargets)
	}
	timeout, exact := a.Dial.Timeout.Exact()
	if !exact {
		return routing.HookReply{}, fmt.Errorf("%w: dial.timeout has months", ErrInvalid)
	}
	r.Timeout = timeout
	for _, t := range a.Dial.Targets {
		r.Targets = append(r.Targets, routing.Destination{URI: t.URI, Number: t.Number, User: t.User, Trunk: t.Trunk, Timeout: t.Timeout})
	}
	return r, nil
}

// fault words an error of the decoder without what it has read.
func fault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("wrong type at byte %d", kind.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	}
	return "a key or a value that is not known"
}

func bodyOf(b []byte) io.Reader { return bytes.NewReader(b) }
