package call

import (
	"testing"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// What was played is told with who heard it, whichever way it ended, and a sound
// that cannot begin is told too.
func TestWhatWasPlayedIsTold(t *testing.T) {
	m := machineIn(t, inProgress)
	m.decision.Sounds = routing.Sounds{MusicOnHold: "broken.wav"}
	m.hold.now = Holds{Caller: true}
	m.out = nil
	m.music()
	if len(m.out) != 1 {
		t.Fatalf("%d actions", len(m.out))
	}
	order := m.out[0].(doPlay).order
	if order.To != media.Callee || order.For != forHold || !order.Loop || order.Under {
		t.Errorf("order %+v", order)
	}
	out, known := m.step("", Sounded{At: At{zero}, Playback: media.Playback{To: media.Callee, For: forHold, End: media.PlayFailed}})
	if !known || len(out) != 1 {
		t.Fatalf("known %v, %d actions", known, len(out))
	}
	data := out[0].(doPublish).data.(events.MediaPlayedData)
	if data.End != "failed" || data.Leg == "" || data.Side != "callee" || data.Complete {
		t.Errorf("told %+v", data)
	}
	if m.out = nil; len(m.sounds) != 0 {
		t.Error("it counts as playing")
	}
	m.music()
	if len(m.out) != 1 {
		t.Errorf("%d actions: it is not tried again with the next negotiation", len(m.out))
	}
}

func TestBeepNeedsARecording(t *testing.T) {
	m := machineIn(t, inProgress)
	m.decision.Sounds.Beep = routing.Beeps{Every: 15 * time.Second}
	for state, want := range map[recordingState]int{notRecording: 0, opening: 0, recordingOver: 0, recording: 2} {
		m.out, m.sounds, m.recording = nil, nil, state
		if m.beeps(); len(m.out) != want {
			t.Errorf("recording %d: %d beeps", state, len(m.out))
		}
	}
}
