package outbox

import (
	"testing"
	"testing/synctest"

	"ringdown/events"
)

// TestRecordingEndsOnce: the end of a recording told once more, at once or by
// the next process, which cannot know, is no second event and no error.
func TestRecordingEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a := call('A')
		other := ev(a, events.RecordingCompleted)
		other.Data = events.RecordingCompletedData{Recording: "rec_2"}
		r.publish(ev(a, events.CallReceived))
		r.publish(ev(a, events.RecordingStarted))
		r.publish(ev(a, events.RecordingFailed)) // left for recovery: its completion may follow
		r.publish(ev(a, events.RecordingCompleted))
		r.publish(ev(a, events.RecordingCompleted))
		r.flush()
		r.publish(ev(a, events.RecordingCompleted))
		d := r.dead()
		check := func(r *rig, story, want string) {
			t.Helper()
			synctest.Wait()
			if got := r.story(); got != story {
				t.Errorf("told %s, want %s", got, story)
			}
			if got := brief(r.readAll()); got != want {
				t.Errorf("log is %s, want %s", got, want)
			}
		}
		r = startRig(t, d, testConfig())
		r.publish(ev(a, events.RecordingCompleted))
		r.publish(other)
		r.publish(ev(a, events.CallEnded))
		r.flush()
		check(r, "recording.completed:ok recording.completed:ok ended:ok",
			"A/1:received A/2:recording.started A/3:recording.failed A/4:recording.completed A/5:recording.completed A/6:ended")
		if s := r.o.Stats(); s.Refused != 0 {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}
