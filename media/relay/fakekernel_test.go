package relay

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/media/kernel"
	"ringdown/media/mediatest"
)

// fakeKernel is a fastPath below the conns of a network in memory: it does what
// media/kernel does, one packet after the other.
type fakeKernel struct {
	net      *mediatest.Network
	every    time.Duration // how often copies are delivered without being asked for
	room     int           // copies that wait at most
	deny     atomic.Pointer[error]
	fail     atomic.Bool // what is forwarded does not go out
	deliver  func(tag uint64, at time.Time, pkt []byte)
	stop     chan struct{}
	done     chan struct{}
	stopped  sync.Once
	sets     atomic.Int64
	draining sync.Mutex

	mu    sync.Mutex
	flows map[netip.AddrPort]*fakeFlow
	ring  []fakeCopy
}

type fakeFlow struct {
	passage
	kernel.Counts
	rate bucket
	seen bool
}

// follow counts the stream; disorder is not tried on it.
func (f *fakeFlow) follow(h *header) {
	if !f.seen || f.SSRC != h.ssrc {
		f.seen = true
		f.Highest = uint32(h.seq) - 1
	}
	f.Expected += uint64(uint16(h.seq - uint16(f.Highest)))
	f.Unique++
	f.Highest, f.TS, f.SSRC, f.Type = uint32(h.seq), h.ts, h.ssrc, h.pt
}

type fakeCopy struct {
	tag uint64
	at  time.Time
	pkt []byte
}

func newFakeKernel(n *mediatest.Network) *fakeKernel {
	k := &fakeKernel{
		net: n, every: time.Millisecond, room: 1000, flows: map[netip.AddrPort]*fakeFlow{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	n.Divert(k.take)
	return k
}

// copyTo begins to deliver copies.
func (k *fakeKernel) copyTo(deliver func(tag uint64, at time.Time, pkt []byte)) {
	k.deliver = deliver
	go func() {
		defer close(k.done)
		tick := time.NewTicker(k.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				k.Drain()
			case <-k.stop:
				return
			}
		}
	}()
}

func (k *fakeKernel) Set(p passage) (before kernel.Counts, err error) {
	if deny := k.deny.Load(); deny != nil {
		return kernel.Counts{}, *deny
	}
	k.sets.Add(1)
	k.mu.Lock()
	defer k.mu.Unlock()
	if old := k.flows[p.In]; old != nil {
		before = old.Counts
	}
	k.flows[p.In] = &fakeFlow{passage: p}
	return before, nil
}

func (k *fakeKernel) Remove(in netip.AddrPort) (last kernel.Counts) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flows[in]; f != nil {
		last = f.Counts
	}
	delete(k.flows, in)
	return last
}

func (k *fakeKernel) Read(each func(tag uint64, c kernel.Counts)) {
	k.mu.Lock()
	all := map[uint64]kernel.Counts{}
	for _, f := range k.flows {
		all[f.Tag] = f.Counts
	}
	k.mu.Unlock()
	for tag, c := range all {
		each(tag, c)
	}
}

func (k *fakeKernel) Drain() {
	k.draining.Lock()
	defer k.draining.Unlock()
	k.mu.Lock()
	ring := k.ring
	k.ring = nil
	k.mu.Unlock()
	for _, c := range ring {
		k.deliver(c.tag, c.at, c.pkt)
	}
}

func (k *fakeKernel) Close() error {
	k.stopTicking()
	return nil
}

// stopTicking leaves copies where they are until somebody drains them.
func (k *fakeKernel) stopTicking() {
	k.stopped.Do(func() { close(k.stop) })
	<-k.done
}

// take is the program at the hook.
func (k *fakeKernel) take(from, to netip.AddrPort, b []byte) bool {
	k.mu.Lock()
	f := k.flows[to]
	if f == nil {
		k.mu.Unlock()
		return false
	}
	h, ok := parseRTP(b)
	at := time.Now()
	switch {
	case from != f.From:
		defer k.mu.Unlock()
		if f.Only {
			f.Source++
		}
		return f.Only
	case !ok, f.Types[h.pt>>6]>>(h.pt&63)&1 == 0:
		k.mu.Unlock()
		return false
	}
	if !f.rate.take(at.UnixNano(), f.Every) {
		f.Rate++
		k.mu.Unlock()
		return true
	}
	f.Packets++
	f.Bytes += uint64(len(b))
	failed := k.fail.Load()
	if failed {
		f.Failed++
	}
	f.Last = at
	f.follow(&h)
	if f.Copy {
		if len(k.ring) < k.room {
			k.ring = append(k.ring, fakeCopy{f.Tag, at, b})
		} else {
			f.Uncopied++
		}
	}
	out, peer := f.Out, f.To
	k.mu.Unlock()
	if !failed {
		k.net.Carry(out, peer, b)
	}
	return true
}

// passing is how many directions pass below the sockets.
func (k *fakeKernel) passing() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.flows)
}

func (k *fakeKernel) flow(in netip.AddrPort) *fakeFlow {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flows[in]
}
