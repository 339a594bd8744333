package recorder

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/store/storetest"
)

// erasing are keys that can be destroyed one by one.
type erasing struct {
	*fakeKeys
	erased []string
}

func (k *erasing) EraseRecording(ref string) error {
	k.erased = append(k.erased, ref)
	return nil
}

// A message too short to be one leaves neither a file nor a key, and is told of once,
// whatever is asked of it later.
func TestWhatIsDiscardedIsGone(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		keys := &erasing{fakeKeys: w.keys}
		w.rec.deps.Keys = keys
		r := w.open()
		talk(r, 0, 3*time.Second)
		r.Discard()
		r.Close(time.Now())
		synctest.Wait()
		if files := w.disk.Files(); len(files) != 0 {
			t.Errorf("left behind: %q", files)
		}
		if len(keys.erased) != 1 {
			t.Errorf("keys destroyed: %q", keys.erased)
		}
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed)
		if d := of[events.RecordingFailedData](w.told)[0]; d.Reason != "discarded" || d.Recording != r.ID() {
			t.Errorf("told %+v", d)
		}
	})
}

// The manifest of a message says so, also of one that a crash cut off.
func TestManifestOfAMessage(t *testing.T) {
	for _, killed := range []bool{false, true} {
		in(t, func(t *testing.T) {
			w := newWorld(t, &storetest.Memory{})
			i := info()
			i.Source, i.Mailbox, i.Channels = "voicemail", "sales", "mono"
			r, err := w.rec.Open(context.Background(), i, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Formats(media.Caller, []media.Format{{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}})
			talk(r, 0, 3*time.Second)
			if killed {
				w = restarted(t, w.disk.Restart(false), w.keys)
				if err := w.rec.Recover(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			r.Close(time.Now())
			ms, err := w.rec.Verify(context.Background(), r.ID(), true)
			if err != nil || len(ms) != 1 || ms[0].Source != "voicemail" || ms[0].Mailbox != "sales" {
				t.Errorf("killed %v: %+v, %v", killed, ms, err)
			}
		})
	}
}
