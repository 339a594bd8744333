package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is the major version of the promise: it stands in every subject and
// in every dataschema. Fields and types are added under it, never taken away.
const Version = "v1"

// MaxData is the largest payload in bytes, as JSON. It keeps every envelope
// far below the record of the outbox and the 1 MiB of the broker, so that no event can be refused for its size
// after it was accepted here.
const MaxData = 128 << 10

// times is RFC 3339 in UTC with milliseconds, as everywhere on the wire.
const times = "2006-01-02T15:04:05.000Z"

// Check reports why e cannot be told: an id that may not stand in a subject, a
// type that is not in SCHEMA.md, a payload that is not the one of the type, a
// time that is not there. It does not look at Seq.
func Check(e Event) error {
	switch {
	case !ValidAccount(e.Account):
		return errors.New("account: not an id")
	case !OfNode(e.Type) && !ValidCall(e.Call):
		return errors.New("call: not a call id")
	case OfNode(e.Type) && (!ValidNode(e.Call) || e.Account != System):
		return errors.New("call: an event of the node has an id of its own, on account " + System)
	case !Known(e.Type):
		return errors.New("type: not an event of " + Version)
	case !fits(e.Type, e.Data):
		return fmt.Errorf("data: %T is not the payload of %s", e.Data, e.Type)
	case e.Time.IsZero():
		return errors.New("time: missing")
	case e.Time.UTC().Year() < 1970 || e.Time.UTC().Year() > 9999:
		return errors.New("time: outside RFC 3339")
	}
	return nil
}

// Encode returns the CloudEvents 1.0 JSON envelope of e as it stands in the
// outbox and on the bus. node is the id of the node that tells it. Data that
// is a json.RawMessage or Encoded is taken as it is.
//
// Ids are checked, never escaped: what passes can stand in a subject, a file
// name and a JSON string as it is.
func Encode(e Event, node string) ([]byte, error) { return AppendEncode(nil, e, node) }

// AppendEncode is [Encode] that adds to b.
func AppendEncode(b []byte, e Event, node string) ([]byte, error) {
	if err := Check(e); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if !validID(node) {
		return nil, errors.New("event: node: not an id")
	}
	if e.Seq == 0 {
		return nil, errors.New("event: seq: must be above 0")
	}
	data, err := MarshalData(e)
	if err != nil {
		return nil, err
	}
	return appendEnvelope(slices.Grow(b, 512+len(data)), e, node, data), nil
}

// Encoded is a payload as MarshalData has made it. Encode takes it without
// another look, so the costly half of encoding can be done early, and once.
type Encoded []byte

// MarshalData returns the payload of e as JSON.
func MarshalData(e Event) (data Encoded, err error) {
	switch d := e.Data.(type) {
	case Encoded:
		return d, nil
	case json.RawMessage:
		if !json.Valid(d) {
			return nil, errors.New("event: data: not JSON")
		}
		data = Encoded(d)
	default:
		if data, err = json.Marshal(d); err != nil {
			return nil, fmt.Errorf("event: data: %w", err)
		}
	}
	if len(data) == 0 || data[0] != '{' {
		return nil, errors.New("event: data: not a JSON object")
	}
	if len(data) > MaxData {
		return nil, fmt.Errorf("event: data: %d bytes, above %d", len(data), MaxData)
	}
	return data, nil
}

func appendEnvelope(b []byte, e Event, node string, data []byte) []byte {
	b = append(b, `{"specversion":"1.0","id":"`...)
	b = append(b, e.Call...)
	b = append(b, '-')
	b = strconv.AppendUint(b, e.Seq, 10)
	b = append(b, `","source":"ringdown/`...)
	b = append(b, node...)
	b = append(b, `","type":"`...)
	b = append(b, e.Type...)
	b = append(b, `","subject":"`...)
	b = append(b, e.Call...)
	b = append(b, `","time":"`...)
	b = e.Time.UTC().AppendFormat(b, times)
	b = append(b, `","datacontenttype":"application/json","dataschema":"`...)
	b = append(b, SchemaID(e.Type)...)
	b = append(b, `","account":"`...)
	b = append(b, e.Account...)
	b = append(b, `","call":"`...)
	b = append(b, e.Call...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	b = append(b, `,"data":`...)
	b = append(b, data...)
	return append(b, '}')
}

// envelope is the reading side: only what an Event holds.
type envelope struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	Account     string          `json:"account"`
	Call        string          `json:"call"`
	Seq         uint64          `json:"seq"`
	Data        json.RawMessage `json:"data"`
}

// Decode reads an envelope. It is the tolerant side of the promise: unknown
// attributes, types and payload fields pass; broken ids do not. Data of the
// result is a json.RawMessage of its own.
func Decode(b []byte) (Event, error) {
	var v envelope
	if err := json.Unmarshal(b, &v); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	switch {
	case v.SpecVersion != "1.0":
		return Event{}, errors.New("event: specversion: not 1.0")
	case !ValidAccount(v.Account):
		return Event{}, errors.New("event: account: not an id")
	case !validStory(v.Call):
		return Event{}, errors.New("event: call: not a call id")
	case !validType(v.Type):
		return Event{}, errors.New("event: type: not a type")
	case v.Seq == 0:
		return Event{}, errors.New("event: seq: must be above 0")
	case v.ID != ID(v.Call, v.Seq):
		return Event{}, errors.New("event: id: not that of its call and seq")
	case len(v.Data) == 0 || v.Data[0] != '{':
		return Event{}, errors.New("event: data: not a JSON object")
	case v.Time.IsZero():
		return Event{}, errors.New("event: time: missing")
	}
	return Event{Account: v.Account, Call: v.Call, Type: v.Type, Time: v.Time.UTC(), Seq: v.Seq, Data: v.Data}, nil
}

// ID is the id of an event and the Nats-Msg-Id of its message.
func ID(call string, seq uint64) string {
	return call + "-" + strconv.FormatUint(seq, 10)
}

// Subject returns where e is published: ringdown.v1.<account>.call.<call>.<event>,
// the types call.* without their first word, or, of the node,
// ringdown.v1._sys.node.<id>.<event>. It is empty for an event that
// Encode would refuse for its ids or type: nothing else gets into a subject.
func Subject(e Event) string {
	if !ValidAccount(e.Account) || !validStory(e.Call) || !validType(e.Type) {
		return ""
	}
	return CallSubject(e.Account, e.Call) + strings.TrimPrefix(e.Type, "call.")
}

// CallSubject is the subject of a call's events up to and with the last dot;
// with ">" behind it, all of them. It is empty when an id is not one.
func CallSubject(account, call string) string {
	if !ValidAccount(account) || !validStory(call) {
		return ""
	}
	if ValidNode(call) {
		return "ringdown." + Version + "." + account + ".node." + call + "."
	}
	return "ringdown." + Version + "." + account + ".call." + call + "."
}
