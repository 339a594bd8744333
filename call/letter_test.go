package call

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

const mailbox = `[{"voicemail": {"prompt": "leave-message", "mailbox": "sales", "silence": "PT4S", "limit": "PT30S"}}]`

// TestMessages: what becomes of a message, by when the caller leaves and whether he
// speaks, and what the recording and the relay are told.
func TestMessages(t *testing.T) {
	talking := func() time.Time { return time.Now() }
	nothing := func() time.Time { return time.Time{} }
	for _, c := range []struct {
		name   string
		spoke  func() time.Time
		do     func(v *visit)
		left   string // how it ended; empty: there is none
		status string
	}{
		{"leaves in the words", talking, func(v *visit) {}, "", "abandoned"},
		{"leaves in the tone", talking, func(v *visit) { v.hears(forMessage, "en/leave-message", media.PlayFinished) }, "", "abandoned"},
		{"leaves at once", talking, func(v *visit) { v.tone(); v.pass(500 * time.Millisecond) }, "", "abandoned"},
		{"leaves having spoken", talking, func(v *visit) { v.tone(); v.pass(5 * time.Second) }, "caller", "completed"},
		{"presses the key", talking, func(v *visit) { v.tone(); v.pass(5 * time.Second); v.presses('#') }, "key", "completed"},
		{"goes straight to the tone", talking, func(v *visit) {
			v.hears(forMessage, "en/leave-message", media.PlayBarged)
			v.hears(forTone, "", media.PlayFinished)
			v.pass(5 * time.Second)
			v.presses('#')
		}, "key", "completed"},
		{"says too much", talking, func(v *visit) { v.tone(); v.pass(31 * time.Second) }, "limit", "completed"},
		{"says nothing", nothing, func(v *visit) { v.tone(); v.pass(5 * time.Second) }, "", "completed"},
		{"says nothing and leaves", nothing, func(v *visit) { v.tone(); v.pass(3 * time.Second) }, "", "abandoned"},
		{"says nothing and presses the key", nothing, func(v *visit) { v.tone(); v.pass(3 * time.Second); v.presses('#') }, "", "completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.spoke, w.recordFor = c.spoke, 20*time.Millisecond
			visited(t, w, mailbox, announced, func(v *visit) {
				v.says(Acked{At: Now()})
				c.do(v)
				v.leaves()
				if end := tellsOf[events.CallEndedData](v, events.CallEnded); end.Status != c.status {
					t.Errorf("ended %s", end.Status)
				}
				v.over()
				if c.left == "" {
					if n := len(w.recs); n > 1 || n == 1 && !w.recs[0].discarded {
						t.Errorf("%d recordings are kept", n)
					}
					return
				}
				d := tellsOf[events.VoicemailLeftData](v, events.VoicemailLeft)
				if d.EndedBy != c.left || d.Mailbox != "sales" || d.DurationMS < 4900 || d.DurationMS > 31_000 {
					t.Errorf("left %+v", d)
				}
				if !slices.Contains(w.keys, "the caller dictates") {
					t.Errorf("the relay was told %q", w.keys)
				}
				if len(w.recs) != 1 || w.recs[0].discarded || w.recs[0].info.Source != FromVoicemail || w.recs[0].info.Mailbox != "sales" ||
					w.recs[0].info.Recording.Channels != "mono" || d.Recording != w.recs[0].ID() {
					t.Errorf("recordings %+v", w.recs)
				}
			})
		})
	}
}

// tone has the caller hear the words and the tone.
func (v *visit) tone() {
	v.t.Helper()
	v.hears(forMessage, "en/leave-message", media.PlayFinished)
	v.hears(forTone, "", media.PlayFinished)
	v.pass(30 * time.Millisecond)
}

// TestMessageFallsSilent: the ear ends a message, some time after the last word.
func TestMessageFallsSilent(t *testing.T) {
	w := newWorld()
	var last atomic.Int64
	w.spoke = func() time.Time { return time.Unix(0, last.Load()) }
	visited(t, w, mailbox, announced, func(v *visit) {
		v.says(Acked{At: Now()})
		v.tone()
		v.pass(3 * time.Second)
		last.Store(time.Now().UnixNano())
		v.pass(3900 * time.Millisecond)
		if w.end() != nil {
			t.Error("it ended before its time")
		}
		v.pass(200 * time.Millisecond)
		if d := tellsOf[events.VoicemailLeftData](v, events.VoicemailLeft); d.EndedBy != "silence" {
			t.Errorf("left %+v", d)
		}
	})
}

// TestMessageWithoutADisk: a caller whose message cannot be recorded is not left
// speaking to nobody.
func TestMessageWithoutADisk(t *testing.T) {
	w := newWorld()
	w.recordErr = errors.New("injected")
	visited(t, w, mailbox, announced, func(v *visit) {
		v.says(Acked{At: Now()})
		v.hears(forMessage, "en/leave-message", media.PlayFinished)
		v.pass(time.Second)
		if end := w.end(); end == nil || end.EndedBy != string(ByFlow) || len(w.recs) != 0 {
			t.Errorf("ended %+v", end)
		}
	})
}

// TestMessageOutlivesAPanic: what a caller has said is kept when his call breaks, and
// a recording that opens behind that is thrown away.
func TestMessageOutlivesAPanic(t *testing.T) {
	for _, opening := range []bool{false, true} {
		w := newWorld()
		w.recordFor = time.Second
		table := flowTable(t, mailbox, announced)
		synctest.Test(t, func(t *testing.T) {
			w.table = table
			b := w.board(Config{})
			v := &visit{t: t, w: w, b: b}
			v.a, _ = admitted(t, b)
			v.pass(10 * time.Millisecond)
			v.says(Acked{At: Now()})
			v.hears(forMessage, "en/leave-message", media.PlayFinished)
			v.hears(forTone, "", media.PlayFinished)
			if !opening {
				v.pass(5 * time.Second)
			}
			v.says(Offered{Now(), 1, []byte("panic")})
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b.Stats().Panics != 1 || len(w.recs) != 1 || w.recs[0].times != 1 || w.recs[0].discarded != opening {
				t.Errorf("opening: %t: %d panics, recordings %+v", opening, b.Stats().Panics, w.recs[0])
			}
		})
	}
}

const asksOwner = `[{"hook": {"url": "https://hooks.example/call", "deadline": "PT2S", "fallback": [{"dial": {"targets": [{"uri": "sip:two@127.0.0.1"}]}}]}},
	{"reject": {"reason": "unavailable"}}]`

// TestHookAndItsTime: a reply in time decides, one that comes too late or never does
// not; a caller who leaves meanwhile takes the question back.
func TestHookAndItsTime(t *testing.T) {
	elsewhere := routing.HookReply{Targets: []routing.Destination{{URI: "sip:three@127.0.0.1"}}}
	for _, c := range []struct {
		name   string
		takes  time.Duration
		why    string
		deaf   bool // goes on after its time
		leaves bool
		want   string
	}{
		{"in time", time.Second, "", false, false, "sip:three@127.0.0.1"},
		{"too late", 5 * time.Second, "", true, false, "sip:two@127.0.0.1"},
		{"down", 0, "unreachable", false, false, "sip:two@127.0.0.1"},
		{"caller leaves", 5 * time.Second, "", false, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.reply = func(ctx context.Context, q Question) (routing.HookReply, string) {
				late := time.After(c.takes)
				select {
				case <-late:
				case <-ctx.Done():
					if !c.deaf {
						return routing.HookReply{}, "timeout"
					}
					<-late
				}
				if c.why != "" {
					return routing.HookReply{}, c.why
				}
				return elsewhere, ""
			}
			visited(t, w, asksOwner, announced, func(v *visit) {
				if c.leaves {
					v.a.send(Cancelled{At: Now()})
					v.says(Gone{Now()})
				}
				v.pass(6 * time.Second)
				switch l := w.b(0); {
				case c.want == "" && l != nil:
					t.Errorf("%s was rung for nobody", l.dial.Target.URI)
				case c.want != "" && (l == nil || l.dial.Target.URI != c.want || w.b(1) != nil):
					t.Errorf("%d were rung", len(w.legs))
				}
			})
		})
	}
}

// TestLateRecordingLeavesTheMessage: a recording from the ringing on that opens when a
// message is being spoken hears the call when the message is over, not before.
func TestLateRecordingLeavesTheMessage(t *testing.T) {
	w := newWorld()
	w.recordFor = 3 * time.Second
	flow := `[{"dial": {"targets": [{"uri": "sip:one@127.0.0.1"}]}}, {"voicemail": {"mailbox": "sales", "silence": "PT4S"}}]`
	visited(t, w, flow, routing.RecordingPolicy{Mode: recordFromRinging}, func(v *visit) {
		w.recordFor = 20 * time.Millisecond
		w.b(0).send(Failed{Now(), Cause{Status: 486, Remote: true}})
		w.b(0).send(Gone{Now()})
		v.pass(time.Second / 2)
		v.says(Acked{At: Now()})
		v.tone()
		if len(w.recordings()) != 1 || w.recordings()[0].info.Source != FromVoicemail || w.recordings()[0].pauses() != "tap" {
			t.Fatalf("recordings %+v", w.recordings())
		}
		v.pass(3 * time.Second)
		if len(w.recordings()) != 2 || w.recordings()[1].pauses() != "" {
			t.Fatalf("the recording of the ringing hears the message: %+v", w.recordings())
		}
		v.leaves()
		if w.recordings()[1].pauses() != "tap" || w.recordings()[1].times != 1 || w.recordings()[0].discarded || w.recordings()[0].times != 1 {
			t.Errorf("recordings %+v, %+v", w.recordings()[0], w.recordings()[1])
		}
	})
}

// TestMessagesApart: the recording of a message that nobody waits for is told from the
// one that is being spoken into, in whatever order they open.
func TestMessagesApart(t *testing.T) {
	c := newCall(newWorld().board(Config{}), "call_1", defaultSetup().invite, refusedLeg{}, nil)
	late, spoken := &fakeRecording{}, &fakeRecording{}
	c.keepLetter(dictated{Dictating{Now(), 2, nil}, spoken})
	c.keepLetter(dictated{Dictating{Now(), 1, nil}, late})
	c.keepLetter(dictated{Dictating{Now(), 3, errors.New("injected")}, nil})
	c.closeLetter(doCloseLetter{number: 1, ended: time.Now()})
	c.aside.Wait()
	if !late.discarded || spoken.times != 0 || len(c.letters) != 1 {
		t.Errorf("late %+v, spoken %+v, %d kept", late, spoken, len(c.letters))
	}
}
