package recorder

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

func TestACallBecomesASignedFile(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		if got := w.file(".part"); got != "demo/2000/01/01/"+r.ID() {
			t.Errorf("file is %s", got)
		}
		n := talk(r, 0, 5*time.Second)
		r.Close(time.Now())

		expectTypes(t, w.told, events.RecordingStarted, events.RecordingCompleted)
		done := of[events.RecordingCompletedData](w.told)[0]
		if done.Recording != r.ID() || done.Result != OK || done.Completion != Closed || done.DurationMS != 5000 || done.Completeness != 1 {
			t.Errorf("told %+v", done)
		}
		name := w.file(".ctr")
		if int64(len(w.disk.Bytes(name+".ctr"))) != done.Bytes {
			t.Errorf("file has %d bytes, told %d", len(w.disk.Bytes(name+".ctr")), done.Bytes)
		}
		records := w.contentsOf(name + ".ctr")
		if got := len(only[format.Audio](records)); got != 2*n {
			t.Errorf("%d packets kept of %d", got, 2*n)
		}
		end := only[format.End](records)
		if len(end) != 1 || end[0].Duration != 5*time.Second || end[0].Reason != format.ReasonClosed || end[0].Caller.Packets != uint64(n) {
			t.Errorf("end %+v", end)
		}
		ms, err := w.rec.Verify(context.Background(), r.ID(), true)
		if err != nil || len(ms) != 1 || ms[0].Call != "call_1" || ms[0].Segments != done.Segments || ms[0].Root != done.Root {
			t.Errorf("verify: %+v, %v", ms, err)
		}
		if !slices.Equal(ms[0].Caller.Codecs, []string{"PCMU"}) || ms[0].Result != OK || ms[0].Part != 1 {
			t.Errorf("manifest %+v", ms[0])
		}
		wav := w.wav(r.ID())
		if len(wav[0]) != 5*8000 || len(wav[1]) != 5*8000 {
			t.Errorf("WAV has %d and %d samples", len(wav[0]), len(wav[1]))
		}
	})
}

// Everything a packet says is kept: what is dropped here is dropped for good.
func TestPacketsAreKeptAsTheyCame(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		time.Sleep(1500 * time.Millisecond)
		want := format.Audio{Side: media.Callee, PT: 0, Marker: true, Seq: 65535, TS: 1 << 31, SSRC: 77, At: 1500 * time.Millisecond, Payload: []byte{1, 2, 3}}
		r.Packet(media.Packet{Side: want.Side, Arrival: time.Now(), PT: want.PT, Marker: want.Marker, Seq: want.Seq, TS: want.TS, SSRC: want.SSRC, Payload: want.Payload})
		r.Close(time.Now())
		got := only[format.Audio](w.contentsOf(w.file(".ctr") + ".ctr"))
		if len(got) != 1 || got[0].At != want.At || !bytes.Equal(got[0].Payload, want.Payload) || got[0].Seq != want.Seq ||
			got[0].TS != want.TS || got[0].SSRC != want.SSRC || !got[0].Marker || got[0].Side != want.Side {
			t.Errorf("kept %+v", got)
		}
	})
}

// What was said is on the disk a quarter of a second later, however little.
func TestFlushedInTime(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		name := w.file(".part") + ".part"
		before := len(w.disk.Bytes(name))
		time.Sleep(time.Minute) // silence
		synctest.Wait()
		idle := len(w.disk.Bytes(name))
		if idle-before > format.Segment {
			t.Errorf("silence took %d bytes", idle-before)
		}
		r.Packet(spoken(media.Caller, 1))
		time.Sleep(249 * time.Millisecond)
		if got := len(w.disk.Bytes(name)); got != idle {
			t.Errorf("written after 249 ms: %d bytes", got-idle)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := len(w.disk.Bytes(name)); got != idle+format.Segment {
			t.Errorf("after 251 ms %d bytes are written", got-idle)
		}
		r.Close(time.Now())
	})
}

// A full call fills its segments: no more than the padding of 250 ms is wasted.
func TestSegmentsAreFull(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		talk(r, 0, time.Minute)
		r.Close(time.Now())
		got := len(w.disk.Bytes(w.file(".ctr") + ".ctr"))
		if most := nominal * 60 * 107 / 100; got > most {
			t.Errorf("a minute takes %d bytes, more than %d", got, most)
		}
	})
}

func TestNothingIsOlderThanTheFlush(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		worst := time.Duration(0)
		for n := range 500 {
			r.Packet(spoken(media.Caller, n))
			time.Sleep(20 * time.Millisecond)
			worst = max(worst, w.rec.Stats().LagMax)
		}
		r.Close(time.Now())
		if worst > 271*time.Millisecond || worst < 100*time.Millisecond {
			t.Errorf("the oldest packet waited %v", worst)
		}
		if s := w.rec.Stats(); s.Open != 0 || s.LagMax != 0 || s.Completed != 1 || s.Dropped != 0 || s.Written == 0 {
			t.Errorf("afterwards %+v", s)
		}
	})
}

func TestPauseKeepsNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		n := talk(r, 0, time.Second)
		from := n
		r.Pause("callee", "keypad")
		r.Pause("callee", "keypad") // again: nothing happens
		n = talk(r, n, 2*time.Second)
		to := n
		r.Resume("caller", "keypad")
		r.Resume("caller", "keypad")
		n = talk(r, n, time.Second)
		r.Pause("callee", "keypad")
		talk(r, n, 500*time.Millisecond) // paused to the end
		r.Close(time.Now())

		records := w.contentsOf(w.file(".ctr") + ".ctr")
		for _, a := range only[format.Audio](records) {
			if int(a.Seq) >= from && int(a.Seq) < to || int(a.Seq) >= n {
				t.Errorf("packet %d was kept", a.Seq)
			}
		}
		if got := len(only[format.Audio](records)); got != 2*(n-to+from) {
			t.Errorf("%d packets kept, want %d", got, 2*(n-to+from))
		}
		var kinds []format.MarkKind
		for _, m := range only[format.Mark](records) {
			kinds = append(kinds, m.Kind)
		}
		if !slices.Equal(kinds, []format.MarkKind{format.MarkPause, format.MarkResume, format.MarkPause}) {
			t.Errorf("marks %v", kinds)
		}
		gaps := only[format.Gap](records)
		if len(gaps) != 2 || gaps[0].From != time.Second || gaps[0].To != 3*time.Second || gaps[0].Cause != format.CausePaused {
			t.Errorf("gaps %+v", gaps)
		}
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingPaused, events.RecordingResumed, events.RecordingPaused, events.RecordingCompleted)
		for i, want := range []any{1: events.RecordingPausedData{Recording: r.ID(), By: "callee", Source: "keypad"},
			2: events.RecordingResumedData{Recording: r.ID(), By: "caller", Source: "keypad"}} {
			if got := w.told.events[i].Data; want != nil && got != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
		}
		e, err := w.rec.Show(context.Background(), r.ID())
		if err != nil || e.Parts[0].Result != OK || e.Parts[0].PausedMS != 2500 || !slices.Equal(e.Parts[0].Pauses, []Span{{1000, 3000}, {4000, 4500}}) {
			t.Errorf("a pause is no fault: %+v, %v", e, err)
		}
		silent := w.wav(r.ID())[0]
		if len(silent) != 4500*8 {
			t.Errorf("%d samples", len(silent))
		}
		for i, v := range silent[8*1100 : 8*2900] {
			if v != 0 {
				t.Fatalf("sample %d of the pause is %d", i, v)
			}
		}
	})
}

// Digits are never stored, not even encrypted, whichever way they come.
func TestDigitsAreNeverStored(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r, err := w.rec.Open(context.Background(), info(), nil)
		if err != nil {
			t.Fatal(err)
		}
		digit := []byte{5, 0x0A, 1, 0x90}
		send := func(pt uint8, payload []byte) {
			r.Packet(media.Packet{Side: media.Caller, Arrival: time.Now(), PT: pt, Payload: payload})
		}
		send(101, digit) // nobody said what 101 is
		r.Formats(media.Caller, []media.Format{
			{PT: 0, Name: "PCMU", Clock: 8000}, {PT: 101, Name: "telephone-event", Clock: 8000}, {PT: 102, Name: "RED", Clock: 8000},
		})
		send(101, digit)
		send(101, digit)
		send(102, append([]byte{0x80 | 101, 0, 0, 4, 0}, digit...))
		send(102, append([]byte{0x80, 0, 0, 4, 101}, digit...))
		send(96, digit) // still nobody
		send(0, []byte{0xFF})
		r.Close(time.Now())

		records := w.contentsOf(w.file(".ctr") + ".ctr")
		if got := only[format.Audio](records); len(got) != 1 || got[0].PT != 0 {
			t.Errorf("kept %+v", got)
		}
		marks := only[format.Mark](records)
		if len(marks) != 1 || marks[0].Kind != format.MarkDigits || marks[0].Count != 4 || marks[0].Side != media.Caller {
			t.Errorf("marks %+v", marks)
		}
		end := only[format.End](records)[0]
		if end.Caller.Digits != 4 || end.Caller.Ignored != 2 || end.Caller.Dropped != 0 {
			t.Errorf("end %+v", end.Caller)
		}
		e, _ := w.rec.Show(context.Background(), r.ID())
		if e.Parts[0].Result != OK {
			t.Errorf("digits left out are no fault: %+v", e.Parts[0])
		}
	})
}

func TestCloseIsIdempotentAndEndsTheIntake(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		ended := time.Now().Add(time.Second)
		r.Close(ended)
		r.Packet(spoken(media.Caller, 1))
		describe(r)
		r.Pause("callee", "keypad")
		r.Resume("caller", "keypad")
		r.Close(ended.Add(time.Hour))
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingCompleted)
		if d := of[events.RecordingCompletedData](w.told)[0]; d.DurationMS != 1000 {
			t.Errorf("duration %d", d.DurationMS)
		}
	})
}

// An end before the beginning is a length of nothing, not a negative one.
func TestEndBeforeTheBeginning(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		r.Close(time.Now().Add(-time.Minute))
		if d := of[events.RecordingCompletedData](w.told)[0]; d.DurationMS != 0 {
			t.Errorf("duration %d", d.DurationMS)
		}
	})
}

func TestRecorderCloseEndsWhatIsOpen(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		a, b := w.open(), w.open()
		talk(a, 0, time.Second)
		if err := w.rec.Close(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*Recording{a, b} {
			if _, err := w.rec.Verify(context.Background(), r.ID(), true); err != nil {
				t.Errorf("%v", err)
			}
		}
		if _, err := w.rec.Open(context.Background(), info(), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("opened after Close: %v", err)
		}
	})
}

// The length of the path over a new map of formats: the old meaning holds for
// what came before.
func TestFormatsStandBeforeWhatTheyExplain(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		talk(r, 0, time.Second)
		r.Formats(media.Caller, []media.Format{{PT: 8, Name: "PCMA", Clock: 8000}})
		p := spoken(media.Caller, 100)
		p.PT = 8
		r.Packet(p)
		r.Close(time.Now())
		var known format.Formats
		for _, rec := range w.contentsOf(w.file(".ctr") + ".ctr") {
			switch rec := rec.(type) {
			case format.Formats:
				if rec.Side == media.Caller {
					known = rec
				}
			case format.Audio:
				if rec.Side == media.Caller && !slices.ContainsFunc(known.Set, func(f media.Format) bool { return f.PT == rec.PT }) {
					t.Fatalf("packet %d of type %d is not explained by %+v", rec.Seq, rec.PT, known)
				}
			}
		}
	})
}

func TestAnchorsEveryTenSeconds(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		start := time.Now()
		r := w.open()
		talk(r, 0, 35*time.Second)
		r.Close(time.Now())
		anchors := only[format.Anchor](w.contentsOf(w.file(".ctr") + ".ctr"))
		if len(anchors) != 4 {
			t.Fatalf("%d anchors in 35 s", len(anchors))
		}
		for i, a := range anchors {
			if d := a.Wall.Sub(start) - a.At; d > time.Millisecond || d < -time.Millisecond {
				t.Errorf("anchor %d: wall clock and recording are %v apart", i, d)
			}
			if i > 0 && (a.Segments <= anchors[i-1].Segments || a.Root == anchors[i-1].Root) {
				t.Errorf("anchor %d says nothing new: %+v", i, a)
			}
		}
	})
}

// Nothing of the call is readable in the file or the manifest.
func TestNothingReadable(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		p := spoken(media.Caller, 1)
		copy(p.Payload, "this is what was said on the phone")
		r.Packet(p)
		r.Close(time.Now())
		for _, f := range w.disk.Files() {
			b := w.disk.Bytes(f)
			if bytes.Contains(b, []byte("what was said")) {
				t.Errorf("%s holds the audio", f)
			}
			if strings.HasSuffix(f, ".ctr") && (bytes.Contains(b, []byte("call_1")) || bytes.Contains(b, []byte("demo")) || bytes.Contains(b, []byte(r.ID()[4:]))) {
				t.Errorf("%s names its call", f)
			}
		}
	})
}

func TestOpenWithoutAKey(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		w.keys.broken = errNoKey
		if _, err := w.rec.Open(context.Background(), info(), nil); !errors.Is(err, errNoKey) {
			t.Errorf("error is %v", err)
		}
		expectTypes(t, w.told, events.RecordingFailed)
		if d := of[events.RecordingFailedData](w.told)[0]; d.Reason != "no-key" {
			t.Errorf("reason %q", d.Reason)
		}
		if files := w.disk.Files(); len(files) > 0 {
			t.Errorf("files %q", files)
		}
		if s := w.rec.Stats(); s.Open != 0 || s.Failed != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestOpenWhenCancelled(t *testing.T) {
	w := newWorld(t, &storetest.Memory{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.rec.Open(ctx, info(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// A stuck outbox does not hold up the end of a call; the file gets its name when
// the end is durable.
func TestStuckOutboxDoesNotHoldTheCall(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		w.told.stuck = true
		begun := time.Now()
		r.Close(begun)
		if took := time.Since(begun); took != tellFor {
			t.Errorf("Close took %v", took)
		}
		w.file(".part")
		w.told.release(nil)
		synctest.Wait()
		w.file(".ctr")
	})
}

// An end that could not be told is told by the next start: the file keeps the
// name that says so.
func TestEndThatIsNotTold(t *testing.T) {
	in(t, func(t *testing.T) {
		for _, late := range []bool{false, true} {
			w := newWorld(t, &storetest.Memory{})
			r := w.open()
			talk(r, 0, time.Second)
			w.told.stuck, w.told.err = late, errors.New("log is closed")
			r.Close(time.Now())
			w.told.release(w.told.err)
			synctest.Wait()
			w.file(".part")
			next := restarted(t, w.disk, w.keys)
			if err := next.rec.Recover(context.Background()); err != nil {
				t.Fatal(err)
			}
			next.file(".ctr")
			if done := of[events.RecordingCompletedData](next.told); len(done) != 1 || done[0].Completion != Closed || done[0].Result != OK {
				t.Errorf("late %v: the next start told %+v", late, done)
			}
		}
	})
}

func TestOpenForNobody(t *testing.T) {
	w := newWorld(t, &storetest.Memory{})
	for _, account := range []string{"", "..", "a/b"} {
		i := info()
		i.Account = account
		if _, err := w.rec.Open(context.Background(), i, nil); err == nil {
			t.Errorf("account %q was accepted", account)
		}
	}
	if files := w.disk.Files(); len(files) > 0 {
		t.Errorf("files %q", files)
	}
}

func TestConfig(t *testing.T) {
	var c Config
	c.Defaults()
	c.Validate(func(path, msg string) { t.Errorf("defaults: %s: %s", path, msg) })
	bad := Config{Store: "s3", Flush: time.Hour, Sync: -1, CloseTimeout: time.Millisecond}
	var paths []string
	bad.Validate(func(path, msg string) { paths = append(paths, path) })
	if !slices.Equal(paths, []string{"store", "flush", "sync", "close_timeout"}) {
		t.Errorf("faults at %q", paths)
	}
	if _, err := New(bad, Deps{Keys: newFakeKeys(), Store: &storetest.Memory{}}); err == nil || !strings.Contains(err.Error(), "recordings.flush") {
		t.Errorf("New: %v", err)
	}
	if _, err := New(Config{}, Deps{}); err == nil {
		t.Error("New without a store")
	}
}

// A disk that is slow to make the file must not show as silence at the head:
// the recording begins when its file is there.
func TestTimeZeroIsWhenTheFileIsThere(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{Fault: func(op, _ string) error {
			if op == "create" {
				time.Sleep(300 * time.Millisecond)
			}
			return nil
		}})
		w.run(t)
		asked := time.Now()
		r := w.open()
		if took := time.Since(asked); took != 300*time.Millisecond {
			t.Fatalf("the disk was to take 300 ms, took %v", took)
		}
		for n := range 100 {
			r.Packet(spoken(media.Caller, n))
			time.Sleep(20 * time.Millisecond)
		}
		r.Close(time.Now())
		ms, err := w.rec.Verify(context.Background(), r.ID(), true)
		if err != nil || ms[0].DurationMS != 2000 {
			t.Fatalf("%d ms long, %v", ms[0].DurationMS, err)
		}
		if zero := time.Time(ms[0].StartedAt); !zero.Equal(asked.Add(300 * time.Millisecond)) {
			t.Errorf("time zero is %v after it was asked for", zero.Sub(asked))
		}
	})
}
