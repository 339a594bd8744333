package call

import (
	"testing"

	"ringdown/media"
	"ringdown/routing"
)

func sideOf(word string) media.Side {
	return map[string]media.Side{"caller": media.Caller, "callee": media.Callee}[word]
}

// orderOf reads an order of a transcript.
func orderOf(t *testing.T, what string, side media.Side, how string) Order {
	t.Helper()
	on := how != "off"
	switch what {
	case "transfer":
		return TransferTo{Side: side, To: routing.Destination{URI: "sip:201@pbx"}}
	case "connect":
		return ConnectTo{Side: side, Call: "call_2", Party: media.Caller}
	case "play":
		return PlayTo{Side: side, Prompt: "goodbye", Under: how == "under"}
	case "hold":
		return PutOnHold{Side: side, On: on}
	case "mute":
		return MuteParty{Side: side, On: on}
	case "pause":
		return PauseRecording{On: on}
	case "record":
		return SwitchRecording{On: on}
	case "tag":
		return TagWith{Tags: map[string]string{"quality": "good"}}
	}
	return StopPlaying{} // of TestEveryPair's arguments
}
