package sip

import (
	"bytes"
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// bucket lets rate events a second pass and burst at once.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if !b.last.IsZero() {
		b.tokens = min(burst, b.tokens+rate*max(0, now.Sub(b.last).Seconds()))
	} else {
		b.tokens = burst
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// sources holds a bucket for each of the addresses heard last. It never holds
// more than size of them, so spoofed addresses cost no memory; the one heard
// longest ago gives way.
type sources struct {
	size        int
	rate, burst float64
	order       *list.List // of *source, heard last in front
	byAddr      map[netip.Addr]*list.Element
}

type source struct {
	addr netip.Addr
	bucket
}

func newSources(size int, rate, burst float64) *sources {
	return &sources{size: size, rate: rate, burst: burst, order: list.New(), byAddr: map[netip.Addr]*list.Element{}}
}

func (s *sources) take(addr netip.Addr, now time.Time) bool {
	e, ok := s.byAddr[addr]
	if !ok {
		if s.order.Len() >= s.size {
			last := s.order.Back()
			delete(s.byAddr, s.order.Remove(last).(*source).addr)
		}
		e = s.order.PushFront(&source{addr: addr})
		s.byAddr[addr] = e
	} else {
		s.order.MoveToFront(e)
	}
	return e.Value.(*source).take(now, s.rate, s.burst)
}

const (
	knownSources   = 8192 // addresses of trunks with a bucket of their own
	unknownSources = 8192
	// A stranger's INVITE makes an event once a minute for each address and ten
	// times a second for all of them; the rest is only counted.
	strangerRate  = 1.0 / 60
	strangersRate = 10.0
)

// door decides, before anything is parsed, whether a message may come in.
type door struct {
	trunk func(netip.Addr) (id string, ok bool)

	mu        sync.Mutex
	peers     map[netip.Addr]int // where our own attempts went, by live legs
	known     *sources
	unknown   *sources
	total     bucket
	totalRate float64
	strangers bucket
}

func newDoor(trunk func(netip.Addr) (string, bool), r Rate) *door {
	return &door{
		trunk: trunk, peers: map[netip.Addr]int{},
		known:     newSources(knownSources, float64(r.Source), 2*float64(r.Source)),
		unknown:   newSources(unknownSources, strangerRate, 1),
		totalRate: float64(r.Total),
	}
}

// admission is what the door says of a message.
type admission uint8

const (
	turnedAway admission = iota // drop, with the reason given
	admitted
	sampled // a stranger's INVITE: for the event, never answered
)

// admit judges a message from src. trunk is empty for an address we dialled ourselves.
func (d *door) admit(src netip.Addr, b []byte) (a admission, trunk, reason string) {
	return d.admitFrom("", src, b)
}

// admitFrom is admit for a connection whose certificate has named its trunk;
// when it has not, the address says which one it is.
func (d *door) admitFrom(trunk string, src netip.Addr, b []byte) (a admission, _, reason string) {
	ok := trunk != ""
	if !ok {
		trunk, ok = d.trunk(src)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !ok && d.peers[src] == 0 {
		if bytes.HasPrefix(b, []byte("INVITE ")) && d.unknown.take(src, now) && d.strangers.take(now, strangersRate, strangersRate) {
			return sampled, "", ""
		}
		return turnedAway, "", "unknown-source"
	}
	if !d.known.take(src, now) || !d.total.take(now, d.totalRate, 2*d.totalRate) {
		return turnedAway, trunk, "rate"
	}
	return admitted, trunk, ""
}

// knows reports whether src belongs to a trunk or is talked to.
func (d *door) knows(src netip.Addr) bool {
	_, ok := d.trunk(src)
	d.mu.Lock()
	defer d.mu.Unlock()
	return ok || d.peers[src] > 0
}

// expect lets src in as long as a leg of ours talks to it; every call of it is
// matched by one of forget.
func (d *door) expect(src netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers[src]++
}

func (d *door) forget(src netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.peers[src]--; d.peers[src] <= 0 {
		delete(d.peers, src)
	}
}

// gate is the door in front of a UDP socket: reading from it gives admitted
// datagrams only.
type gate struct {
	net.PacketConn
	door     *door
	drop     func(reason string)
	stranger func(b []byte, src netip.AddrPort)
}

// ReadFrom waits for the next admitted datagram. What is turned away costs
// neither an allocation that stays nor an answer.
func (g *gate) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := g.PacketConn.ReadFrom(b)
		if err != nil {
			return 0, nil, err
		}
		src, ok := addrPort(addr)
		if !ok {
			g.drop("unknown-source")
			continue
		}
		switch a, _, reason := g.door.admit(src.Addr(), b[:n]); a {
		case admitted:
			return n, addr, nil
		case sampled:
			g.stranger(bytes.Clone(b[:n]), src)
		default:
			g.drop(reason)
		}
	}
}

// addrPort returns the unmapped address of a packet or connection.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	default:
		var err error
		if ap, err = netip.ParseAddrPort(a.String()); err != nil {
			return ap, false
		}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), ap.IsValid()
}
