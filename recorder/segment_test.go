package recorder

import (
	"context"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/recorder/store/storetest"
)

// stretch opens the recording of a call's second segment.
func (w *world) stretch() *Recording {
	w.t.Helper()
	i := info()
	i.Segment, i.Previous, i.Caller, i.Callee = 2, "rec_before", "leg_1", "leg_3"
	r, err := w.rec.Open(context.Background(), i, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	describe(r)
	return r
}

func checkStretch(t *testing.T, w *world, id string) {
	t.Helper()
	ms, err := w.rec.Verify(context.Background(), id, true)
	if err != nil || len(ms) != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
	if m := ms[0]; m.Segment != 2 || m.Previous != "rec_before" || m.Caller.Leg != "leg_1" || m.Callee.Leg != "leg_3" {
		t.Errorf("manifest %+v", m)
	}
}

// A segment says in its event and its manifest which it is, what was before it
// and who speaks; the first one says that it is the first.
func TestSegmentSaysWhoSpeaks(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		first := w.open()
		second := w.stretch()
		talk(second, 0, time.Second)
		first.Close(time.Now())
		second.Close(time.Now())
		checkStretch(t, w, second.ID())
		told := of[events.RecordingStartedData](w.told)
		if len(told) != 2 || told[0].Segment != 1 || told[0].Previous != "" ||
			told[1].Segment != 2 || told[1].Previous != "rec_before" || told[1].Caller != "leg_1" || told[1].Callee != "leg_3" {
			t.Errorf("told %+v", told)
		}
	})
}

// After a kill it is all still known: it stands in the sealed file.
func TestSegmentIsKnownAfterACrash(t *testing.T) {
	in(t, func(t *testing.T) {
		keys, disk := newFakeKeys(), &storetest.Memory{}
		w := restarted(t, disk, keys)
		r := w.stretch()
		talk(r, 0, 2*time.Second)
		next := disk.Restart(false)
		r.Close(time.Now())
		time.Sleep(time.Minute)
		w = restarted(t, next, keys)
		if err := w.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		checkStretch(t, w, r.ID())
	})
}

// A kill while a transfer is under way: the recording of the next segment is open
// and that of before is not closed yet. Both are found, closed and genuine,
// and each says what it is.
func TestKillBetweenTwoSegments(t *testing.T) {
	in(t, func(t *testing.T) {
		keys, disk := newFakeKeys(), &storetest.Memory{}
		w := restarted(t, disk, keys)
		first := w.open()
		talk(first, 0, 2*time.Second)
		second := w.stretch()
		talk(second, 0, time.Second)
		next := disk.Restart(false)
		first.Close(time.Now())
		second.Close(time.Now())
		time.Sleep(time.Minute)
		w = restarted(t, next, keys)
		if err := w.rec.Recover(context.Background()); err != nil || w.rec.Stats().Left > 0 {
			t.Fatalf("%v, %d left", err, w.rec.Stats().Left)
		}
		checkStretch(t, w, second.ID())
		ms, err := w.rec.Verify(context.Background(), first.ID(), true)
		if err != nil || len(ms) != 1 || ms[0].Segment != 1 || ms[0].Previous != "" {
			t.Errorf("the first: %+v, %v", ms, err)
		}
		done := of[events.RecordingCompletedData](w.told)
		if len(done) != 2 || done[0].Completion != Recovered || done[1].Completion != Recovered {
			t.Errorf("told %+v", done)
		}
	})
}
