package relay

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/media"
	"ringdown/media/kernel"
)

// offloader is the pool's side of its fast path: it knows which direction of
// which call each flow is. Its lock is taken with a Relay.mu held, never the
// other way round.
type offloader struct {
	path   fastPath
	facing facing
	log    *slog.Logger
	moved  struct{ down, up atomic.Uint64 } // directions given to the fast path, and taken back
	wrong  atomic.Uint64                    // flows that it did not take
	holes  atomic.Uint64                    // packets forwarded without their copy

	collecting sync.Mutex // held while counts are read and taken over: an older reading never comes after a newer one
	settling   sync.Mutex // held while retired copies are waited for

	mu      sync.Mutex
	last    uint64 // tag
	flows   map[uint64]*offloaded
	retired []uint64 // tags of flows that are out of force; copies of them may still come
	closed  bool
	told    bool // that the fast path refuses flows
}

// offloaded is a flow that is in force, or was. Its first fields never change.
type offloaded struct {
	relay *Relay
	side  media.Side
	tap   *tapBox // nil: no copies
	since time.Time

	flow passage       // guarded by Relay.mu
	seen kernel.Counts // what is in the relay's own counts already; guarded by Relay.mu
}

func newOffloader(log *slog.Logger) *offloader {
	return &offloader{log: log, facing: facing{ask: askSystem}, flows: map[uint64]*offloaded{}}
}

// send has a direction pass below us under a new flow, unless it does so already.
// The caller holds r.mu, here and in recall.
func (o *offloader) send(r *Relay, from media.Side, want passage) {
	now := r.below[index(from)]
	if now != nil {
		if want.Tag = now.flow.Tag; want == now.flow && now.tap == r.copies(from) {
			return
		}
		if want.In != now.flow.In {
			o.recall(r, from)
			now = nil
		}
	}
	next := &offloaded{relay: r, side: from, tap: r.copies(from), since: time.Now()}
	o.mu.Lock()
	o.last++
	want.Tag = o.last
	next.flow = want
	o.flows[want.Tag] = next
	o.mu.Unlock()
	before, err := o.path.Set(want)
	if err != nil {
		o.refused(err)
		o.retire(want.Tag)
		o.recall(r, from)
		return
	}
	if now != nil {
		r.merge(now, before)
		o.retire(now.flow.Tag)
	} else {
		o.moved.down.Add(1)
	}
	r.below[index(from)] = next
}

// recall has a direction come up to us again.
func (o *offloader) recall(r *Relay, from media.Side) {
	now := r.below[index(from)]
	if now == nil {
		return
	}
	r.merge(now, o.path.Remove(now.flow.In))
	r.below[index(from)] = nil
	o.retire(now.flow.Tag)
	o.moved.up.Add(1)
}

// refused notes that the fast path did not take a flow, which then passes by us;
// it is tried again with the next change, and once a second.
func (o *offloader) refused(err error) {
	o.wrong.Add(1)
	o.mu.Lock()
	first := !o.told
	o.told = true
	o.mu.Unlock()
	if first {
		o.log.Error("the kernel refuses a flow: it passes by the socket; said once", "error", err)
	}
}

func (o *offloader) retire(tag uint64) {
	o.mu.Lock()
	o.retired = append(o.retired, tag)
	o.mu.Unlock()
}

// settle returns when no copy of a flow that went out of force before the call
// will be delivered any more. No Relay.mu may be held.
func (o *offloader) settle() {
	o.settling.Lock()
	defer o.settling.Unlock()
	o.mu.Lock()
	tags := o.retired
	o.retired = nil
	o.mu.Unlock()
	if len(tags) == 0 {
		return
	}
	o.path.Drain()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, tag := range tags {
		delete(o.flows, tag)
	}
}

// collect takes over what was counted; once a second. No Relay.mu may be held.
func (o *offloader) collect() {
	o.collecting.Lock()
	defer o.collecting.Unlock()
	o.mu.Lock()
	closed := o.closed
	o.mu.Unlock()
	if closed {
		return
	}
	o.path.Read(func(tag uint64, c kernel.Counts) {
		if f := o.flow(tag); f != nil {
			f.relay.mu.Lock()
			defer f.relay.mu.Unlock()
			if f.relay.below[index(f.side)] == f { // else its last counts are taken over
				f.relay.merge(f, c)
			}
		}
	})
	o.settle()
}

func (o *offloader) flow(tag uint64) *offloaded {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flows[tag]
}

// close ends the fast path, once, behind a reading that goes on.
func (o *offloader) close() error {
	o.mu.Lock()
	closed := o.closed
	o.closed = true
	o.mu.Unlock()
	if closed {
		return nil
	}
	o.collecting.Lock()
	defer o.collecting.Unlock()
	return o.path.Close()
}

// deliver gives the tap its copy of a packet that was forwarded below us.
func (o *offloader) deliver(tag uint64, at time.Time, pkt []byte) {
	f := o.flow(tag)
	h, ok := parseRTP(pkt)
	if f == nil || f.tap == nil || !ok { // too late, or what the fast path never forwards
		o.holes.Add(1)
		return
	}
	r := f.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.rescue()
	r.ears[index(f.side)].meter.Listen(r.clock(at), h.pt, pkt[h.start:h.end])
	f.tap.Packet(media.Packet{
		Side: f.side, Arrival: at, PT: h.pt, Marker: h.marker, Seq: h.seq, TS: h.ts, SSRC: h.ssrc,
		Payload: pkt[h.start:h.end],
	})
}

// merge adds what a flow has counted since the last time to the counts of its
// direction. The caller holds r.mu.
func (r *Relay) merge(f *offloaded, c kernel.Counts) {
	flow, seen := &r.flows[index(f.side)], &f.seen
	c.Failed = min(c.Failed, seen.Failed+c.Packets-seen.Packets) // one that the packets do not show yet is for the next time
	packets, octets := sent(&c, seen)
	flow.packets.Add(packets)
	flow.bytes.Add(octets)
	flow.drops[media.DropSource].Add(c.Source - seen.Source)
	flow.drops[media.DropRate].Add(c.Rate - seen.Rate)
	flow.drops[media.DropSend].Add(c.Failed - seen.Failed)
	if !c.Last.IsZero() {
		at := r.clock(c.Last)
		flow.last.Store(max(flow.last.Load(), at+1))
		passed := &r.lanes[index(f.side)].passed
		passed.at = at
		passed.header = header{pt: c.Type, seq: uint16(c.Highest), ts: c.TS, ssrc: c.SSRC, start: rtpHeader, end: rtpHeader}
	}
	if missed := c.Uncopied - seen.Uncopied; missed > 0 {
		r.pool.offload.holes.Add(missed)
		if f.tap != nil {
			if g, ok := f.tap.Tap.(media.Gapped); ok {
				from := f.since
				if seen.Last.After(from) {
					from = seen.Last
				}
				g.Missed(f.side, missed, from, c.Last)
			}
		}
	}
	r.tallied(f.side, &c, seen)
	*seen = c
}

// sent are how many packets went out since an earlier reading, and their bytes.
// Of those that did not, only the number is known: they are taken as long as the
// others.
func sent(c, before *kernel.Counts) (packets, octets uint64) {
	all := c.Packets - before.Packets
	packets = all - (c.Failed - before.Failed)
	return packets, (c.Bytes - before.Bytes) * packets / max(all, 1)
}

// retapped has the copies of now go to the tap of now. When it returns the tap
// before has all of its own. The caller holds r.nego.
func (r *Relay) retapped() {
	r.mu.Lock()
	r.replan()
	r.mu.Unlock()
	if o := r.pool.offload; o != nil {
		o.settle()
	}
}

// raise has a direction come up to us until the next change, and its copies be
// delivered before it returns. No Relay.mu may be held.
func (r *Relay) raise(from media.Side) {
	o := r.pool.offload
	if o == nil {
		return
	}
	r.mu.Lock()
	o.recall(r, from)
	r.mu.Unlock()
	o.settle()
}

func (o *offloader) stats(s *Stats) {
	s.Down, s.Up, s.Refused, s.Uncopied = o.moved.down.Load(), o.moved.up.Load(), o.wrong.Load(), o.holes.Load()
	s.Below = max(0, int(s.Down)-int(s.Up)) // the two are not read at one moment
}
