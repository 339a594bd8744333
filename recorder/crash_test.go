package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/privacy/seal"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

// aCall is a call of three seconds, recorded over the disk, whatever it does.
func aCall(t *testing.T, disk *storetest.Memory, keys *fakeKeys) *world {
	w := restarted(t, disk, keys)
	w.run(t)
	r, err := w.rec.Open(context.Background(), info(), nil)
	if err != nil {
		return w
	}
	describe(r)
	talk(r, 0, 3*time.Second)
	r.Close(time.Now())
	return w
}

// checkRecovered holds what the next process makes of a disk against the call.
func checkRecovered(t *testing.T, step string, w *world, died time.Duration) {
	t.Helper()
	if err := w.rec.Recover(context.Background()); err != nil || w.rec.Stats().Left > 0 {
		t.Errorf("%s: recover: %v, %d left", step, err, w.rec.Stats().Left)
		return
	}
	files := w.disk.Files()
	for _, f := range files {
		if strings.HasSuffix(f, ".part") {
			t.Errorf("%s: %s is left", step, f)
		}
	}
	entries, err := w.rec.List(context.Background(), Filter{})
	if err != nil || len(entries) > 1 {
		t.Errorf("%s: %d recordings, %v", step, len(entries), err)
		return
	}
	if len(entries) == 0 {
		if len(files) > 0 || died > 0 {
			t.Errorf("%s: nothing is left but %q", step, files)
		}
		return
	}
	e := entries[0]
	ms, err := w.rec.Verify(context.Background(), e.ID, true)
	if err != nil {
		t.Errorf("%s: verify: %v", step, err)
		return
	}
	heard := w.heard(e.ID)
	last := 0
	for k, n := range heard {
		if n != 1 {
			t.Errorf("%s: packet %v is kept %d times", step, k, n)
		}
		last = max(last, k[1])
	}
	if len(heard) > 0 && len(heard) != 2*(last+1) && len(heard) != 2*last+1 { // cut between the two sides
		t.Errorf("%s: %d packets up to number %d: there is a hole", step, len(heard), last)
	}
	if kept := time.Duration(last) * 20 * time.Millisecond; died-kept > 300*time.Millisecond {
		t.Errorf("%s: died at %v, kept up to %v", step, died, kept)
	}
	most := int64(3000)
	if ms[0].Completion == Recovered {
		most = int64(last) * 20
	}
	if length := ms[0].DurationMS; length > most {
		t.Errorf("%s: %d ms long: longer than what is known of the call", step, length)
	}
	if err := w.rec.Export(context.Background(), e.ID, &bytes.Buffer{}, "wav"); err != nil {
		t.Errorf("%s: export: %v", step, err)
	}
}

// The process is killed at every single change of the disk in the life of a
// recording: the next start finishes it, with no more lost than was in memory.
func TestKilledAtEveryStep(t *testing.T) {
	steps := 0
	in(t, func(t *testing.T) {
		disk := &storetest.Memory{}
		disk.DieAt(1 << 30)
		aCall(t, disk, newFakeKeys())
		steps = disk.Steps()
	})
	if steps < 15 {
		t.Fatalf("only %d steps", steps)
	}
	for n := 1; n <= steps+1; n++ {
		in(t, func(t *testing.T) {
			disk, keys := &storetest.Memory{}, newFakeKeys()
			disk.DieAt(n)
			begun := time.Now()
			var died time.Duration
			before := disk.Fault
			disk.Fault = func(op, name string) error {
				err := before(op, name)
				if err != nil && died == 0 {
					died = min(time.Since(begun), 3*time.Second)
				}
				return err
			}
			old := aCall(t, disk, keys)
			next := restarted(t, disk.Restart(false), keys)
			step := fmt.Sprintf("killed at step %d of %d", n, steps)
			checkRecovered(t, step, next, died)
			outcomes(t, step, old, next)
		})
	}
}

// outcomes checks that a recording that was told as begun is told as ended: by
// the process that died (its outbox is durable) or by the next one.
func outcomes(t *testing.T, step string, old, next *world) {
	t.Helper()
	begun := slices.Contains(old.told.types(), events.RecordingStarted)
	ended := 0
	for _, w := range []*world{old, next} {
		ended += len(of[events.RecordingCompletedData](w.told))
	}
	if begun && (ended == 0 || ended > 2) {
		t.Errorf("%s: end told %d times", step, ended)
	}
	for _, d := range of[events.RecordingCompletedData](next.told) {
		if d.DurationMS > 3000 || d.Recording == "" {
			t.Errorf("%s: told %+v", step, d)
		}
	}
}

// Recovery itself is killed at every step, and the one after it as well.
func TestKilledDuringRecovery(t *testing.T) {
	crashed := func(t *testing.T, keys *fakeKeys) *storetest.Memory {
		disk := &storetest.Memory{}
		disk.DieAt(14)
		aCall(t, disk, keys)
		return disk.Restart(false)
	}
	steps := 0
	in(t, func(t *testing.T) {
		keys := newFakeKeys()
		disk := crashed(t, keys)
		disk.DieAt(1 << 30)
		if err := restarted(t, disk, keys).rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		steps = disk.Steps()
	})
	if steps < 5 {
		t.Fatalf("only %d steps", steps)
	}
	for n := 1; n <= steps; n++ {
		for m := 1; m <= steps; m++ {
			in(t, func(t *testing.T) {
				keys := newFakeKeys()
				disk := crashed(t, keys)
				disk.DieAt(n)
				first := restarted(t, disk, keys)
				faults, err := first.rec.recoverAll(context.Background())
				if n < steps && err == nil && len(faults) == 0 && len(of[events.RecordingCompletedData](first.told)) == 0 {
					t.Errorf("killed at step %d and neither told nor failed", n)
				}
				disk = disk.Restart(false)
				disk.DieAt(m)
				restarted(t, disk, keys).rec.Recover(context.Background())
				next := restarted(t, disk.Restart(false), keys)
				checkRecovered(t, fmt.Sprintf("recovery killed at steps %d and %d", n, m), next, 0)
				again := len(next.told.types())
				if err := next.rec.Recover(context.Background()); err != nil || len(next.told.types()) != again {
					t.Errorf("a further recovery: %v, told %q", err, next.told.types())
				}
			})
		}
	}
}

// A power cut leaves zeros where the last second was. They are cut off.
func TestPowerCut(t *testing.T) {
	for _, at := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond} {
		in(t, func(t *testing.T) {
			keys, disk := newFakeKeys(), &storetest.Memory{}
			w := restarted(t, disk, keys)
			w.run(t)
			r := w.open()
			talk(r, 0, at)
			next := restarted(t, disk.Restart(true), keys)
			checkRecovered(t, fmt.Sprintf("power cut after %v", at), next, at-1250*time.Millisecond)
			r.Close(time.Now())
		})
	}
}

// halfway is a disk with one recording that the process left unfinished.
func halfway(t *testing.T, keys *fakeKeys) (*storetest.Memory, string) {
	t.Helper()
	disk := &storetest.Memory{}
	w := restarted(t, disk, keys)
	r := w.open()
	talk(r, 0, 10*time.Second)
	next := disk.Restart(false)
	name := w.file(".part")
	r.Close(time.Now())
	return next, name
}

func TestRecoveredIsMarked(t *testing.T) {
	in(t, func(t *testing.T) {
		keys := newFakeKeys()
		disk, name := halfway(t, keys)
		disk.Put(name+".part", append(disk.Bytes(name+".part"), "torn tail"...))
		time.Sleep(time.Minute)
		w := restarted(t, disk, keys)
		if err := w.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		records := w.contentsOf(name + ".ctr")
		audio := only[format.Audio](records)
		last := audio[len(audio)-1].At
		gaps, marks, ends := only[format.Gap](records), only[format.Mark](records), only[format.End](records)
		if len(gaps) != 1 || gaps[0].Cause != format.CauseCrash || gaps[0].From != last || gaps[0].To < 70*time.Second {
			t.Errorf("gaps %+v", gaps)
		}
		if len(marks) != 1 || marks[0].Kind != format.MarkRecovered || marks[0].Count != uint32(len("torn tail")) {
			t.Errorf("marks %+v", marks)
		}
		if len(ends) != 1 || ends[0].Reason != format.ReasonRecovered || ends[0].Duration != last {
			t.Errorf("end %+v, last audio at %v", ends, last)
		}
		d := of[events.RecordingCompletedData](w.told)
		if len(d) != 1 || d[0].Completion != Recovered || d[0].Result != Degraded || d[0].DurationMS != last.Milliseconds() {
			t.Errorf("told %+v", d)
		}
		e := w.told.events[0]
		if e.Call != "call_1" || e.Account != "demo" {
			t.Errorf("told of call %q, account %q", e.Call, e.Account)
		}
		if s := w.rec.Stats(); s.Recovered != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// What cannot be finished stays byte for byte as it is, and is named.
func TestRecoverLeavesAlone(t *testing.T) {
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	for _, c := range []struct {
		name   string
		change func(keys *fakeKeys, b []byte) []byte
		want   error
	}{
		{"missing key", func(k *fakeKeys, b []byte) []byte { clear(k.deks); return b }, errNoKey},
		{"wrong key", func(k *fakeKeys, b []byte) []byte { k.deks["kr_1"][0] ^= 1; return b }, seal.ErrHeader},
		{"damaged header", func(_ *fakeKeys, b []byte) []byte { return flip(b, 150) }, seal.ErrHeader},
		{"damaged magic", func(_ *fakeKeys, b []byte) []byte { return flip(b, 0) }, format.ErrMagic},
		{"foreign preamble", func(_ *fakeKeys, b []byte) []byte { return flip(b, 17) }, ErrMismatch},
		{"a damaged end longer than a crash explains", func(_ *fakeKeys, b []byte) []byte {
			b = bytes.Clone(b)
			for i := 1; i <= (maxTail+1)*format.Segment; i += 100 {
				b[len(b)-i] ^= 1
			}
			return b
		}, seal.ErrSegment},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				keys := newFakeKeys()
				disk, name := halfway(t, keys)
				damaged := c.change(keys, disk.Bytes(name+".part"))
				disk.Put(name+".part", damaged)
				w := restarted(t, disk, keys)
				err := w.leftBehind()
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "recording rec_") {
					t.Errorf("error is %v, want %v", err, c.want)
				}
				if !bytes.Equal(disk.Bytes(name+".part"), damaged) || len(disk.Files()) != 1 {
					t.Errorf("touched: %q", disk.Files())
				}
				expectTypes(t, w.told)
			})
		})
	}
}

// leftBehind recovers and returns why what is left could not be finished.
func (w *world) leftBehind() error {
	faults, err := w.rec.recoverAll(context.Background())
	return errors.Join(append(faults, err)...)
}

// A recovery beside live recordings leaves those alone.
func TestRecoverLeavesTheLiving(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		n := talk(r, 0, time.Second)
		if err := w.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		talk(r, n, time.Second)
		r.Close(time.Now())
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingCompleted)
		if ms, err := w.rec.Verify(context.Background(), r.ID(), true); err != nil || ms[0].Completion != Closed {
			t.Errorf("%+v, %v", ms, err)
		}
	})
}

// One recording that cannot be finished does not keep the others from it.
func TestRecoverGoesOnAfterAFault(t *testing.T) {
	in(t, func(t *testing.T) {
		keys, disk := newFakeKeys(), &storetest.Memory{}
		w := restarted(t, disk, keys)
		a, b := w.open(), w.open()
		talk(a, 0, time.Second)
		talk(b, 0, time.Second)
		crashed := disk.Restart(false)
		a.Close(time.Now())
		b.Close(time.Now())
		delete(keys.deks, "kr_1")
		next := restarted(t, crashed, keys)
		if err := next.rec.Recover(context.Background()); err != nil || next.rec.Stats().Left != 1 {
			t.Errorf("%v, %d left", err, next.rec.Stats().Left)
		}
		if d := of[events.RecordingCompletedData](next.told); len(d) != 1 || d[0].Recording != b.ID() {
			t.Errorf("told %+v", d)
		}
	})
}

// Damage in the middle costs that segment and nothing else.
func TestRecoverWithADamagedMiddle(t *testing.T) {
	in(t, func(t *testing.T) {
		keys := newFakeKeys()
		disk, name := halfway(t, keys)
		b := bytes.Clone(disk.Bytes(name + ".part"))
		b[len(b)/2] ^= 1
		disk.Put(name+".part", b)
		w := restarted(t, disk, keys)
		before := len(only[format.Audio](w.contentsOf(name + ".part")))
		if err := w.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		if after := len(only[format.Audio](w.contentsOf(name + ".ctr"))); after != before {
			t.Errorf("%d packets before, %d after", before, after)
		}
		id := name[strings.LastIndexByte(name, '/')+1:]
		err := w.rec.Export(context.Background(), id, &bytes.Buffer{}, "wav")
		if !errors.Is(err, seal.ErrSegment) || !strings.Contains(err.Error(), "1 segments are damaged") {
			t.Errorf("export: %v", err)
		}
		if _, err := w.rec.Verify(context.Background(), id, true); !errors.Is(err, seal.ErrSegment) {
			t.Errorf("verify: %v", err)
		}
	})
}

// A recording that died while it was paused is no longer than what was heard.
func TestCrashDuringAPause(t *testing.T) {
	in(t, func(t *testing.T) {
		keys, disk := newFakeKeys(), &storetest.Memory{}
		w := restarted(t, disk, keys)
		r := w.open()
		talk(r, 0, time.Second)
		r.Pause("callee", "keypad")
		talk(r, 50, time.Minute)
		next := restarted(t, disk.Restart(false), keys)
		r.Close(time.Now())
		if err := next.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		d := of[events.RecordingCompletedData](next.told)
		if len(d) != 1 || d[0].DurationMS != 980 {
			t.Errorf("told %+v", d)
		}
	})
}

func TestRecoverNothing(t *testing.T) {
	w := newWorld(t, &storetest.Memory{})
	if err := w.rec.Recover(context.Background()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.disk.Put("demo/2000/01/01/rec_x.part", nil)
	if err := w.rec.Recover(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := w.rec.Recover(context.Background()); err != nil || len(w.disk.Files()) != 0 {
		t.Errorf("an empty file: %v, %q", err, w.disk.Files())
	}
}

// A recovery that is told to end between the parts of a recording tells nothing
// of it: what is left is not missing.
func TestRecoverEndsBetweenParts(t *testing.T) {
	in(t, func(t *testing.T) {
		var broken atomic.Bool
		disk, keys := &storetest.Memory{}, newFakeKeys()
		disk.Fault = func(op, _ string) error {
			if op == "write" && broken.Swap(false) {
				return syscall.EIO
			}
			return nil
		}
		w := restarted(t, disk, keys)
		r := w.open()
		talk(r, 0, 2*time.Second)
		broken.Store(true)
		talk(r, 100, 2*time.Second)
		left := disk.Restart(false)
		r.Close(time.Now())

		ctx, cancel := context.WithCancel(context.Background())
		left.Fault = func(op, _ string) error {
			if op == "manifest" {
				cancel()
			}
			return nil
		}
		var said bytes.Buffer
		next := restarted(t, left, keys)
		next.rec.log = slog.New(slog.NewTextHandler(&said, nil))
		if err := next.rec.Recover(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
		if told := next.told.types(); len(told) != 0 {
			t.Errorf("told %q", told)
		}
		if strings.Contains(said.String(), "ERROR") {
			t.Errorf("said %s", said.String())
		}
		if err := next.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		d := of[events.RecordingCompletedData](next.told)
		if len(d) != 1 || d[0].DurationMS < 3900 || len(next.disk.Files()) != 4 {
			t.Errorf("told %+v; %q", d, next.disk.Files())
		}
	})
}
