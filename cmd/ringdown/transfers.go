package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"ringdown/events"
)

// transferStory is one party's wish to give his place to another.
type transferStory struct {
	AfterMS int64         `json:"after_ms"` // since the call was received
	Kind    string        `json:"kind"`
	Side    string        `json:"side"`
	Result  string        `json:"result"`           // asked, refused, failed, done, given
	Reason  string        `json:"reason,omitempty"` // of a refusal
	Joined  string        `json:"joined,omitempty"` // leg
	From    string        `json:"from_call,omitempty"`
	To      string        `json:"to_call,omitempty"`
	TookMS  int64         `json:"took_ms"`
	Cause   *events.Cause `json:"cause,omitempty"`
	Trace   []events.Look `json:"trace,omitempty"`
}

func (s *story) foldTransfer(e events.Event, data []byte) error {
	after := e.Time.Sub(s.first).Milliseconds()
	switch e.Type {
	case events.CallTransferRequested:
		var d events.CallTransferRequestedData
		err := json.Unmarshal(data, &d)
		t := &transferStory{AfterMS: after, Kind: d.Kind, Side: d.Side, Result: "asked", Reason: d.Reason, Trace: d.Trace}
		if d.Reason != "" {
			t.Result = "refused"
		}
		s.Transfers = append(s.Transfers, t)
		return err
	case events.CallTransferred:
		var d events.CallTransferredData
		err := json.Unmarshal(data, &d)
		t := s.asked(after, d.Kind, d.Side)
		t.Result, t.Joined, t.From, t.To, t.TookMS = "done", d.Joined, d.FromCall, d.ToCall, after-t.AfterMS
		if d.ToCall != "" {
			t.Result = "given"
		}
		if l := s.legs[d.Joined]; l != nil {
			l.Winner = true
		}
		return err
	default:
		var d events.CallTransferFailedData
		err := json.Unmarshal(data, &d)
		t := s.asked(after, d.Kind, d.Side)
		t.Result, t.Cause, t.TookMS = "failed", &d.Cause, after-t.AfterMS
		return err
	}
}

// asked is the transfer that is under way; what another call asked for begins here.
func (s *story) asked(after int64, kind, side string) *transferStory {
	for _, t := range s.Transfers {
		if t.Result == "asked" && t.Kind == kind && t.Side == side {
			return t
		}
	}
	t := &transferStory{AfterMS: after, Kind: kind, Side: side}
	s.Transfers = append(s.Transfers, t)
	return t
}

func (s *story) transfers(b *strings.Builder) {
	if len(s.Transfers) == 0 {
		return
	}
	b.WriteString("\nTransfers\n")
	for _, t := range s.Transfers {
		fmt.Fprintf(b, "  after %-8s %s\n", span(t.AfterMS), clean(t.words(s)))
		if t.Result != "refused" {
			continue
		}
		for _, l := range t.Trace {
			fmt.Fprintf(b, "    %-9s %-8s %s\n", clean(l.What), clean(l.Result), clean(l.Text))
		}
	}
}

// words tells one transfer.
func (t *transferStory) words(s *story) string {
	text := "the " + t.Side + " asked to have the other side put through"
	switch t.Kind {
	case "attended":
		text += ", to somebody spoken with before"
	case "replaces":
		text = "somebody called to take the place of the " + t.Side
	}
	switch t.Result {
	case "refused":
		return text + ": refused, " + transferRefusedFor(t.Reason)
	case "failed":
		return fmt.Sprintf("%s: came to nothing after %s: %s", text, span(t.TookMS), causeWords(t.Cause))
	case "given":
		return "the other side was put through to call " + t.To + ", and this call ended"
	case "done":
		who := "attempt"
		for i, l := range s.Attempts {
			if l.Leg == t.Joined {
				who = fmt.Sprintf("attempt %d", i+1)
			}
		}
		if t.From != "" {
			who += ", which came from call " + t.From + ","
		}
		return fmt.Sprintf("%s: put through after %s, %s has its place", text, span(t.TookMS), who)
	}
	return text + ": under way"
}

// transferRefusedFor says in words why a transfer was not taken on.
func transferRefusedFor(reason string) string {
	words := map[string]string{
		"transfer-not-allowed": "no rule lets it pass",
		"no-route":             "who was asked for cannot be reached",
		"policy-error":         "the decision could not be made",
		"pending":              "something else was going on in the call",
	}
	if w, ok := words[reason]; ok {
		return w
	}
	return strings.ReplaceAll(reason, "-", " ")
}
