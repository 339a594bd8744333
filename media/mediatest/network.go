// Package mediatest is what tests of media need: a network of net.PacketConns in
// memory that loses, doubles, delays and reorders by a seed, a phone's tone as
// RTP, and ears that say whether a tone is in what arrived.
//
// It opens no socket and starts no goroutine of its own except timers, so it
// works inside a testing/synctest bubble. It is imported by tests only.
package mediatest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Link says what happens to a datagram on its way. The zero value delivers
// everything at once, in order. Probabilities are from 0 to 1.
type Link struct {
	Delay     time.Duration // of every datagram
	Jitter    time.Duration // added to Delay, even between 0 and this; reorders when larger than the distance of two datagrams
	Loss      float64
	Duplicate float64 // the copy takes its own jitter
	Reorder   float64 // held back by another Delay (1 ms when Delay is 0)
}

// Network carries datagrams between the conns that listen on it. What happens
// to the nth datagram from one address to another depends on the seed and on n
// only, not on what other goroutines send meanwhile.
type Network struct {
	seed uint64
	link Link

	mu    sync.Mutex
	taken func(from, to netip.AddrPort, b []byte) bool
	conns map[netip.AddrPort]*Conn
	flows map[[2]netip.AddrPort]*rand.Rand
	lost  int
}

// NewNetwork returns an empty network.
func NewNetwork(seed uint64, link Link) *Network {
	return &Network{
		seed:  seed,
		link:  link,
		conns: map[netip.AddrPort]*Conn{},
		flows: map[[2]netip.AddrPort]*rand.Rand{},
	}
}

// Listen binds a conn to at; port 0 is not supported. An address in use gives
// syscall.EADDRINUSE, as a kernel does. Its type fits relay.NewPool.
func (n *Network) Listen(at netip.AddrPort) (net.PacketConn, error) {
	c, err := n.Dial(at)
	if err != nil { // a nil *Conn in an interface would not be nil
		return nil, err
	}
	return c, nil
}

// Dial is Listen for a test that wants the conn's own methods.
func (n *Network) Dial(at netip.AddrPort) (*Conn, error) {
	if at.Port() == 0 || !at.IsValid() {
		return nil, fmt.Errorf("mediatest: listen %v: %w", at, syscall.EADDRNOTAVAIL)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[at] != nil {
		return nil, fmt.Errorf("mediatest: listen %v: %w", at, syscall.EADDRINUSE)
	}
	c := &Conn{net: n, at: at, ready: make(chan struct{}, 1), closed: make(chan struct{})}
	n.conns[at] = c
	return c, nil
}

// Divert has f look at each datagram that arrives, before the conn it is for: what
// f takes (true) goes no further. It stands for what a kernel does below its
// sockets, may be called from several goroutines at once, does not change b, and
// may send by [Network.Carry].
func (n *Network) Divert(f func(from, to netip.AddrPort, b []byte) (taken bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken = f
}

// Lost is how many datagrams did not arrive: lost on the link, sent to nobody,
// or to a full queue.
func (n *Network) Lost() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// Bound is how many conns are open: zero after a test that closed all it opened.
func (n *Network) Bound() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

// Carry sends a datagram, from whatever address; b is copied.
func (n *Network) Carry(from, to netip.AddrPort, b []byte) {
	d := datagram{from: from, data: append([]byte(nil), b...)}
	n.mu.Lock()
	chance := n.flow(from, to)
	waits := n.link.fate(chance)
	if len(waits) == 0 {
		n.lost++
	}
	n.mu.Unlock()
	for _, w := range waits {
		if w == 0 {
			n.deliver(to, d)
			continue
		}
		time.AfterFunc(w, func() { n.deliver(to, d) })
	}
}

// fate says when the copies of a datagram arrive, of which there are none when it
// is lost.
func (l Link) fate(chance *rand.Rand) []time.Duration {
	if chance.Float64() < l.Loss {
		return nil
	}
	copies := 1
	if chance.Float64() < l.Duplicate {
		copies = 2
	}
	waits := make([]time.Duration, copies)
	for i := range waits {
		waits[i] = l.wait(chance)
	}
	return waits
}

func (l Link) wait(chance *rand.Rand) time.Duration {
	w := l.Delay
	if l.Jitter > 0 {
		w += time.Duration(chance.Int64N(int64(l.Jitter)))
	}
	if chance.Float64() < l.Reorder {
		w += max(l.Delay, time.Millisecond)
	}
	return w
}

func (n *Network) deliver(to netip.AddrPort, d datagram) {
	n.mu.Lock()
	if taken := n.taken; taken != nil {
		n.mu.Unlock()
		if taken(d.from, to, d.data) {
			return
		}
		n.mu.Lock()
	}
	c := n.conns[to]
	if c == nil || !c.push(d) {
		n.lost++
	}
	n.mu.Unlock()
}

// flow returns the dice of one pair of addresses.
func (n *Network) flow(from, to netip.AddrPort) *rand.Rand {
	key := [2]netip.AddrPort{from, to}
	r := n.flows[key]
	if r == nil {
		h := fnv.New64a()
		fmt.Fprint(h, from, ">", to)
		r = rand.New(rand.NewPCG(n.seed, h.Sum64()))
		n.flows[key] = r
	}
	return r
}
