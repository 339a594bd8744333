package outbox

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
)

// errs returns what was told, as "type:ok" or "type:error kind".
func (r *rig) story() string {
	var words []string
	for _, o := range r.outcomes() {
		how := "ok"
		switch {
		case spaceGone(o.err):
			how = "no-space"
		case errors.Is(o.err, ErrFull):
			how = "full"
		case o.err != nil:
			how = "failed"
		}
		words = append(words, strings.TrimPrefix(o.e.Type, "call.")+":"+how)
	}
	return strings.Join(words, " ")
}

// on lets the disk fail with err in the operations that hit says.
func (d *memDisk) on(err error, hit func(op string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = func(op, _ string, n int) (int, error) {
		if hit(op) {
			return n / 3, err
		}
		return n, nil
	}
}

func (d *memDisk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = nil
}

// TestOneFault: one failed operation is nobody's loss; the log goes on in
// another segment.
func TestOneFault(t *testing.T) {
	for _, op := range []string{"write", "sync", "create"} {
		for _, also := range []string{"", "truncate"} {
			synctest.Test(t, func(t *testing.T) {
				r := startRig(t, newMemDisk(), testConfig())
				a := call('A')
				if op != "create" {
					r.publish(ev(a, events.CallReceived))
					r.flush()
				}
				hits := 0
				r.d.on(errIO, func(o string) bool {
					if o == op {
						hits++
					}
					return o == also || o == op && hits == 1
				})
				r.publish(ev(a, events.CallReceived))
				r.publish(ev(a, events.CallRinging))
				r.flush()
				synctest.Wait()
				if strings.Contains(r.story(), "failed") {
					t.Errorf("%s: %s", op, r.story())
				}
				if s := r.o.Stats(); s.Faults != 1 || s.Full {
					t.Errorf("%s: %+v", op, s)
				}
				seen := brief(r.readAll())
				r.d.heal()
				r.stop()
				again := openRig(t, r.d, testConfig())
				if got := brief(again.readAll()); got != seen || !strings.HasSuffix(got, ":ringing") {
					t.Errorf("%s: read %s, after a restart %s", op, seen, got)
				}
				if s := again.o.Stats(); s.Quarantined != 0 {
					t.Errorf("%s: %+v: %s", op, s, again.log)
				}
			})
		}
	}
}

// TestDeadDisk: while nothing can be written, what closes something is tried
// again and the rest is refused; then all is as if nothing had been.
func TestDeadDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a := call('A')
		r.publish(ev(a, events.CallReceived))
		r.flush()
		r.d.on(errIO, func(op string) bool { return op == "write" })
		r.publish(ev(a, events.CallRinging))
		r.publish(ev(a, events.CallEnded))
		r.publish(ev(a, events.RecordingCompleted))
		time.Sleep(3 * time.Second)
		if got, want := r.story(), "received:ok ringing:failed"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if !r.o.Full() {
			t.Error("new calls are admitted on a dead disk")
		}
		r.d.heal()
		r.flush()
		synctest.Wait()
		if got, want := r.story(), "received:ok ringing:failed ended:ok recording.completed:ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if got, want := brief(r.readAll()), "A/1:received A/2:ended A/3:recording.completed"; got != want {
			t.Errorf("log is %s, want %s", got, want)
		}
		if r.o.Full() {
			t.Error("still full")
		}
		r.stop()
	})
}

// TestDeadDiskAtTheEnd: even then the owner of a closing event is told.
func TestDeadDiskAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		r.d.on(errIO, func(op string) bool { return op == "sync" })
		r.publish(ev(call('A'), events.CallEnded))
		r.o.Beat(time.Now())
		r.stop()
		if got, want := r.story(), "ended:failed"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if !strings.Contains(r.log.String(), "closed with events that the disk did not take") {
			t.Error("nothing in the log")
		}
	})
}

// TestDiskRecoversUnasked: a disk that failed and works again is found out
// without an event.
func TestDiskRecoversUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		r.d.on(errIO, func(op string) bool { return op == "create" })
		r.publish(ev(call('A'), events.CallReceived))
		time.Sleep(1500 * time.Millisecond)
		if !r.o.Full() {
			t.Error("not full")
		}
		r.d.heal()
		time.Sleep(time.Second)
		if r.o.Full() {
			t.Error("not found out")
		}
		r.stop()
	})
}

// TestVolumeFull is F-06: the volume fills up under live calls; new ones are
// refused, and all that end are stored.
func TestVolumeFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		var live []string
		for i := range 40 {
			live = append(live, events.NewID("call", time.Now()))
			r.publish(ev(live[i], events.CallReceived))
		}
		r.flush()
		r.d.mu.Lock()
		r.d.room = r.d.used() + 100 // someone else has filled it
		r.d.mu.Unlock()
		r.publish(ev(live[0], events.CallRinging))
		r.flush()
		synctest.Wait()
		if !r.o.Full() {
			t.Error("new calls are admitted")
		}
		r.publish(ev(call('Z'), events.CallReceived))
		r.o.Beat(time.Now())
		for _, c := range live {
			r.publish(ev(c, events.RecordingFailed))
			r.publish(ev(c, events.CallEnded))
			time.Sleep(10 * time.Millisecond)
		}
		r.flush()
		synctest.Wait()
		story := r.story()
		if n := strings.Count(story, "ended:ok"); n != 40 {
			t.Errorf("%d of 40 ends stored", n)
		}
		if n := strings.Count(story, "recording.failed:ok"); n != 40 {
			t.Errorf("%d of 40 recordings closed", n)
		}
		if strings.Contains(story, "no-space") || strings.Count(story, "full") != 1 || strings.Contains(story, ":failed") {
			t.Errorf("told %s", story)
		}
		seq := make(map[string]uint64)
		for _, rec := range r.readAll() {
			if seq[rec.Call]++; rec.Seq != seq[rec.Call] {
				t.Errorf("%s at place %d", rec.ID(), seq[rec.Call])
			}
			r.o.Ack(rec)
		}
		r.d.mu.Lock()
		r.d.room = 0
		r.d.mu.Unlock()
		time.Sleep(2 * time.Second)
		if r.o.Full() {
			t.Error("still full with room again")
		}
		if n, _ := r.d.size(reserveName); n != testConfig().Reserve {
			t.Errorf("reserve of %d", n)
		}
		r.stop()
	})
}

func TestNoRoomAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		d.room = 1000
		r := startRig(t, d, testConfig())
		if !r.o.Full() {
			t.Error("not full without the reserve")
		}
		r.publish(ev(call('A'), events.CallReceived))
		r.publish(ev(call('A'), events.CallEnded))
		r.flush()
		synctest.Wait()
		if got, want := r.story(), "received:full ended:failed"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if got := brief(r.readAll()); got != "" {
			t.Errorf("log is %s", got)
		}
		r.stop()
	})
}

// TestNoEndWithoutBeginning: the calls that were admitted before anybody knew
// that the disk is full are told from their beginning; a call whose beginning was
// refused is not told at all.
func TestNoEndWithoutBeginning(t *testing.T) {
	for _, fault := range []string{"full", "dead"} {
		synctest.Test(t, func(t *testing.T) {
			r := startRig(t, newMemDisk(), testConfig())
			a, b := call('A'), call('B')
			switch fault {
			case "full":
				r.d.mu.Lock()
				r.d.room = r.d.used() + 100
				r.d.mu.Unlock()
			case "dead":
				r.publish(ev(a, events.CallReceived))
				r.flush()
				r.d.on(errIO, func(op string) bool { return op == "write" })
			}
			if fault == "full" {
				r.publish(ev(a, events.CallReceived)) // finds it out
				r.flush()
			}
			r.publish(ev(b, events.CallReceived))
			r.publish(ev(b, events.RecordingFailed))
			r.publish(ev(b, events.CallEnded))
			r.publish(ev(a, events.CallEnded))
			time.Sleep(3 * time.Second)
			r.d.heal()
			r.d.mu.Lock()
			r.d.room = 0
			r.d.mu.Unlock()
			r.flush()
			synctest.Wait()
			if got, want := brief(r.readAll()), "A/1:received A/2:ended"; got != want {
				t.Errorf("%s: log is %s, want %s", fault, got, want)
			}
			if n := strings.Count(r.story(), ":ok"); n != 2 || len(r.outcomes()) != 5 {
				t.Errorf("%s: told %s", fault, r.story())
			}
			if n := r.o.Stats().Refused; n != 3 {
				t.Errorf("%s: %d refused", fault, n)
			}
			r.stop()
		})
	}
}

// TestCap: near the cap new calls are refused, at the cap all but what closes.
func TestCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Cap, cfg.Reserve, cfg.Segment = 64<<10, 16<<10, 8<<10
		r := startRig(t, newMemDisk(), cfg)
		a := call('A')
		r.publish(ev(a, events.CallReceived))
		for !r.o.Full() {
			r.publish(ev(a, events.CallRinging))
			r.flush()
		}
		if n := r.o.Stats().Bytes; n < cfg.Cap-cfg.Reserve {
			t.Errorf("full at %d bytes", n)
		}
		r.publish(ev(call('B'), events.CallReceived))
		r.publish(ev(a, events.CallRinging))
		r.flush()
		synctest.Wait()
		if got := r.story(); !strings.HasSuffix(got, "ringing:ok received:full ringing:ok") && !strings.HasSuffix(got, "ringing:ok ringing:ok received:full") && !strings.HasSuffix(got, "received:full ringing:ok") {
			t.Errorf("told … %s", got[len(got)-60:])
		}
		for range 200 {
			r.publish(ev(a, events.CallRinging))
			r.flush()
		}
		if n := r.o.Stats().Bytes; n < cfg.Cap || n > cfg.Cap+2048 {
			t.Errorf("%d bytes at the cap of %d", n, cfg.Cap)
		}
		r.o.Beat(time.Now())
		r.publish(ev(a, events.CallEnded))
		r.flush()
		synctest.Wait()
		if got := r.story(); !strings.HasSuffix(got, "ringing:full ended:ok") {
			t.Errorf("told … %s", got[len(got)-60:])
		}
		if s := r.o.Stats(); s.BeatsDropped == 0 || !strings.Contains(r.log.String(), "more than 70 %") {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

// TestCapPresses: what the bus has goes before Keep is over, rather than that a
// call is refused.
func TestCapPresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Cap, cfg.Reserve, cfg.Segment = 256<<10, 16<<10, 16<<10
		r := startRig(t, newMemDisk(), cfg)
		for range 600 {
			c := events.NewID("call", time.Now())
			r.publish(ev(c, events.CallReceived))
			r.publish(ev(c, events.CallEnded))
			r.flush()
			for _, rec := range r.readAll() {
				r.o.Ack(rec)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if s := r.o.Stats(); s.Refused != 0 || s.Early == 0 || s.Early != s.Retired || s.Bytes >= cfg.Cap {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

// TestQueueFull: a disk that hangs costs memory only up to the bound, and what
// closes something is still taken.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openRig(t, newMemDisk(), testConfig()) // nobody runs it: the disk hangs
		a := call('A')
		for range 3000 {
			r.publish(ev(a, events.CallReceived))
		}
		r.publish(ev(a, events.CallEnded))
		synctest.Wait()
		s := r.o.Stats()
		if s.QueueFull == 0 || s.QueueFull != s.Refused || s.Queued != 3001-int(s.Refused) || !s.Full {
			t.Errorf("%+v", s)
		}
		stop := r.start()
		r.flush()
		synctest.Wait()
		if got := r.story(); !strings.HasSuffix(got, "received:ok ended:ok") {
			t.Errorf("told … %s", got[len(got)-60:])
		}
		stop()
	})
}

// TestKeep: segments go when they were acked long enough ago and no open call
// needs them, a damaged one is put aside, and a late event still gets the next
// number as long as its call is in the log.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Segment, cfg.Keep = 4<<10, time.Hour
		d := newMemDisk()
		r := startRig(t, d, cfg)
		ended, open := call('A'), call('B')
		r.publish(ev(ended, events.CallReceived))
		r.publish(ev(ended, events.CallEnded))
		r.flush()
		ackAll := func() {
			for _, rec := range r.readAll() {
				r.o.Ack(rec)
			}
			r.readAll()
		}
		fill := func(c string, n int) {
			for range n {
				r.publish(ev(c, events.CallRinging))
				r.flush()
			}
		}
		r.publish(ev(open, events.CallReceived))
		fill(open, 20)
		before := r.o.Stats().Segments
		ackAll()
		time.Sleep(2 * time.Hour)
		if n := r.o.Stats().Segments; n != before || before < 3 {
			t.Errorf("%d segments of %d while a call in the first is open", n, before)
		}
		r.o.Beat(time.Now())
		r.flush()
		r.publish(ev(ended, events.RecordingCompleted)) // forgotten by now, but in the log
		r.publish(ev(open, events.CallEnded))
		r.flush()
		if s := r.o.Stats(); s.Recalled != 1 {
			t.Errorf("%+v", s)
		}
		if got := brief(r.readAll()); got != "A/3:recording.completed B/22:ended" {
			t.Errorf("late event: %s", got)
		}
		r.o.Rewind()
		d.mu.Lock()
		first := d.files["0000000000000001.log"]
		first.data[len(first.data)/2] ^= 1
		d.mu.Unlock()
		r.o.damage(1)
		time.Sleep(2 * time.Hour)
		if n := r.o.Stats().Retired; n == 0 {
			t.Error("nothing removed")
		}
		names, _ := d.list()
		if !slices.Contains(names, "0000000000000001.log.damaged") || slices.Contains(names, "0000000000000002.log") {
			t.Errorf("%v", names)
		}
		ackAll()
		r.stop()
		again := startRig(t, d, cfg)
		again.publish(ev(events.NewID("call", time.Now().Add(-100*time.Hour)), events.RecordingFailed))
		again.flush()
		synctest.Wait()
		if got := again.outcomes(); len(got) != 1 || !errors.Is(got[0].err, ErrPast) {
			t.Errorf("a call older than the log: %v", got)
		}
		again.stop()
	})
}

// TestCursorLost: without a cursor that opens all is handed out again.
func TestCursorLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		r.publish(ev(call('A'), events.CallReceived))
		r.flush()
		r.o.Ack(r.readAll()[0])
		r.d.on(errIO, func(op string) bool { return op == "replace" })
		time.Sleep(1500 * time.Millisecond)
		if _, err := r.d.size(cursorName); !errors.Is(err, fs.ErrNotExist) {
			t.Error("saved on a disk that fails")
		}
		r.d.heal()
		r.stop()
		if again := openRig(t, r.d, testConfig()); again.o.Stats().Backlog != 0 {
			t.Error("cursor not saved at the end")
		}
		r.d.files[cursorName].data[20] ^= 1
		again := openRig(t, r.d, testConfig())
		if again.o.Stats().Backlog != 1 || len(again.readAll()) != 1 || !strings.Contains(again.log.String(), "cursor lost") {
			t.Errorf("%+v", again.o.Stats())
		}
	})
}
