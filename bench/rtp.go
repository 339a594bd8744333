//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Packets are G.711 as carriers send it; the first bytes of the payload are a
// stamp: magic 4, flow 4, number 4, in the window 1, 3 unused, sent at 8.
const (
	packetSize = 12 + 160
	period     = 20 * time.Millisecond
	tick       = 250 * time.Microsecond
	slots      = int(period / tick)
	magic      = 0x52444e31
	stampAt    = 12
	stampEnd   = stampAt + 24
)

// generator speaks and hears for all calls: two sockets, one for the callers and
// one for the callees, and one locked thread. A relay tells calls apart by its
// own ports; the generator by the stamp.
type generator struct {
	side [2]*socket // 0 caller, 1 callee

	mu      sync.Mutex // held for each tick
	wheel   [slots][]*flow
	flows   []*flow
	window  bool
	count   tally
	latency histogram
	late    histogram // how late ticks were: the generator's own fault
	quit    chan struct{}
	gone    chan struct{}
}

// tally counts packets sent in the window, and the same packets as heard.
type tally struct {
	Sent, Heard, Doubled, Foreign, Unsent uint64
}

// flow is what one party of one call says.
type flow struct {
	packet [packetSize]byte
	to     unix.RawSockaddrInet4
	side   int
	number uint32
	top    uint32 // highest number heard
	mask   uint64 // of the 64 numbers up to top, bit 0 is top
	heard  bool
	off    bool
}

func newGenerator() (*generator, error) {
	g := &generator{quit: make(chan struct{}), gone: make(chan struct{})}
	for i := range g.side {
		var err error
		if g.side[i], err = openSocket(); err != nil {
			if i > 0 {
				g.side[0].close()
			}
			return nil, err
		}
	}
	go g.run()
	return g, nil
}

// close ends the thread and its sockets.
func (g *generator) close() {
	close(g.quit)
	<-g.gone
	g.side[0].close()
	g.side[1].close()
}

// start adds a flow from one side to an address. It speaks until stop.
func (g *generator) start(side int, to netip.AddrPort) (*flow, error) {
	if !to.Addr().IsLoopback() || !to.Addr().Is4() || to.Port() == 0 {
		return nil, fmt.Errorf("media address %s: not an IPv4 loopback address", to)
	}
	f := &flow{to: rawAddress(to), side: side}
	p := f.packet[:]
	for i := stampEnd; i < packetSize; i++ {
		p[i] = [8]byte{0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e}[i&7] // 1 kHz in mu-law
	}
	p[0] = 0x80
	binary.BigEndian.PutUint16(p[2:], uint16(rand.Uint32()))
	binary.BigEndian.PutUint32(p[4:], rand.Uint32())
	binary.BigEndian.PutUint32(p[8:], rand.Uint32())
	binary.BigEndian.PutUint32(p[stampAt:], magic)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.flows) >= maxFlows {
		return nil, errors.New("too many flows")
	}
	binary.BigEndian.PutUint32(p[stampAt+4:], uint32(len(g.flows)))
	// Spread over the period by the golden ratio: neighbours are far apart.
	slot := int(uint64(len(g.flows)) * 0x9e3779b97f4a7c15 >> 32 * uint64(slots) >> 32)
	g.flows = append(g.flows, f)
	g.wheel[slot] = append(g.wheel[slot], f)
	return f, nil
}

const maxFlows = 1 << 18 // of a run, those that have ended too

// end has flows say no more, from the next tick on.
func (g *generator) end(flows ...*flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range flows {
		f.off = true
	}
}

// silence ends all flows and forgets what was counted.
func (g *generator) silence() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.flows {
		f.off = true
	}
	g.count, g.latency, g.late = tally{}, histogram{}, histogram{}
}

// open and shut bound the window whose packets are counted.
func (g *generator) open() { g.set(true) }
func (g *generator) shut() { g.set(false) }

func (g *generator) set(window bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window = window
}

// heard is what the window holds so far.
func (g *generator) result() (tally, histogram, histogram) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count, g.latency, g.late
}

func (g *generator) run() {
	defer close(g.gone)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	start := monotonic()
	for n := 0; ; n++ {
		due := start + time.Duration(n)*tick
		now := monotonic()
		if now < due {
			sleepUntil(due)
			now = monotonic()
		}
		select {
		case <-g.quit:
			return
		default:
		}
		g.mu.Lock()
		if g.window {
			g.late.add(now - due)
		}
		g.say(n % slots)
		g.hear()
		g.mu.Unlock()
	}
}

// say sends one packet of each flow of a slot, in batches of one side.
func (g *generator) say(slot int) {
	live := g.wheel[slot][:0]
	var waiting [2]int
	for _, f := range g.wheel[slot] {
		if f.off {
			continue
		}
		live = append(live, f)
		f.stamp(g.window)
		g.side[f.side].put(waiting[f.side], f.packet[:], &f.to)
		if waiting[f.side]++; waiting[f.side] == batchSize {
			g.flush(f.side, batchSize)
			waiting[f.side] = 0
		}
	}
	clear(g.wheel[slot][len(live):])
	g.wheel[slot] = live
	for side, n := range waiting {
		g.flush(side, n)
	}
}

func (g *generator) flush(side, n int) {
	if n == 0 {
		return
	}
	sent := g.side[side].send(n)
	if g.window {
		g.count.Sent += uint64(sent)
		g.count.Unsent += uint64(n - sent)
	}
}

func (f *flow) stamp(window bool) {
	p := f.packet[:]
	binary.BigEndian.PutUint16(p[2:], binary.BigEndian.Uint16(p[2:])+1)
	binary.BigEndian.PutUint32(p[4:], binary.BigEndian.Uint32(p[4:])+160)
	f.number++
	binary.BigEndian.PutUint32(p[stampAt+8:], f.number)
	p[stampAt+12] = 0
	if window {
		p[stampAt+12] = 1
	}
	binary.BigEndian.PutUint64(p[stampAt+16:], uint64(realTime()))
}

func (g *generator) hear() {
	for side, s := range g.side {
		s.receive(func(b []byte, at time.Duration) { g.take(side, b, at) })
	}
}

// take judges one packet that arrived at a side.
func (g *generator) take(side int, b []byte, at time.Duration) {
	if len(b) < stampEnd || binary.BigEndian.Uint32(b[stampAt:]) != magic {
		if g.window {
			g.count.Foreign++ // RTCP, or a relay that changed the payload
		}
		return
	}
	id := binary.BigEndian.Uint32(b[stampAt+4:])
	if int(id) >= len(g.flows) || g.flows[id].side == side {
		g.count.Foreign++
		return
	}
	fresh := g.flows[id].fresh(binary.BigEndian.Uint32(b[stampAt+8:]))
	if b[stampAt+12] == 0 {
		return
	}
	if !fresh {
		g.count.Doubled++
		return
	}
	g.count.Heard++
	g.latency.add(at - time.Duration(binary.BigEndian.Uint64(b[stampAt+16:])))
}

// fresh notes a number and says whether it is new among the last 64.
func (f *flow) fresh(n uint32) bool {
	switch ahead := int64(n) - int64(f.top); {
	case !f.heard:
		f.heard, f.top, f.mask = true, n, 1
	case ahead > 0:
		f.top, f.mask = n, f.mask<<min(ahead, 64)|1
	case ahead <= -64:
		return true // too old to know; it cannot be a double of anything near
	case f.mask>>-ahead&1 == 1:
		return false
	default:
		f.mask |= 1 << -ahead
	}
	return true
}
