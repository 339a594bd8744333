package recorder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

// A disk that fails at random, in every operation, through whole calls. What
// must hold: every packet is kept exactly once or counted as dropped; the
// outcome is told; what was told as whole verifies; and after a restart over a
// sound disk nothing is left unfinished.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(40) {
		in(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			rate := []float64{.02, .1, .4}[seed%3]
			on := false
			disk := &storetest.Memory{}
			disk.Fault = func(op, name string) error {
				if on && rng.Float64() < rate {
					return []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]
				}
				return nil
			}
			w := newWorld(t, disk)
			r := w.open()
			on = true
			n := talk(r, 0, 20*time.Second)
			r.Close(time.Now())
			on = false
			checkFaults(t, fmt.Sprintf("seed %d", seed), w, r, n)
		})
	}
}

func checkFaults(t *testing.T, what string, w *world, r *Recording, n int) {
	t.Helper()
	heard, twice := w.heard(r.ID()), 0
	for _, times := range heard {
		if times > 1 {
			twice++
		}
	}
	if twice > 0 {
		t.Errorf("%s: %d packets are kept twice", what, twice)
	}
	dropped := int(w.rec.Stats().Dropped)
	// A part whose final segment failed holds no more than its whole segments:
	// what was in that one is neither kept nor counted until recovery.
	if lost := 2*n - len(heard) - dropped; lost < 0 || lost > 2*22 {
		t.Errorf("%s: %d packets, %d kept, %d dropped", what, 2*n, len(heard), dropped)
	}
	completed, failed := of[events.RecordingCompletedData](w.told), of[events.RecordingFailedData](w.told)
	if len(completed) > 1 || len(completed)+len(failed) == 0 {
		t.Errorf("%s: told %q", what, w.told.types())
	}
	if types := w.told.types(); types[len(types)-1] != events.RecordingCompleted && types[len(types)-1] != events.RecordingFailed {
		t.Errorf("%s: the last word is %s", what, types[len(types)-1])
	}
	next := restarted(t, w.disk.Restart(false), w.keys)
	if err := next.rec.Recover(context.Background()); err != nil || next.rec.Stats().Left > 0 {
		t.Errorf("%s: recover: %v, %d left", what, err, next.rec.Stats().Left)
		return
	}
	for _, f := range next.disk.Files() {
		if strings.HasSuffix(f, ".part") {
			t.Errorf("%s: %s is left", what, f)
		}
	}
	ms, err := next.rec.Verify(context.Background(), r.ID(), true)
	if err != nil {
		t.Errorf("%s: verify: %v", what, err)
		return
	}
	for _, m := range ms {
		if m.DurationMS > 20000 {
			t.Errorf("%s: part %d is %d ms long", what, m.Part, m.DurationMS)
		}
	}
	if err := next.rec.Export(context.Background(), r.ID(), &bytes.Buffer{}, "wav"); err != nil {
		t.Errorf("%s: export: %v", what, err)
	}
	for k := range heard {
		if next.heard(r.ID())[k] == 0 {
			t.Fatalf("%s: packet %v was kept and is gone after recovery", what, k)
		}
		break // one is enough: heard reads everything
	}
}

// A power cut at a random time, which keeps or loses every 512 bytes that were
// not synced: never a wrong byte, never more lost than the sync allows.
func TestRandomPowerCuts(t *testing.T) {
	for seed := range uint64(40) {
		in(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			disk, keys := &storetest.Memory{}, newFakeKeys()
			w := restarted(t, disk, keys)
			w.run(t)
			r := w.open()
			at := time.Duration(rng.IntN(8000)) * time.Millisecond
			talk(r, 0, at)
			cut := disk.RestartTorn(func() bool { return rng.IntN(2) == 0 })
			r.Close(time.Now())
			next := restarted(t, cut, keys)
			step := fmt.Sprintf("seed %d: power cut after %v", seed, at)
			checkSpoken(t, step, next)
			checkRecovered(t, step, next, at-1500*time.Millisecond)
			checkSpoken(t, step, next)
		})
	}
}

// checkSpoken holds every packet on the disk against what was said.
func checkSpoken(t *testing.T, step string, w *world) {
	t.Helper()
	for _, f := range w.disk.Files() {
		if strings.HasSuffix(f, ".json") {
			continue
		}
		for _, a := range only[format.Audio](w.contentsOf(f)) {
			want := spoken(a.Side, int(a.Seq))
			if a.TS != want.TS || !bytes.Equal(a.Payload, want.Payload) {
				t.Fatalf("%s: packet %d of the %v is not what was said", step, a.Seq, a.Side)
			}
		}
	}
}

// The disk refuses one operation at the very end: whichever it is, the call's
// sound is kept and the next start makes it whole.
func TestFaultsAtTheEnd(t *testing.T) {
	for _, op := range []string{"write", "sync", "manifest", "finish"} {
		in(t, func(t *testing.T) {
			disk, on := failing(op, syscall.EIO)
			w := newWorld(t, disk)
			r := w.open()
			n := talk(r, 0, 2*time.Second)
			on.Store(true)
			r.Close(time.Now())
			on.Store(false)
			types := w.told.types()
			if last := types[len(types)-1]; (op == "finish") != (last == events.RecordingCompleted) {
				t.Errorf("%s fails: told %q", op, types)
			}
			next := restarted(t, disk.Restart(false), w.keys)
			checkRecovered(t, op+" fails", next, 2*time.Second)
			if kept := len(next.heard(r.ID())); kept < 2*n-2*13 {
				t.Errorf("%s fails: %d of %d packets kept", op, kept, 2*n)
			}
		})
	}
}

// So many formats that a part's beginning takes several segments, and an END
// that does not fit the last one.
func TestLongBeginningsAndFullEnds(t *testing.T) {
	in(t, func(t *testing.T) {
		disk, on := failing("write", syscall.EIO)
		w := newWorld(t, disk)
		r := w.open()
		var set []media.Format
		for pt := range 128 {
			set = append(set, media.Format{PT: uint8(pt), Name: "PCMU", Clock: 8000, Channels: 1, Params: strings.Repeat("p", 100)})
		}
		r.Formats(media.Caller, set)
		r.Formats(media.Callee, set)
		n := talk(r, 0, time.Second)
		once := on.CompareAndSwap(false, true)
		time.Sleep(10 * time.Millisecond)
		go func() { time.Sleep(260 * time.Millisecond); on.Store(false) }()
		n = talk(r, n, 3*time.Second)
		// Fill the last segment to its end: nothing of END fits.
		p := spoken(media.Caller, n)
		p.Payload = make([]byte, format.MaxPayload)
		r.Packet(p)
		r.Close(time.Now())
		if !once {
			t.Fatal("no fault was made")
		}
		ms, err := w.rec.Verify(context.Background(), r.ID(), true)
		if err != nil || len(ms) != 2 {
			t.Fatalf("%+v, %v", ms, err)
		}
		var got []format.Formats
		for _, f := range w.disk.Files() {
			if strings.HasSuffix(f, ".2.ctr") {
				got = only[format.Formats](w.contentsOf(f))
			}
		}
		described := map[media.Side]int{}
		for _, f := range got {
			described[f.Side] += len(f.Set)
		}
		if described[media.Caller] != 128 || described[media.Callee] != 128 {
			t.Errorf("part 2 describes %v", described)
		}
	})
}

// A packet longer than a record is not cut: it is dropped and marked.
func TestOversizedPackets(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		p := spoken(media.Caller, 1)
		p.Payload = make([]byte, format.MaxPayload+1)
		r.Packet(p)
		r.Packet(spoken(media.Caller, 2))
		r.Close(time.Now())
		records := w.contentsOf(w.file(".ctr") + ".ctr")
		gaps := only[format.Gap](records)
		if len(gaps) != 1 || gaps[0].Cause != format.CauseOversize || gaps[0].Packets != 1 || len(only[format.Audio](records)) != 1 {
			t.Errorf("gaps %+v", gaps)
		}
		d := of[events.RecordingCompletedData](w.told)[0]
		if d.Result != Degraded || d.Completeness != 0.5 {
			t.Errorf("told %+v", d)
		}
	})
}

// Without a signer there is no manifest, and so no whole recording.
func TestNoSigner(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		w.rec.deps.Keys = noSigner{w.keys}
		r := w.open()
		talk(r, 0, time.Second)
		r.Close(time.Now())
		expectTypes(t, w.told, events.RecordingStarted, events.RecordingFailed, events.RecordingFailed)
		w.file(".part")
	})
}

type noSigner struct{ *fakeKeys }

func (noSigner) Signer() (ed25519.PrivateKey, string, error) { return nil, "", errors.New("locked") }
