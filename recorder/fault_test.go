package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

func second[T any](_ T, err error) error { return err }

// run starts the group sync and stops it with the test.
func (w *world) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.rec.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// failing is a disk whose operations of one kind fail while on.
func failing(op string, err error) (*storetest.Memory, *atomic.Bool) {
	var on atomic.Bool
	return &storetest.Memory{Fault: func(got, _ string) error {
		if on.Load() && (got == op || op == "") {
			return err
		}
		return nil
	}}, &on
}

// heard is the set of packets of a recording's parts, by side and number.
func (w *world) heard(id string) map[[2]int]int {
	out := map[[2]int]int{}
	for _, f := range w.disk.Files() {
		if b := w.disk.Bytes(f); !strings.Contains(f, id) || strings.HasSuffix(f, ".json") || errors.Is(second(parseFile(bytes.NewReader(b), int64(len(b)))), ErrEmpty) {
			continue
		}
		for _, a := range only[format.Audio](w.contentsOf(f)) {
			out[[2]int{int(a.Side), int(a.Seq)}]++
		}
	}
	return out
}

// A write fails once: another part begins at once, and nothing is lost, since
// the segment that was refused goes into it.
func TestWriteErrorGoesOnInAnotherPart(t *testing.T) {
	in(t, func(t *testing.T) {
		once := atomic.Int32{}
		disk := &storetest.Memory{Fault: func(op, name string) error {
			if op == "write" && once.Add(1) == 8 {
				return syscall.EIO
			}
			return nil
		}}
		w := newWorld(t, disk)
		w.run(t)
		r := w.open()
		n := talk(r, 0, 5*time.Second)
		r.Close(time.Now())

		heard := w.heard(r.ID())
		for i := range n {
			if heard[[2]int{1, i}] != 1 || heard[[2]int{2, i}] != 1 {
				t.Errorf("packet %d is kept %d and %d times", i, heard[[2]int{1, i}], heard[[2]int{2, i}])
			}
		}
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingDegraded, events.RecordingCompleted)
		done := of[events.RecordingCompletedData](w.told)[0]
		if done.Result != Degraded || done.Completion != Closed || done.DurationMS != 5000 || done.Completeness != 1 {
			t.Errorf("told %+v", done)
		}
		if len(w.fault) != 1 || !errors.Is(w.fault[0], syscall.EIO) {
			t.Errorf("the call was told %v", w.fault)
		}
		ms, err := w.rec.Verify(context.Background(), r.ID(), true)
		if err != nil || len(ms) != 2 || ms[0].Part != 1 || ms[1].Part != 2 || ms[0].KeyRef == ms[1].KeyRef {
			t.Errorf("verify: %+v, %v", ms, err)
		}
		if wav := w.wav(r.ID()); len(wav[0]) != 5*8000 {
			t.Errorf("%d samples", len(wav[0]))
		}
	})
}

// After a failed sync nothing is written to the file again, and it is not
// called whole: what can be read of it need not be on the disk.
func TestSyncErrorIsFinal(t *testing.T) {
	in(t, func(t *testing.T) {
		disk, on := failing("sync", syscall.EIO)
		w := newWorld(t, disk)
		w.run(t)
		r := w.open()
		first := w.file(".part") + ".part"
		n := talk(r, 0, 1500*time.Millisecond)
		on.Store(true)
		time.Sleep(501 * time.Millisecond) // the next round
		synctest.Wait()
		on.Store(false)
		size := len(w.disk.Bytes(first))
		talk(r, n, 3*time.Second)
		r.Close(time.Now())

		if got := len(w.disk.Bytes(first)); got != size {
			t.Errorf("%d bytes were written after the sync failed", got-size)
		}
		files := strings.Join(w.disk.Files(), " ")
		if !strings.Contains(files, r.ID()+".part") || !strings.Contains(files, r.ID()+".2.ctr") {
			t.Errorf("files %s", files)
		}
		// The first attempt at another part failed too: syncs still did.
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed, events.RecordingDegraded, events.RecordingCompleted)
		done := of[events.RecordingCompletedData](w.told)
		if len(done) != 1 || done[0].Result != Degraded {
			t.Errorf("told %+v", done)
		}
		e, err := w.rec.Show(context.Background(), r.ID())
		if err != nil || !e.Open || len(e.Parts) != 1 {
			t.Errorf("entry %+v, %v", e, err)
		}
		if wav := w.wav(r.ID()); len(wav[0]) == 0 {
			t.Error("what is left cannot be heard")
		}

		// The next start finishes the part and does not tell of the recording again.
		next := restarted(t, disk.Restart(false), w.keys)
		if err := next.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		expectTypes(t, next.told)
		if _, err := next.rec.Verify(context.Background(), r.ID(), true); err != nil {
			t.Error(err)
		}
	})
}

// A full disk ends the recording within moments, never the call, and it comes
// back when there is room. What was written stays valid.
func TestFullDisk(t *testing.T) {
	in(t, func(t *testing.T) {
		disk, full := failing("write", syscall.ENOSPC)
		w := newWorld(t, disk)
		w.run(t)
		r := w.open()
		n := talk(r, 0, 3*time.Second)
		full.Store(true)
		begun := n
		n = talk(r, n, 10*time.Second)
		failed := of[events.RecordingFailedData](w.told)
		if len(failed) != 1 || failed[0].Reason != "disk-full" {
			t.Errorf("told %+v", failed)
		}
		full.Store(false)
		freed := n
		n = talk(r, n, 5*time.Second)
		r.Close(time.Now())

		heard := w.heard(r.ID())
		lost, back := 0, 0
		for i := range n {
			switch kept := heard[[2]int{1, i}] > 0; {
			case i < begun-13 && !kept: // a flush before
				t.Errorf("packet %d was lost before the disk was full", i)
			case i >= begun && i < freed && !kept:
				lost++
			case i >= freed && kept && back == 0:
				back = i - freed
			case i >= freed+100 && !kept:
				t.Errorf("packet %d was lost 2 s after there was room", i)
			}
		}
		if back > 100 || lost < 400 {
			t.Errorf("%d packets lost; back after %d", lost, back)
		}
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed, events.RecordingDegraded, events.RecordingCompleted)
		done := of[events.RecordingCompletedData](w.told)[0]
		if done.Result != Degraded || done.DurationMS != 18000 || done.Completeness > 0.7 || done.Completeness < 0.3 {
			t.Errorf("told %+v", done)
		}
		if s := w.rec.Stats(); s.Dropped < 800 {
			t.Errorf("%d packets counted as dropped", s.Dropped)
		}
		if _, err := w.rec.Verify(context.Background(), r.ID(), true); err != nil {
			t.Error(err)
		}
		if n := len(w.keys.deks); n != 2 {
			t.Errorf("%d keys for two parts: the attempts in between took some", n)
		}
		gaps := 0
		for _, f := range w.disk.Files() {
			if strings.HasSuffix(f, ".ctr") {
				for _, g := range only[format.Gap](w.contentsOf(f)) {
					if g.Cause == format.CauseFault {
						gaps += int(g.Packets)
					}
				}
			}
		}
		if gaps != int(w.rec.Stats().Dropped) {
			t.Errorf("gaps tell of %d packets, %d were dropped", gaps, w.rec.Stats().Dropped)
		}
	})
}

// The disk stays full: what was kept before is finished as far as it can be,
// and the outcome is told.
func TestDiskFullToTheEnd(t *testing.T) {
	in(t, func(t *testing.T) {
		disk, full := failing("write", syscall.ENOSPC)
		w := newWorld(t, disk)
		r := w.open()
		n := talk(r, 0, 3*time.Second)
		full.Store(true)
		talk(r, n, 3*time.Second)
		r.Close(time.Now())
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed, events.RecordingFailed)
		if f := of[events.RecordingFailedData](w.told); f[0].Reason != "disk-full" || f[1].Reason != "left-for-recovery" {
			t.Errorf("told %+v", f)
		}
		next := restarted(t, disk.Restart(false), w.keys)
		if err := next.rec.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		d := of[events.RecordingCompletedData](next.told)
		if len(d) != 1 || d[0].Completion != Recovered || d[0].DurationMS < 2700 || d[0].DurationMS > 3000 {
			t.Errorf("told %+v", d)
		}
	})
}

// The disk takes the end of the part that it broke, but never another part: what
// was said meanwhile is in no file, and must be in the completeness all the same.
func TestLossThatNoPartTells(t *testing.T) {
	in(t, func(t *testing.T) {
		var full atomic.Bool
		disk := &storetest.Memory{Fault: func(op, name string) error {
			if op == "write" && (full.Load() || strings.Contains(name, ".2")) {
				return syscall.ENOSPC
			}
			return nil
		}}
		w := newWorld(t, disk)
		r := w.open()
		n := talk(r, 0, 3*time.Second)
		full.Store(true)
		talk(r, n, 3*time.Second)
		full.Store(false)
		r.Close(time.Now())
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed, events.RecordingCompleted)
		d := of[events.RecordingCompletedData](w.told)[0]
		if d.Result != Degraded || d.Completeness < 0.4 || d.Completeness > 0.6 {
			t.Errorf("told %+v", d)
		}
	})
}

// A disk that hangs holds up neither the relay nor other recordings, and what
// does not fit the queue is marked.
func TestSlowDisk(t *testing.T) {
	in(t, func(t *testing.T) {
		var slow atomic.Pointer[string]
		disk := &storetest.Memory{}
		disk.Fault = func(op, name string) error {
			if s := slow.Load(); s != nil && *s == name && (op == "write" || op == "sync") {
				time.Sleep(20 * time.Second)
			}
			return nil
		}
		w := newWorld(t, disk)
		w.run(t)
		a := w.open()
		name := w.file(".part")
		b := w.open()
		slow.Store(&name)
		begun := time.Now()
		for n := range 1000 { // 20 s
			for _, r := range []*Recording{a, b} {
				before := time.Now()
				r.Packet(spoken(media.Caller, n))
				r.Packet(spoken(media.Callee, n))
				if took := time.Since(before); took > 0 {
					t.Fatalf("Packet took %v", took)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		if lag := w.rec.Stats().LagMax; lag < 15*time.Second {
			t.Errorf("lag is %v", lag)
		}
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("the call took %v", took)
		}
		slow.Store(nil)
		end := time.Now()
		b.Close(end)
		if time.Now() != end {
			t.Errorf("the other recording waited %v", time.Since(end))
		}
		if ms, err := w.rec.Verify(context.Background(), b.ID(), true); err != nil || ms[0].Result != OK {
			t.Errorf("the other recording: %+v, %v", ms, err)
		}
		time.Sleep(30 * time.Second)
		a.Close(end)
		ms, err := w.rec.Verify(context.Background(), a.ID(), true)
		if err != nil || ms[0].Result != Degraded || ms[0].Caller.Dropped == 0 || ms[0].Caller.Packets+ms[0].Caller.Dropped != 1000 {
			t.Errorf("the slow recording: %+v, %v", ms, err)
		}
		full := 0
		for _, g := range only[format.Gap](w.contentsOf(name + ".ctr")) {
			if g.Cause == format.CauseFull && g.To > g.From {
				full++
			}
		}
		if full == 0 {
			t.Error("no gap is marked")
		}
	})
}

// Close does not wait for ever, and the file is finished when the disk answers.
func TestCloseGivesUpWaiting(t *testing.T) {
	in(t, func(t *testing.T) {
		var hang atomic.Bool
		w := newWorld(t, &storetest.Memory{Fault: func(op, _ string) error {
			if op == "sync" && hang.Load() {
				time.Sleep(time.Minute)
			}
			return nil
		}})
		r := w.open()
		talk(r, 0, time.Second)
		hang.Store(true)
		ended := time.Now()
		r.Close(ended)
		if took := time.Since(ended); took != 10*time.Second {
			t.Errorf("Close took %v", took)
		}
		expectTypes(t, w.told, events.RecordingStarted)
		time.Sleep(2 * time.Minute)
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingCompleted)
		if d := of[events.RecordingCompletedData](w.told)[0]; d.DurationMS != 1000 {
			t.Errorf("duration %d", d.DurationMS)
		}
	})
}

// More slow disks than sync places: those that are quick still get their turn
// as soon as one is free, and one file never takes two places.
func TestGroupSyncIsBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		var running, most atomic.Int32
		var slow atomic.Bool
		w := newWorld(t, &storetest.Memory{Fault: func(op, _ string) error {
			if op == "sync" && slow.Load() {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(5 * time.Second)
				running.Add(-1)
			}
			return nil
		}})
		w.run(t)
		var all []*Recording
		for range maxSyncs + 10 {
			all = append(all, w.open())
		}
		slow.Store(true)
		for n := range 300 {
			for _, r := range all {
				r.Packet(spoken(media.Caller, n))
			}
			time.Sleep(20 * time.Millisecond)
		}
		if got := most.Load(); got != maxSyncs {
			t.Errorf("%d syncs at a time", got)
		}
		slow.Store(false)
		time.Sleep(10 * time.Second)
		if s := w.rec.Stats().SyncMax; s > 5*time.Second {
			t.Errorf("slowest sync %v", s)
		}
		if err := w.rec.Close(); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if _, err := w.rec.Verify(context.Background(), r.ID(), false); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReasonsCarryNoDetail(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("write /data/x: %w", syscall.ENOSPC): "disk-full",
		fmt.Errorf("%w: it is gone", errKey):            "no-key",
		io.ErrShortWrite:                                "disk-fault",
	} {
		if got := reason(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
