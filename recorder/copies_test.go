package recorder

import (
	"context"
	"slices"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

var _ media.Gapped = (*Recording)(nil)

// TestCopiesOfAPause: what was said in a pause is not kept when its copy comes
// after the pause, and what was said before it is.
func TestCopiesOfAPause(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		copies := func(n int) (all []media.Packet) {
			for i := range n {
				all = append(all, spoken(media.Caller, i))
				time.Sleep(20 * time.Millisecond)
			}
			return all
		}
		before := copies(2)
		r.Pause("callee", "keypad")
		r.Packet(before[0])
		during := copies(3)
		r.Packet(before[1])
		r.Resume("caller", "keypad")
		for _, p := range during {
			r.Packet(p)
		}
		after := copies(4)
		for _, p := range after {
			r.Packet(p)
		}
		r.Close(time.Now())
		kept := map[time.Duration]bool{}
		for _, a := range only[format.Audio](w.contentsOf(w.file(".ctr") + ".ctr")) {
			kept[a.At/time.Millisecond] = true
		}
		if len(kept) != 6 || !kept[0] || !kept[20] || !kept[100] || !kept[160] {
			t.Errorf("kept the packets of %v (ms)", kept)
		}
	})
}

// TestCopiesOfPausesBefore: a further pause does not let in what was said in
// those before it, nor keep out what was said between them.
func TestCopiesOfPausesBefore(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		var late []media.Packet
		say := func() {
			late = append(late, spoken(media.Caller, len(late)))
			time.Sleep(20 * time.Millisecond)
		}
		say() // 0 ms, kept, and so is each other one behind
		for range pausesKept - 1 {
			r.Pause("callee", "keypad")
			say()
			r.Resume("caller", "keypad")
			say()
		}
		r.Pause("callee", "keypad")
		for _, p := range late {
			r.Packet(p)
		}
		r.Resume("caller", "keypad")
		r.Close(time.Now())
		var kept []time.Duration
		for _, a := range only[format.Audio](w.contentsOf(w.file(".ctr") + ".ctr")) {
			kept = append(kept, a.At/time.Millisecond)
		}
		if !slices.Equal(kept, []time.Duration{0, 40, 80, 120}) {
			t.Errorf("kept the packets of %v (ms)", kept)
		}
	})
}

// TestMissedPackets: packets that nobody could give to the recording make it
// degraded, with a gap where they were; those of a pause are not missed.
func TestMissedPackets(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		zero := time.Now()
		talk(r, 0, time.Second) // 50 packets each
		r.Missed(media.Callee, 10, zero.Add(200*time.Millisecond), zero.Add(400*time.Millisecond))
		r.Missed(media.Side(7), 10, zero, zero) // of nobody
		r.Pause("callee", "keypad")
		at := time.Now()
		r.Missed(media.Callee, 5, at, at.Add(100*time.Millisecond))
		time.Sleep(time.Second)
		r.Resume("caller", "keypad")
		r.Close(time.Now())
		r.Missed(media.Callee, 5, zero, zero)
		e, err := w.rec.Show(context.Background(), r.ID())
		if err != nil || e.Parts[0].Result != Degraded || e.Parts[0].Callee.Dropped != 10 || e.Parts[0].Caller.Dropped != 0 {
			t.Errorf("%+v, %v", e, err)
		}
		var gaps []format.Gap
		for _, g := range only[format.Gap](w.contentsOf(w.file(".ctr") + ".ctr")) {
			if g.Cause == format.CauseFull {
				gaps = append(gaps, g)
			}
		}
		want := format.Gap{Side: media.Callee, Cause: format.CauseFull, From: 200 * time.Millisecond, To: 400 * time.Millisecond, Packets: 10}
		if len(gaps) != 1 || gaps[0] != want {
			t.Errorf("gaps %+v", gaps)
		}
	})
}
