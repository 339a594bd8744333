package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"ringdown/events"
)

// demoLine is what a person reads beside an event's type.
func demoLine(e demoEvent) string {
	var d struct {
		TrackingNumber string            `json:"tracking_number"`
		Attribution    map[string]string `json:"attribution"`
		Flow           string            `json:"flow"`
		RecordingMode  string            `json:"recording_mode"`
		RecordingFrom  string            `json:"recording_from"`
		Role           string            `json:"role"`
		Side           string            `json:"side"`
		Recording      string            `json:"recording"`
		EndedBy        string            `json:"ended_by"`
		Status         string            `json:"status"`
		TalkMS         int64             `json:"talk_ms"`
		BillableMS     int64             `json:"billable_ms"`
		DurationMS     int64             `json:"duration_ms"`
		Segments       int64             `json:"segments"`
		Result         string            `json:"result"`
		Reason         string            `json:"reason"`
		RejectReason   string            `json:"reject_reason"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return "unreadable: " + err.Error()
	}
	switch e.Type {
	case events.CallReceived:
		var of struct { // other events name a leg by the same key
			Caller events.Party `json:"caller"`
		}
		if err := json.Unmarshal(e.Data, &of); err != nil {
			return "unreadable: " + err.Error()
		}
		return fmt.Sprintf("from %s to %s, advert %s", of.Caller.Masked, d.TrackingNumber, attribution(d.Attribution))
	case events.CallRouted:
		return fmt.Sprintf("flow %s, %s (decided by the %s)", d.Flow, d.RecordingMode, d.RecordingFrom)
	case events.CallRejected:
		return d.RejectReason
	case events.CallEnded:
		return fmt.Sprintf("%s by %s, talk %s, billable %s", d.Status, d.EndedBy, span(d.TalkMS), span(d.BillableMS))
	case events.LegCreated:
		return d.Role + " leg"
	case events.LegEnded:
		return "ended by " + d.EndedBy
	case events.MediaStarted:
		return "of the " + d.Side
	case events.RecordingStarted:
		return d.Recording
	case events.RecordingCompleted:
		return fmt.Sprintf("%s, %s, %d sealed segments", d.Result, span(d.DurationMS), d.Segments)
	case events.RecordingFailed, events.RecordingDegraded:
		return d.Reason
	}
	return ""
}

func attribution(m map[string]string) string {
	var parts []string
	for _, key := range []string{"source", "campaign"} {
		if m[key] != "" {
			parts = append(parts, m[key])
		}
	}
	return strings.Join(parts, "/")
}
