package main

import (
	"encoding/json"
	"strings"

	"ringdown/events"
)

// holdStory is one hold: from call.held to the call.resumed of the same party.
type holdStory struct {
	Party   string `json:"party"`
	AfterMS int64  `json:"after_ms"`         // since the call was received
	ForMS   *int64 `json:"for_ms,omitempty"` // absent: until the end
}

func (s *story) foldHold(e events.Event, data []byte) error {
	var d events.CallHeldData
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	after := e.Time.Sub(s.first).Milliseconds()
	if e.Type == events.CallHeld {
		s.Holds = append(s.Holds, &holdStory{Party: d.Party, AfterMS: after})
		return nil
	}
	for _, h := range s.Holds {
		if h.Party == d.Party && h.ForMS == nil {
			long := after - h.AfterMS
			h.ForMS = &long
		}
	}
	return nil
}

func (s *story) holds(b *strings.Builder) {
	for _, h := range s.Holds {
		long := "until the end"
		switch {
		case h.ForMS != nil:
			long = "for " + span(*h.ForMS)
		case s.Ended == nil:
			long = "and still"
		}
		line(b, "On hold", "by the %s after %s, %s", h.Party, span(h.AfterMS), long)
	}
	if d := s.Ended; d != nil && d.HoldMS > 0 {
		line(b, "", "%s of the talk in all", span(d.HoldMS))
	}
}
