package call

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// agreed: nothing hears a call whose caller does not allow it, by the policy that holds
// now, and none that was begun before he opted out goes on.
func (w *witness) agreed() {
	if !w.taps || w.m.state == ended {
		return
	}
	switch has := w.m.consent(); {
	case has == routing.OptedOut:
		w.fail("the caller has opted out and is recorded in state %s", w.m.state)
	case !w.m.policy().Allows(has):
		w.fail("recorded under %q, and the caller's consent is %q", w.m.policy().Consent, has)
	}
}

const dialsTwice = `[{"greeting": {"prompt": "hello"}}, {"recording": {"mode": "record-from-ringing", "channels": "mono"}},
	{"dial": {"targets": [{"uri": "sip:one@127.0.0.1"}]}}, {"menu": {"prompt": "menu", "options": {"2": [{"consent": "opt-out"}]}}},
	{"dial": {"targets": [{"uri": "sip:two@127.0.0.1"}]}}]`

// TestRecordedAsTheFlowSays: a recording has the policy of the step before it, not the
// one that the call began with, and is thrown away when the caller opts out.
func TestRecordedAsTheFlowSays(t *testing.T) {
	w := newWorld()
	visited(t, w, dialsTwice, routing.RecordingPolicy{Mode: recordFromAnswer}, func(v *visit) {
		v.says(Acked{At: Now()})
		v.hears(forGreeting, "hello.wav", media.PlayFinished)
		if len(w.recordings()) != 1 || w.recordings()[0].info.Recording.Mode != recordFromRinging || w.recordings()[0].info.Recording.Channels != "mono" {
			t.Fatalf("%d recordings", len(w.recordings()))
		}
		one := w.b(0)
		one.send(Failed{Now(), Cause{Status: 486, Remote: true}})
		one.send(Gone{Now()})
		v.pass(10 * time.Millisecond)
		v.presses('2')
		if r := w.recordings()[0]; !r.discarded || r.times != 1 {
			t.Errorf("discarded %t, ended %d times", r.discarded, r.times)
		}
		w.b(1).send(Answered{At: Now(), Body: []byte("answer")})
		v.pass(time.Second)
		v.leaves()
		if len(w.recordings()) != 1 {
			t.Errorf("%d recordings", len(w.recordings()))
		}
	})
}
