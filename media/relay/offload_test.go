package relay

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

var everywhere = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// TestWhatPassesBelow: which directions go without us, and when.
func TestWhatPassesBelow(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		want := func(n int, when string) {
			t.Helper()
			if got := w.kernel.passing(); got != n {
				t.Errorf("%s: %d directions pass below, want %d", when, got, n)
			}
		}
		w.connect(media.Source{}, media.Source{Rule: media.Latch, Allow: everywhere})
		want(0, "nobody has spoken")
		w.sing(w.caller, 1)
		want(1, "the caller has spoken")
		w.sing(w.callee, 10)
		want(1, "the callee's source may change for three seconds")
		time.Sleep(learnWindow + time.Second)
		want(2, "it may not any more")
		if got := len(w.notices); got != 2 {
			t.Errorf("%d notices: the first packets were not noticed", got)
		}
		reoffer := func(rest string) {
			t.Helper()
			if _, err := w.relay.Reoffer(media.Caller, w.caller.body(rest)); err != nil {
				t.Fatal(err)
			}
		}
		reoffer("a=sendonly\r\n")
		want(1, "the caller holds")
		reoffer("")
		want(2, "he is back")
		w.relay.Silence(media.Callee)
		want(0, "the callee is gone")
		w.answer(w.callee, media.Source{})
		w.sing(w.callee, 1)
		want(2, "another answer")
		w.relay.mu.Lock()
		w.relay.lanes[0].convert = stageFunc(func(*packet) media.Drop { return forward })
		w.relay.replan()
		w.relay.mu.Unlock()
		want(1, "the caller's packets have to be seen")
		w.relay.Close()
		want(0, "the call is over")
	})
}

type stageFunc func(*packet) media.Drop

func (f stageFunc) pass(p *packet) media.Drop { return f(p) }

// TestKernelRefuses: a flow that the kernel does not take passes by us, is tried
// again, and the log says it once.
func TestKernelRefuses(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		full := errors.New("no room in the map")
		w.kernel.deny.Store(&full)
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 60)
		w.sing(w.callee, 60)
		if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 60 || b != 60 {
			t.Errorf("caller got %d, callee %d", a, b)
		}
		if n := w.pool.Stats().Refused; n < 4 {
			t.Errorf("%d refusals counted", n)
		}
		w.kernel.deny.Store(nil)
		time.Sleep(time.Second)
		if n := w.kernel.passing(); n != 2 {
			t.Errorf("%d directions pass below a second later", n)
		}
	})
}

// numbers are the sequence numbers of packets, which must be each once.
func numbers(t *testing.T, what string, pkts [][]byte) {
	t.Helper()
	var seqs []int
	for _, p := range pkts {
		seqs = append(seqs, int(binary.BigEndian.Uint16(p[2:])))
	}
	exactly(t, what, seqs)
}

func exactly(t *testing.T, what string, seqs []int) {
	t.Helper()
	slices.Sort(seqs)
	for i, n := range seqs {
		if n != i {
			t.Errorf("%s: %d where %d was to be", what, n, i)
			return
		}
	}
}

// TestMovesLoseNothing: a call that is moved between the kernel and us while both
// parties speak loses no packet and repeats none, for the parties, the tap and
// the counts.
func TestMovesLoseNothing(t *testing.T) {
	const packets, gap = 3000, 5 * time.Millisecond
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		var up atomic.Bool
		var all sync.WaitGroup
		got := map[*phone][][]byte{}
		var mu sync.Mutex
		for _, p := range []*phone{w.caller, w.callee} {
			p.tone.Seq = 0
			all.Go(func() {
				for range packets {
					p.rtp.WriteToUDPAddrPort(p.tone.Next(), p.ours)
					time.Sleep(gap)
					mu.Lock()
					got[p] = append(got[p], p.rtp.Drain()...)
					mu.Unlock()
				}
			})
		}
		var moves int
		all.Go(func() {
			chance := rand.New(rand.NewPCG(1, 2))
			for moves < 500 {
				time.Sleep(time.Duration(chance.IntN(int(50 * time.Millisecond))))
				w.relay.mu.Lock()
				l := &w.relay.lanes[chance.IntN(2)]
				if l.convert = nil; up.Swap(!up.Load()) {
					l.convert = stageFunc(func(*packet) media.Drop { return forward })
				}
				w.relay.replan()
				w.relay.mu.Unlock()
				moves++
			}
		})
		all.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		stats := w.pool.Stats()
		if stats.Down < 100 || stats.Up < 100 {
			t.Errorf("only %d moves down and %d up", stats.Down, stats.Up)
		}
		flows := w.relay.Close()
		for _, p := range []*phone{w.caller, w.callee} {
			got[p] = append(got[p], p.rtp.Drain()...)
			if len(got[p]) != packets {
				t.Errorf("%d of %d packets arrived", len(got[p]), packets)
			}
			numbers(t, "party", got[p])
		}
		for _, side := range []media.Side{media.Caller, media.Callee} {
			f := flows.Of(side)
			wantDrops(t, *f, nil)
			if f.Packets != packets || f.Bytes != packets*172 {
				t.Errorf("%s: %d packets, %d bytes counted", side, f.Packets, f.Bytes)
			}
			if tap.count(side) != packets {
				t.Errorf("the tap has %d packets of the %s", tap.count(side), side)
			}
			var seqs []int
			for _, c := range tap.packets[side] {
				seqs = append(seqs, int(c.Seq))
			}
			exactly(t, "tap", seqs)
		}
	})
}
