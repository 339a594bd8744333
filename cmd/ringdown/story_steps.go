package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringdown/events"
)

// stepStory is one thing that the flow did, in words.
type stepStory struct {
	AfterMS int64         `json:"after_ms"` // since the call was received
	Step    string        `json:"step,omitempty"`
	Text    string        `json:"text"`
	Trace   []events.Look `json:"trace,omitempty"`
}

// foldStep takes what a flow did. What was blocked is told with the recordings.
func (s *story) foldStep(e events.Event, data []byte) error {
	step := &stepStory{AfterMS: e.Time.Sub(s.first).Milliseconds()}
	var err error
	switch e.Type {
	case events.CallAttended:
		var d events.CallAttendedData
		err = json.Unmarshal(data, &d)
		s.Status = "in-progress"
		step.Step, step.Text = d.Step, "answered the caller ourselves"
	case events.CallStepped:
		var d events.CallSteppedData
		err = json.Unmarshal(data, &d)
		step.Step, step.Text, step.Trace = d.Step, stepWords(d), d.Trace
	case events.CallTagged:
		var d events.CallTaggedData
		err = json.Unmarshal(data, &d)
		step.Step, step.Text = d.Step, "tagged "+pairs(d.Tags)
	case events.VoicemailLeft:
		var d events.VoicemailLeftData
		err = json.Unmarshal(data, &d)
		step.Step, step.Text = d.Step, leftWords(d)
	case events.RecordingBlocked:
		s.Blocked = &events.RecordingBlockedData{}
		return json.Unmarshal(data, s.Blocked)
	default: // of consent
		var d events.ConsentData
		err = json.Unmarshal(data, &d)
		step.Step, step.Text = d.Step, consentWords(d)
	}
	s.Steps = append(s.Steps, step)
	return err
}

func (s *story) steps(b *strings.Builder) {
	if len(s.Steps) == 0 {
		return
	}
	b.WriteString("\nFlow\n")
	for _, step := range s.Steps {
		where := ""
		if step.Step != "" {
			where = ", " + step.Step
		}
		fmt.Fprintf(b, "  after %-8s %s\n", span(step.AfterMS), clean(step.Text+where))
		for _, l := range step.Trace {
			fmt.Fprintf(b, "    %-9s %-8s %s\n", clean(l.What), clean(l.Result), clean(l.Text))
		}
	}
}

// stepWords says what a step did and what came of it.
func stepWords(d events.CallSteppedData) string {
	text := d.Kind + ": " + strings.ReplaceAll(d.Result, "-", " ")
	switch {
	case d.Result == "unfinished":
		text = d.Kind + ": the call ended in it"
	case d.Choice != "":
		text = d.Kind + ": the caller chose " + d.Choice
	case d.Keys > 0:
		text = d.Kind + ": the caller pressed " + count(d.Keys, "key")
	case d.Kind == "menu":
		text = "menu: the caller pressed nothing in time"
	case d.Kind == "greeting":
		text = "greeting: " + map[string]string{"played": "heard to its end", "interrupted": "not heard to its end", "failed": "could not be played"}[d.Result]
	case d.Number != nil:
		text = fmt.Sprintf("%s: %d", d.Kind, *d.Number)
	case d.Flow != "":
		text += " to flow " + d.Flow
	}
	for i, t := range d.Trials {
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		text += fmt.Sprintf("%sdestination %d %s", sep, t.Target+1, strings.ReplaceAll(t.Result, "-", " "))
	}
	if len(d.Trials) > 0 {
		text += ")"
	}
	return text
}

func leftWords(d events.VoicemailLeftData) string {
	text := "left a message of " + span(d.DurationMS) + " as " + d.Recording
	if d.Mailbox != "" {
		text = "left a message of " + span(d.DurationMS) + " in mailbox " + d.Mailbox + " as " + d.Recording
	}
	ends := map[string]string{"key": "ended by a key", "limit": "ended by its limit", "silence": "ended by silence", "caller": "the caller hung up"}
	if how, ok := ends[d.EndedBy]; ok {
		return text + ", " + how
	}
	return text + ", " + endedBy(d.EndedBy)
}

func consentWords(d events.ConsentData) string {
	words := map[string]string{
		"announced":   "the notice of the recording was heard to its end",
		"interrupted": "the notice of the recording was not heard to its end",
		"opted-in":    "the caller agreed to a recording",
		"opted-out":   "the caller refused a recording",
	}
	text, ok := words[d.Outcome]
	if !ok {
		text = d.Outcome
	}
	if d.Prompt != "" {
		text += fmt.Sprintf(" (%s", d.Prompt)
		if d.Language != "" {
			text += ", " + d.Language
		}
		text += ", " + span(d.PlayedMS) + ")"
	}
	return text
}

// blockedWords says why nothing was recorded.
func blockedWords(d *events.RecordingBlockedData) string {
	words := map[string]string{
		"consent-missing":     "its notice was not played",
		"consent-interrupted": "its notice was not heard to its end",
		"consent-refused":     "the caller said no",
	}
	why, ok := words[d.Reason]
	if !ok {
		why = strings.ReplaceAll(d.Reason, "-", " ")
	}
	return "blocked: it needs consent (" + d.Policy + "), and " + why
}

func pairs(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+" "+m[k])
	}
	return strings.Join(parts, ", ")
}
