package relay

import (
	"sync/atomic"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// late fails the test when it is called after its end.
type late struct {
	*listener
	over   atomic.Bool
	missed atomic.Uint64
	from   time.Time
	to     time.Time
}

func (l *late) Packet(p media.Packet) {
	if l.over.Load() {
		l.t.Errorf("packet %d of the %s after the end", p.Seq, p.Side)
	}
	l.listener.Packet(p)
}

func (l *late) Missed(side media.Side, n uint64, from, to time.Time) {
	if side != media.Caller || l.over.Load() {
		l.t.Errorf("%d missed of the %s, after the end: %v", n, side, l.over.Load())
	}
	l.missed.Add(n)
	l.from, l.to = from, to
}

// TestTapsGetTheirOwn: of two taps, one after the other, each has the packets of
// its time when the next one begins, however long copies wait in the kernel.
func TestTapsGetTheirOwn(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.kernel.stopTicking()
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 1)
		first, second := &late{listener: newListener(t)}, &late{listener: newListener(t)}
		w.relay.Tap(first)
		w.sing(w.caller, 10)
		if n := first.count(media.Caller); n != 0 {
			t.Errorf("%d copies without anyone reading them: the test shows nothing", n)
		}
		w.relay.Tap(second)
		first.over.Store(true)
		w.sing(w.caller, 20)
		w.relay.Close()
		second.over.Store(true)
		w.kernel.Drain()
		if a, b := first.count(media.Caller), second.count(media.Caller); a != 10 || b != 20 {
			t.Errorf("the first has %d, the second %d", a, b)
		}
	})
}

// TestCopiesBeforeFormats: packets that passed below are with the tap before it
// is told that payload types mean something else from now on.
func TestCopiesBeforeFormats(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.kernel.stopTicking()
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		seen := 0
		watch := &formatsTap{listener: tap, told: func() { seen = tap.count(media.Caller) }}
		w.relay.Tap(watch)
		before := tap.changes
		w.sing(w.caller, 5)
		if _, err := w.relay.Reoffer(media.Callee, w.callee.body("a=rtpmap:0 PCMU/8000\r\na=fmtp:0 x=y\r\n")); err != nil {
			t.Fatal(err)
		}
		if tap.changes == before {
			t.Fatal("no new formats: the test shows nothing")
		}
		if seen != 15 {
			t.Errorf("%d of 15 packets were with the tap when it learnt of new formats", seen)
		}
		w.sing(w.caller, 1)
		if n := w.kernel.passing(); n == 0 {
			t.Error("nothing passes below afterwards")
		}
	})
}

type formatsTap struct {
	*listener
	told func()
}

func (f *formatsTap) Formats(side media.Side, formats []media.Format) {
	if side == media.Caller {
		f.told()
	}
	f.listener.Formats(side, formats)
}

// TestMissedCopies: what the tap could not be given is told to it and counted;
// the packets pass all the same.
func TestMissedCopies(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.kernel.stopTicking()
		w.kernel.room = 10
		w.connect(media.Source{}, media.Source{})
		tap := &late{listener: newListener(t)}
		w.relay.Tap(tap)
		begun := time.Now()
		w.sing(w.caller, 31) // the first by the socket
		if n := w.callee.rtp.Waiting(); n != 31 {
			t.Errorf("%d of 31 passed", n)
		}
		w.relay.Close()
		tap.over.Store(true)
		if n, m := tap.count(media.Caller), tap.missed.Load(); n != 11 || m != 20 {
			t.Errorf("the tap has %d and misses %d", n, m)
		}
		if last := begun.Add(30 * mediatest.Frame); tap.from.Before(begun) || !tap.to.Equal(last) {
			t.Errorf("missed from %v to %v, not to %v", tap.from, tap.to, last)
		}
		if n := w.pool.Stats().Uncopied; n != 20 {
			t.Errorf("%d missed copies counted", n)
		}
	})
}

// TestBadTapBelow: a tap that panics costs itself the copy, and no packet.
func TestBadTapBelow(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 1)
		w.relay.Tap(badTap{newListener(t)})
		w.sing(w.caller, 3)
		if n := w.callee.rtp.Waiting(); n != 4 {
			t.Errorf("%d of 4 passed", n)
		}
		if n := w.pool.Stats().Panics; n != 3 {
			t.Errorf("%d panics counted", n)
		}
		w.pool.engine.panics.Store(0) // for the check at the end of every world
	})
}
