package kernel

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"
)

// The structures of relay.bpf.c; object_test.go holds their sizes and offsets
// against the type information in the object.

type place struct {
	addr [16]byte
	port [2]byte
	_    uint16
}

func placeOf(a netip.AddrPort) (p place) {
	p.addr = a.Addr().As16()
	binary.BigEndian.PutUint16(p.port[:], a.Port())
	return p
}

const (
	flagCopy = 1 << iota
	flagOnly
	flagLoopback
	flagHalf
)

type rule struct {
	_                 uint32 // the kernel's lock
	flags             uint16
	tos               uint8
	_                 uint8
	in, from, out, to place
	device, mtu       uint32
	clock             uint32
	_                 uint32
	every, burst      uint64
	tag               uint64
	types, timed      [2]uint64
	becomes           [128]uint8
}

// ruleOf is a flow between these ports of ours, without its way.
func ruleOf(f *Flow, in, out netip.AddrPort) (r rule) {
	r.in, r.from, r.out, r.to = placeOf(in), placeOf(f.From), placeOf(out), placeOf(f.To)
	r.tos = f.TOS &^ 3
	r.clock, r.tag, r.types, r.timed = f.Clock, f.Tag, f.Types, f.Timed
	r.every = uint64(f.Every)
	r.burst = uint64(f.Burst) * uint64(f.Every)
	for i := range r.becomes {
		r.becomes[i] = uint8(i)
	}
	for _, m := range f.Remap {
		if m.From != m.To {
			r.becomes[m.From] = m.To
		}
	}
	if f.Copy {
		r.flags |= flagCopy
	}
	if f.Only {
		r.flags |= flagOnly
	}
	if in.Addr().IsLoopback() || f.From.Addr().IsLoopback() {
		r.flags |= flagLoopback
	}
	return r
}

type counts struct {
	packets, bytes                                   uint64
	expected, unique, duplicates, reordered, foreign uint64
	source, rate, failed, uncopied                   uint64
	upSource, upType, upForm, upWay                  uint64
	first, last                                      uint64
}

type state struct {
	full, seen          uint64
	max, base, bad      uint32
	ssrc, other         uint32
	ts, transit, jitter uint32
	otherSeq            uint16
	started, otherRun   uint8
	timing, pt          uint8
	firstSeq            uint16
	half                [2]counts
}

const firstCycle = 1 << 16

// snapshot copies a state that the program may be writing to: each figure is one
// that was, and they may be a packet apart.
func (s *state) snapshot() (c state) {
	const words = unsafe.Sizeof(c) / 8
	from, to := (*[words]uint64)(unsafe.Pointer(s)), (*[words]uint64)(unsafe.Pointer(&c))
	for i := range from {
		to[i] = atomic.LoadUint64(&from[i])
	}
	return c
}

// read tells the counts of a half.
func (s *state) read(half int, at func(uint64) time.Time) Counts {
	c := &s.half[half]
	out := Counts{
		Packets: c.packets, Bytes: c.bytes,
		Expected: c.expected, Unique: c.unique, Duplicates: c.duplicates, Reordered: c.reordered, Foreign: c.foreign,
		Source: c.source, Rate: c.rate, Failed: c.failed, Uncopied: c.uncopied,
		UpSource: c.upSource, UpType: c.upType, UpForm: c.upForm, UpWay: c.upWay,
		First: at(c.first), Last: at(c.last),
		Jitter: float64(s.jitter) / 16,
		Begin:  s.firstSeq, Type: s.pt,
		TS: swap(s.ts), SSRC: swap(s.ssrc),
	}
	if s.started != 0 {
		out.Highest = s.max - firstCycle
	}
	return out
}

// swap reads a field that the program keeps in network order.
func swap(v uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	return binary.BigEndian.Uint32(b[:])
}
