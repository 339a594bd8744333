package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
)

// Engine is the program at work. Safe for concurrent use: Set and Remove wait
// neither for the tap nor for Read; Read, Drain and Close must not be called by
// the tap.
type Engine struct {
	log     *slog.Logger
	tap     func(tag uint64, at time.Time, pkt []byte)
	program *program
	router  *router
	doors   *doors
	quit    chan struct{}
	done    sync.WaitGroup // of watch and pump, which Close ends

	mu      sync.Mutex
	closed  bool
	flows   map[netip.AddrPort]*flow
	free    []uint32      // slots
	copying int           // flows with Copy
	past    uint64        // copies lost by flows that are over
	copies  chan struct{} // tells pump that there are flows with Copy
	stale   atomic.Bool   // a flow with Copy has ended, whose last copy may just be made

	reading  sync.Mutex
	snapshot []reading // guarded by reading

	settling sync.Mutex // held while stale becomes false
	draining sync.Mutex
	ring     *ring // guarded by draining
	panics   atomic.Uint64

	clock atomic.Pointer[clock]
}

// flow is one in force.
type flow struct {
	Flow
	in, out netip.AddrPort // with the addresses that were unspecified
	way     way
	slot    uint32
	half    int // of the state's counts
}

type reading struct {
	tag uint64
	Counts
}

// Open loads the program and puts it on the interfaces. Its error says in one
// line what is missing.
func Open(c Config, log *slog.Logger) (*Engine, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Flows == 0 {
		c.Flows = defaultFlows
	}
	if c.RingBytes == 0 {
		c.RingBytes = defaultRing
	}
	p, err := load(c.Flows, c.RingBytes)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		log: log, tap: c.Tap, program: p, quit: make(chan struct{}),
		flows: map[netip.AddrPort]*flow{}, free: make([]uint32, c.Flows), copies: make(chan struct{}, 1),
	}
	begun := readClock()
	e.clock.Store(&begun)
	for i := range e.free {
		e.free[i] = uint32(c.Flows - 1 - i)
	}
	if err := e.begin(c.Interfaces); err != nil {
		e.release()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	e.done.Go(e.watch)
	e.done.Go(e.pump)
	return e, nil
}

// begin opens what needs the kernel's help beside the program.
func (e *Engine) begin(interfaces []string) (err error) {
	if e.ring, err = openRing(e.program.Tap); err != nil {
		return err
	}
	if e.router, err = openRouter(); err != nil {
		return err
	}
	e.doors, err = openDoors(e.program, interfaces, e.log)
	return err
}

// release undoes load and begin.
func (e *Engine) release() {
	if e.doors != nil {
		e.doors.close()
	}
	if e.router != nil {
		e.router.close()
	}
	if e.ring != nil {
		e.ring.close()
	}
	e.program.close()
}

// Set puts a flow in force, in place of one with the same In, of which it returns
// the last counts: each packet meets the one or the other whole. With an error
// all is as before.
func (e *Engine) Set(f Flow) (before Counts, err error) {
	if err := f.Validate(); err != nil {
		return Counts{}, err
	}
	if f.Copy && e.tap == nil {
		return Counts{}, errors.New("flow: copy: the engine was opened without a tap")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return Counts{}, ErrClosed
	}
	next, err := e.find(&f)
	if err != nil {
		return Counts{}, fmt.Errorf("flow: %w", err)
	}
	if now := e.flows[f.In]; now != nil {
		return e.replace(now, next)
	}
	if len(e.free) == 0 {
		return Counts{}, ErrFull
	}
	next.slot = e.free[len(e.free)-1]
	*e.program.state(next.slot) = state{}
	if err := e.write(&next); err != nil {
		return Counts{}, err
	}
	if err := e.enter(&next); err != nil {
		e.erase(next.slot)
		return Counts{}, err
	}
	e.free = e.free[:len(e.free)-1]
	e.flows[f.In] = &next
	e.counted(&next, 1)
	return Counts{}, nil
}

// replace has a flow go on as another one. The counts of the two are in the two
// halves of the state, so those of the first are final when it returns.
func (e *Engine) replace(now *flow, next flow) (before Counts, err error) {
	next.slot, next.half = now.slot, 1-now.half
	e.program.state(now.slot).half[next.half] = counts{}
	if next.in != now.in {
		if err := e.enter(&next); err != nil {
			return Counts{}, err
		}
	}
	if err := e.write(&next); err != nil {
		if next.in != now.in {
			e.leave(next.in)
		}
		return Counts{}, err
	}
	if next.in != now.in {
		e.leave(now.in)
	}
	before = e.counts(now, e.now())
	e.counted(now, -1)
	e.past += before.Uncopied
	*now = next
	e.counted(now, 1)
	return before, nil
}

// Remove returns the last counts of a flow, which from then on forwards, copies
// and counts nothing; ok is false when there is none.
func (e *Engine) Remove(in netip.AddrPort) (last Counts, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flows[in]
	if f == nil {
		return Counts{}, false
	}
	e.erase(f.slot)
	e.leave(f.in)
	last = e.counts(f, e.now())
	delete(e.flows, in)
	e.free = append(e.free, f.slot)
	e.past += last.Uncopied
	e.counted(f, -1)
	return last, true
}

// Read hands over the counts of each flow in force. Flows may be set and removed
// meanwhile, also by each.
func (e *Engine) Read(each func(tag uint64, c Counts)) {
	e.reading.Lock()
	defer e.reading.Unlock()
	e.mu.Lock()
	now := e.now()
	e.snapshot = e.snapshot[:0]
	for _, f := range e.flows {
		e.snapshot = append(e.snapshot, reading{f.Tag, e.counts(f, now)})
	}
	e.mu.Unlock()
	for i := range e.snapshot {
		each(e.snapshot[i].tag, e.snapshot[i].Counts)
	}
}

// Stats reads the figures of the engine.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{Flows: len(e.flows), Uncopied: e.past, Panics: e.panics.Load()}
	if e.closed {
		return s
	}
	s.Interfaces = e.doors.names()
	now := e.now()
	for _, f := range e.flows {
		s.Uncopied += e.counts(f, now).Uncopied
	}
	return s
}

// Close takes the program off the interfaces, hands over the last copies and
// frees everything. Packets come up to the sockets from then on. Idempotent.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	clear(e.flows)
	e.mu.Unlock()
	close(e.quit)
	e.doors.interrupt()
	e.done.Wait()
	e.doors.detach()
	e.stale.Store(true)
	e.Drain()
	e.reading.Lock()
	defer e.reading.Unlock()
	e.draining.Lock()
	defer e.draining.Unlock()
	e.release()
	e.ring = nil
	return nil
}

// find completes a flow by its way and by the addresses that it leaves open, as
// they are now.
func (e *Engine) find(f *Flow) (flow, error) {
	w, err := e.router.find(f.Out, f.To)
	if err != nil {
		return flow{}, fmt.Errorf("no way from %s to %s: %w", f.Out.Addr(), f.To.Addr(), err)
	}
	next := flow{Flow: *f, in: f.In, out: f.Out, way: e.doors.limit(w)}
	if f.Out.Addr().IsUnspecified() {
		next.out = netip.AddrPortFrom(w.source, f.Out.Port())
	}
	if f.In.Addr().IsUnspecified() {
		back, err := e.router.find(f.In, f.From)
		if err != nil {
			return flow{}, fmt.Errorf("no way back to %s: %w", f.From.Addr(), err)
		}
		next.in = netip.AddrPortFrom(back.source, f.In.Port())
	}
	if !next.in.IsValid() || !next.out.IsValid() {
		return flow{}, errors.New("no address of this machine for it")
	}
	return next, nil
}

// reroute looks anew for the way of each flow. One without a way stays, and its
// packets come up until it has one.
func (e *Engine) reroute() {
	e.mu.Lock()
	all := slices.Collect(maps.Keys(e.flows))
	e.mu.Unlock()
	for _, in := range all { // a lock each: nobody waits for all of them
		e.mu.Lock()
		if f := e.flows[in]; f != nil {
			e.rerouteOne(f)
		}
		e.mu.Unlock()
	}
}

func (e *Engine) rerouteOne(f *flow) {
	next := *f
	if found, err := e.find(&f.Flow); err != nil {
		next.way = way{}
	} else {
		next.way, next.out = found.way, found.out
	}
	if next.way == f.way && next.out == f.out {
		return
	}
	if err := e.write(&next); err != nil {
		e.log.Error("kernel engine: a flow keeps to the way it had", "error", err)
		return
	}
	*f = next
}

// enter has the packets to a flow's port find its slot.
func (e *Engine) enter(f *flow) error {
	err := e.program.Ports.Update(placeOf(f.in), f.slot, ebpf.UpdateNoExist)
	if errors.Is(err, ebpf.ErrKeyExist) {
		return errors.New("flow: in: another flow has it")
	}
	if err != nil {
		return fmt.Errorf("flow: %w", err)
	}
	return nil
}

func (e *Engine) leave(in netip.AddrPort) {
	if err := e.program.Ports.Delete(placeOf(in)); err != nil {
		e.log.Error("kernel engine: a port that is over stays in the table, without effect", "error", err)
	}
}

// write puts a flow's rule in its slot, whole.
func (e *Engine) write(f *flow) error {
	r := ruleOf(&f.Flow, f.in, f.out)
	r.device, r.mtu = f.way.device, f.way.mtu
	if f.half == 1 {
		r.flags |= flagHalf
	}
	if err := e.program.Rules.Update(f.slot, &r, ebpf.UpdateLock); err != nil {
		return fmt.Errorf("flow: %w", err)
	}
	return nil
}

// erase empties a slot: no packet is for it any more, whoever looked it up before.
func (e *Engine) erase(slot uint32) {
	if err := e.program.Rules.Update(slot, &rule{}, ebpf.UpdateLock); err != nil {
		panic("kernel: rule of an own slot cannot be written: " + err.Error())
	}
}

func (e *Engine) counts(f *flow, now clock) Counts {
	s := e.program.state(f.slot).snapshot()
	return s.read(f.half, now.time)
}

// now is the clock for what the kernel has counted.
func (e *Engine) now() clock {
	c := e.clock.Load()
	now := c.renewed()
	if now != *c {
		set := now
		e.clock.Store(&set)
	}
	return now
}

// counted keeps the number of flows with copies, wakes pump for the first, and
// notes that one has ended.
func (e *Engine) counted(f *flow, by int) {
	if !f.Copy {
		return
	}
	e.copying += by
	if by < 0 {
		e.stale.Store(true)
	}
	if by > 0 && e.copying == 1 {
		select {
		case e.copies <- struct{}{}:
		default:
		}
	}
}
