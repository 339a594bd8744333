package sip

import (
	"container/list"
	"net/netip"
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
