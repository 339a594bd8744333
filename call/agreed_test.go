package call

import (
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// agreed: nothing hears a call whose caller, or who comes from another call as its
// caller, does not allow it, by the policy that holds now.
func (w *witness) agreed() {
	if !w.taps || w.m.state == ended {
		return
	}
	said := []string{w.m.consent()}
	if w.m.state == inProgress {
		said = nil
		if l := w.m.leg(w.m.talk.caller); l != nil && l.id != A {
			said = append(said, l.consent)
		} else if l != nil {
			said = append(said, w.m.consent())
		}
		if l := w.m.leg(w.m.talk.callee); l != nil && l.called {
			said = append(said, l.consent)
		}
	}
	for _, has := range said {
		switch {
		case has == routing.OptedOut:
			w.fail("somebody has opted out and is recorded in state %s", w.m.state)
		case !w.m.policy().Allows(has):
			w.fail("recorded under %q, and somebody's consent is %q", w.m.policy().Consent, has)
		}
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

// TestWordGoesWithTheCaller: what the caller of one call has said to being recorded is
// known in the call that he is connected to; who was called there was not asked.
func TestWordGoesWithTheCaller(t *testing.T) {
	for _, called := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.direct = allow
			b := w.board(Config{})
			_, b1 := talkingCall(t, w, b)
			first := b.Calls()[0].ID
			comes, named := talkingCall(t, w, b)
			if !called {
				comes, named = named, comes
			}
			b1.send(Referred{Now(), 1, names(named)})
			synctest.Wait()
			comes.send(Accepted{At: Now(), Body: []byte("their answer")})
			synctest.Wait()
			m := b.calls[first].machine
			l := m.leg(m.talk.callee)
			if word, asked := m.wordOf(l); m.transfers != 1 || asked != called || word != routing.NoConsent {
				t.Errorf("%d transfers; asked %t, said %q", m.transfers, asked, word)
			}
			b.StopAll(ByOperator)
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
