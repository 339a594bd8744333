package outbox

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ringdown/events"
)

// history is what the test knows of one call: the types told durable, and all
// published, both in the order of publishing. What is on a disk after a crash
// lies between the two.
type history struct{ durable, maybe []string }

// plan is one process: what it publishes, what fails, and when it is cut off.
// It is drawn before, for nothing may be drawn inside a bubble.
type plan struct {
	Calls  int
	Steps  []step
	Faults []int // operations that fail
	Cut    int   // operation at which the disk is cut off
	Picks  []int // what of the unsynced survives
}

type step struct {
	Call    int // of its own and those before
	Closing bool
	Wait    bool
}

func plans(rt *rapid.T) []plan {
	steps := rapid.Custom(func(rt *rapid.T) step {
		return step{rapid.IntRange(0, 1000).Draw(rt, "call"), rapid.IntRange(0, 5).Draw(rt, "closing") == 0, rapid.Bool().Draw(rt, "wait")}
	})
	one := rapid.Custom(func(rt *rapid.T) plan {
		return plan{
			Calls:  rapid.IntRange(1, 3).Draw(rt, "calls"),
			Steps:  rapid.SliceOfN(steps, 1, 40).Draw(rt, "steps"),
			Faults: rapid.SliceOfN(rapid.IntRange(1, 80), 0, 4).Draw(rt, "faults"),
			Cut:    rapid.IntRange(1, 60).Draw(rt, "cut"),
			Picks:  rapid.SliceOfN(rapid.IntRange(0, 1<<20), 8, 8).Draw(rt, "picks"),
		}
	})
	return rapid.SliceOfN(one, 1, 4).Draw(rt, "processes")
}

// TestAnyCrash runs processes one after the other on one disk that fails now
// and then and is cut off in the middle of some operation. After each cut every
// event that was told durable is there, once, in order, numbered without a gap.
func TestAnyCrash(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := plans(rt)
		var failed string
		synctest.Test(t, func(t *testing.T) {
			d := newMemDisk()
			calls := make(map[string]*history)
			for i, p := range all {
				d = process(t, p, d, calls, byte('A'+i))
				if failed = verify(t, d, calls); failed != "" {
					return
				}
			}
		})
		if failed != "" {
			rt.Fatal(failed)
		}
	})
}

// process publishes on d and returns what a cut in the middle left of it.
func process(t *testing.T, p plan, d *memDisk, calls map[string]*history, name byte) (left *memDisk) {
	cfg := testConfig()
	cfg.Segment = 4 << 10
	r := openRig(t, d, cfg)
	picks := p.Picks
	pick := func(n int) int {
		picks = append(picks[1:], picks[0])
		return picks[0] % (n + 1)
	}
	var durable []outcome // when it was cut
	d.ops = 0
	d.fault = func(_, _ string, n int) (int, error) {
		if slices.Contains(p.Faults, d.ops) {
			return n / 2, errIO
		}
		return n, nil
	}
	d.after = func(string, string) {
		if d.ops >= p.Cut && left == nil {
			left = d.crash(pick)
			durable = r.outcomes()
		}
	}
	stop := r.start()
	defer stop()
	var mine []string
	for i := range p.Calls {
		mine = append(mine, call(name+byte(i)*7))
	}
	for call := range calls {
		mine = append(mine, call)
	}
	slices.Sort(mine)
	for _, s := range p.Steps {
		c := mine[s.Call%len(mine)]
		typ := events.CallRinging
		switch {
		case calls[c] == nil:
			typ, calls[c] = events.CallReceived, &history{}
		case s.Closing:
			typ = events.RecordingCompleted
		}
		calls[c].maybe = append(calls[c].maybe, typ)
		e := ev(c, typ)
		if typ == events.RecordingCompleted { // each of another recording: told again it is no event
			e.Data = events.RecordingCompletedData{Recording: events.NewID("rec", time.Now())}
		}
		r.publish(e)
		if s.Wait {
			time.Sleep(2 * pace)
		}
	}
	r.flush()
	synctest.Wait()
	d.mu.Lock()
	if left == nil {
		left = d.crash(pick)
		durable = r.outcomes()
	}
	d.after, d.fault = nil, nil
	d.mu.Unlock()
	for _, o := range durable {
		if o.err == nil {
			calls[o.e.Call].durable = append(calls[o.e.Call].durable, o.e.Type)
		}
	}
	return left
}

// verify opens what is left of a disk and compares it with the histories, which
// from then on are what was found.
func verify(t *testing.T, d *memDisk, calls map[string]*history) string {
	r := openRig(t, d, testConfig())
	found := make(map[string][]string)
	for _, rec := range r.readAll() {
		if rec.Seq != uint64(len(found[rec.Call]))+1 {
			return "gap or duplicate: " + rec.ID()
		}
		if e, err := events.Decode(rec.Body); err != nil || e.Seq != rec.Seq {
			return "envelope and record differ: " + rec.ID()
		}
		found[rec.Call] = append(found[rec.Call], rec.Type)
	}
	if s := r.o.Stats(); s.Quarantined > 0 {
		return "a crash was taken for damage: " + r.log.String()
	}
	for c, h := range calls {
		if !within(h.durable, found[c]) {
			return c + ": durable " + strings.Join(h.durable, " ") + ", found " + strings.Join(found[c], " ")
		}
		if !within(found[c], h.maybe) {
			return c + ": found " + strings.Join(found[c], " ") + ", published " + strings.Join(h.maybe, " ")
		}
		if len(found[c]) == 0 {
			delete(calls, c)
			continue
		}
		calls[c] = &history{durable: found[c], maybe: slices.Clone(found[c])}
	}
	return ""
}

// within reports whether a is b with none, some or all left out.
func within(a, b []string) bool {
	for _, s := range b {
		if len(a) > 0 && a[0] == s {
			a = a[1:]
		}
	}
	return len(a) == 0
}

// TestCutAtEveryByte cuts the last segment at each of its bytes.
func TestCutAtEveryByte(t *testing.T) {
	d := newMemDisk()
	var ends []int // length of the segment after each event
	var id string
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, d, testConfig())
		id = call('A')
		for i := range 6 {
			r.publish(ev(id, []string{events.CallReceived, events.CallRinging}[min(i, 1)]))
			r.flush()
			ends = append(ends, len(d.files[d.segment(-1)].data))
		}
		r.stop()
	})
	name := d.segment(-1)
	whole := d.files[name].data
	for n := 0; n <= len(whole); n++ {
		synctest.Test(t, func(t *testing.T) {
			c := newMemDisk()
			c.files[name] = &memFile{d: c, name: name, data: slices.Clone(whole[:n]), synced: n, named: true}
			want := 0
			for want < len(ends) && ends[want] <= n {
				want++
			}
			r := startRig(t, c, testConfig())
			r.publish(ev(id, events.CallReceived))
			r.flush()
			all := r.readAll()
			if len(all) != want+1 || all[want].Seq != uint64(want+1) {
				t.Fatalf("cut at %d: %s, want %d from before", n, brief(all), want)
			}
			if s := r.o.Stats(); s.Quarantined != 0 || s.Torn > 1 {
				t.Fatalf("cut at %d: %+v", n, s)
			}
			r.stop()
			again := openRig(t, c, testConfig())
			if s := again.o.Stats(); s.Torn != 0 || s.Quarantined != 0 {
				t.Fatalf("cut at %d: found again: %+v", n, s)
			}
		})
	}
}

// TestFlipEveryByte damages each byte of a closed segment: only what it hits is
// missing, it is noticed, and the number of the next event is right.
func TestFlipEveryByte(t *testing.T) {
	d := newMemDisk()
	var id string
	synctest.Test(t, func(t *testing.T) {
		id = call('A')
		for i := range 2 {
			r := startRig(t, d, testConfig())
			for j := range 3 {
				r.publish(ev(id, []string{events.CallReceived, events.CallRinging}[min(i+j, 1)]))
			}
			r.flush()
			r.stop()
		}
	})
	name := d.segment(0)
	whole := d.files[name].data
	for n := 0; n < len(whole); n += 3 {
		c := d.crash(func(n int) int { return n })
		c.files[name].data[n] ^= 1 << (n % 8)
		r := openRig(t, c, testConfig())
		all := r.readAll()
		if len(all) < 3 || all[len(all)-1].Seq != 6 || !slices.IsSortedFunc(all, func(a, b Record) int { return int(a.Seq) - int(b.Seq) }) {
			t.Fatalf("byte %d: %s", n, brief(all))
		}
		s := r.o.Stats()
		if s.Quarantined == 0 || !strings.Contains(r.log.String(), "level=ERROR") {
			t.Fatalf("byte %d: not noticed: %+v", n, s)
		}
		if n >= 56 && len(all) < 5 {
			t.Fatalf("byte %d took others with it: %s", n, brief(all))
		}
	}
}
