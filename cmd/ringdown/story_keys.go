package main

import (
	"encoding/json"
	"strings"

	"ringdown/events"
)

// keysStory is a run of keys of one side: how many, and never which.
type keysStory struct {
	events.DTMFDetectedData
	AfterMS int64 `json:"after_ms"` // until it was over
}

func (s *story) foldKeys(e events.Event, data json.RawMessage) error {
	k := keysStory{AfterMS: e.Time.Sub(s.first).Milliseconds()}
	err := json.Unmarshal(data, &k.DTMFDetectedData)
	s.Keys = append(s.Keys, k)
	return err
}

// waysInWords says how keys travelled.
var waysInWords = strings.NewReplacer("rfc4733", "as events in RTP", "inband", "as tones", "info", "by INFO")

func (s *story) keys(b *strings.Builder) {
	for _, k := range s.Keys {
		what := count(k.Count, "key") + " pressed by the " + k.Side
		switch k.Class {
		case "fax":
			what = "tones of a fax machine from the " + k.Side
		case "flash":
			what = count(k.Count, "flash") + " of the hook by the " + k.Side
		}
		line(b, "Keys", "%s, %s, until %s", what, waysInWords.Replace(strings.Join(k.Ways, " and ")), span(k.AfterMS))
	}
}
