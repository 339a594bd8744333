package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"ringdown/events"
)

// heardStory is one thing that was said of how a party is heard.
type heardStory struct {
	Type    string                   `json:"type"` // of the event
	AfterMS int64                    `json:"after_ms"`
	Quality *events.MediaQualityData `json:"quality,omitempty"`
	Unheard *events.MediaUnheardData `json:"unheard,omitempty"`
	Timeout *events.MediaTimeoutData `json:"timeout,omitempty"`
}

func (s *story) foldHeard(e events.Event, data []byte) error {
	h := &heardStory{Type: e.Type, AfterMS: e.Time.Sub(s.first).Milliseconds()}
	s.Heard = append(s.Heard, h)
	switch e.Type {
	case events.MediaQuality:
		return json.Unmarshal(data, &h.Quality)
	case events.MediaTimeout:
		return json.Unmarshal(data, &h.Timeout)
	}
	return json.Unmarshal(data, &h.Unheard)
}

// heard tells what was said of the sound of the call.
func (s *story) heard(b *strings.Builder) {
	for _, h := range s.Heard {
		switch {
		case h.Unheard != nil:
			line(b, "Sound", "%s", unheardWords(h))
		case h.Timeout != nil:
			d := h.Timeout
			line(b, "Sound", "nothing came from the %s for %s%s: the call was ended after %s", d.Side, span(d.SilentMS), limitWords(d.Limit), span(h.AfterMS))
		case h.Quality.State == "live":
			d := h.Quality
			line(b, "Quality", "of the %s became %s after %s: %s", d.Side, d.Class, span(h.AfterMS), figuresWords(d))
		default:
			line(b, "Quality", "of the %s: %s", h.Quality.Side, figuresWords(h.Quality))
			if r := h.Quality.Reported; r != nil {
				line(b, "", "it says of what it heard: %s", reportedWords(r))
			}
		}
	}
}

// limitWords says which limit of the watchdog it was.
func limitWords(limit string) string {
	switch limit {
	case "initial":
		return " from the answer on"
	case "held":
		return " while it was on hold, or rested"
	}
	return ""
}

// unheardWords says who was not heard and why.
func unheardWords(h *heardStory) string {
	d := h.Unheard
	who := "the " + d.Side + " was not heard"
	if h.Type == events.MediaSilence && d.Verdict != "muted" {
		who = "the " + d.Side + " was not heard, and neither was the other side"
	}
	if d.State == "over" {
		return fmt.Sprintf("the %s was heard again after %s, %s without", d.Side, span(h.AfterMS), span(d.LastedMS))
	}
	return fmt.Sprintf("%s: %s", who, verdictWords(d.Verdict, d.Source))
}

// verdictWords says why a party is not heard, and what helps.
func verdictWords(verdict, source string) string {
	from := map[string]string{
		"other-port": "another port of its own address", "public": "another public address", "private": "a private address",
		"link-local": "a link-local address", "loopback": "a loopback address",
	}[source]
	if from == "" {
		from = "elsewhere"
	}
	words := map[string]string{
		"never-sent":      "it never sent any sound",
		"private-address": "its description names a private address, which cannot be reached from here (media_rule: latch would learn its true one)",
		"payload-type":    "its packets are of a payload type that nobody agreed on",
		"wrong-source":    "its packets came from " + from + ", which its description and trunk do not allow (media_rule: latch would learn it)",
		"muted":           "its packets held only silence (a muted microphone)",
		"stopped":         "it stopped sending",
		"blocked":         "it says that it sends, and nothing arrives (a firewall on the way)",
	}
	if w, ok := words[verdict]; ok {
		return w
	}
	return strings.ReplaceAll(verdict, "-", " ")
}

// figuresWords tells the figures of a stream.
func figuresWords(d *events.MediaQualityData) string {
	var parts []string
	if d.Codec != "" {
		parts = append(parts, d.Codec)
	}
	parts = append(parts, fmt.Sprintf("%.2f %% of %s lost", d.LossPercent, count(int(d.Expected), "packet")), fmt.Sprintf("jitter %.1f ms", d.JitterMS))
	if d.RTTMS > 0 {
		parts = append(parts, fmt.Sprintf("round trip %.0f ms", d.RTTMS))
	}
	if d.BurstDensity > 0 {
		parts = append(parts, fmt.Sprintf("%.0f %% lost in bursts", d.BurstDensity))
	}
	if d.MOSLQ > 0 {
		parts = append(parts, fmt.Sprintf("MOS %.2f (%s)", d.MOSLQ, d.Class))
	}
	return strings.Join(parts, ", ")
}

func reportedWords(r *events.MediaReported) string {
	text := fmt.Sprintf("%.2f %% lost, jitter %.1f ms", r.LossPercent, r.JitterMS)
	if r.MOSLQ > 0 {
		text += fmt.Sprintf(", MOS %.1f", r.MOSLQ)
	}
	return text
}
