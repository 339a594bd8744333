package main

import (
	"fmt"

	"ringdown/events"
)

// playedWords says what somebody was played, and whether he heard it to the end.
func playedWords(p events.MediaPlayedData) string {
	names := map[string]string{"ringback": "a ringback tone of ours", "music-on-hold": "music on hold", "beep": "the beep of a recording"}
	name, ok := names[p.Sound]
	if !ok {
		name = p.Sound
	}
	if p.End == "failed" {
		return fmt.Sprintf("%s could not be played to the %s", name, p.Side)
	}
	text := fmt.Sprintf("%s to the %s for %s", name, p.Side, span(p.PlayedMS))
	if p.Times > 1 {
		text += fmt.Sprintf(" in %d times", p.Times)
	}
	ends := map[string]string{
		"replaced": "until another sound took its place", "digit": "until a key was pressed",
		"no-codec": "until nothing was left that both speak",
	}
	switch end := ends[p.End]; {
	case end != "":
		text += ", " + end
	case !p.Complete:
		text += ", not to its end"
	}
	return text
}
