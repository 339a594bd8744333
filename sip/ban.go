package sip

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"time"
)

// Bans is the section "sip.bans": when strangers are not even counted any more.
type Bans struct {
	After   int           `yaml:"after"`   // messages of one address within a minute that nobody asked for
	First   time.Duration `yaml:"first"`   // of the first ban; each further one lasts twice as long
	Longest time.Duration `yaml:"longest"` // of any
}

// Reasons for a ban: what the last message was that led to it.
const (
	banScan      = "scan"      // a request of an address that belongs to no trunk
	banMalformed = "malformed" // a message in the shape of an attack
	banDigest    = "digest"    // a wrong name or password
)

func (b Bans) validate(report func(path, msg string)) {
	if b.After < 0 {
		report("bans.after", "must not be negative")
	}
	if b.First < 0 || b.First > 0 && b.First < time.Second {
		report("bans.first", "must be PT1S or more")
	}
	if b.Longest < b.First || b.Longest > maxBan {
		report("bans.longest", "must not be shorter than bans.first, nor longer than P30D")
	}
}

const (
	banWindow  = time.Minute
	maxBan     = 30 * 24 * time.Hour
	suspects   = 8192 // addresses whose strikes are remembered
	maxBanned  = 4096 // addresses whose bans are
	banHead    = 1024 // bytes of a message that tell it from its repetition
	provenFor  = time.Hour
	maxProven  = 1024
	bansTold   = 0.1 // events a second, six at once
	bansAtOnce = 6.0
)

// banned is one ban, as it is told.
type banned struct {
	addr  netip.Addr // of an IPv6 network of 64 bits, its first
	why   string
	until time.Time
	count int // how many bans of this address are remembered, this one included
}

// bans remembers who was turned away how often. Its size is bounded, so that
// addresses nobody has cost no memory: they can only push out other strangers,
// who get silence anyway. It belongs to the door's lock.
type bans struct {
	cfg     Bans
	seed    maphash.Seed
	suspect lru[*suspect]
	banned  lru[*sentence]
	total   uint64
	events  bucket
}

type suspect struct {
	strikes int
	since   time.Time
	last    uint64 // hash of the last message
}

type sentence struct {
	until time.Time
	count int
}

func newBans(c Bans) bans {
	return bans{cfg: c, seed: maphash.MakeSeed(), suspect: newLRU[*suspect](suspects), banned: newLRU[*sentence](maxBanned)}
}

// holds reports whether src is banned.
func (b *bans) holds(src netip.Addr, now time.Time) bool {
	s, ok := b.banned.get(household(src))
	return ok && now.Before(s.until)
}

// strike counts a message against src; the repetition of the one before counts
// once. A ban that is to be told is returned.
func (b *bans) strike(src netip.Addr, now time.Time, msg []byte, why string) *banned {
	src = household(src)
	if b.holds(src, now) {
		return nil
	}
	s, ok := b.suspect.get(src)
	if !ok || now.Sub(s.since) > banWindow {
		s = &suspect{since: now}
		b.suspect.put(src, s)
	}
	hash := maphash.Bytes(b.seed, msg[:min(len(msg), banHead)])
	if s.strikes > 0 && hash == s.last {
		return nil
	}
	s.last = hash
	if s.strikes++; s.strikes < b.cfg.After {
		return nil
	}
	b.suspect.remove(src)
	return b.ban(src, now, why)
}

func (b *bans) ban(src netip.Addr, now time.Time, why string) *banned {
	s, ok := b.banned.get(src)
	if !ok || now.Sub(s.until) > b.cfg.Longest { // the last one is long past
		s = &sentence{}
		b.banned.put(src, s)
	}
	length := b.cfg.First
	for range s.count {
		length = min(2*length, b.cfg.Longest)
	}
	s.count++
	s.until = now.Add(length)
	b.total++
	if !b.events.take(now, bansTold, bansAtOnce) {
		return nil
	}
	return &banned{src, why, s.until, s.count}
}

// live counts the bans that hold.
func (b *bans) live(now time.Time) (n int) {
	b.banned.each(func(s *sentence) {
		if now.Before(s.until) {
			n++
		}
	})
	return n
}

// proven are the addresses from which a trunk's password was shown lately.
type proven struct{ lru[*witness] }

type witness struct {
	trunk string
	until time.Time
}

func (p *proven) add(src netip.Addr, trunk string, now time.Time) {
	if p.byAddr == nil {
		p.lru = newLRU[*witness](maxProven)
	}
	p.put(src, &witness{trunk, now.Add(provenFor)})
}

// of returns the trunk, empty when there is none.
func (p *proven) of(src netip.Addr, now time.Time) string {
	if w, ok := p.get(src); ok && now.Before(w.until) {
		return w.trunk
	}
	return ""
}

// lru holds a value for each of the addresses used last. The one used longest
// ago gives way.
type lru[V any] struct {
	size   int
	order  *list.List // of *entry[V], used last in front
	byAddr map[netip.Addr]*list.Element
}

type entry[V any] struct {
	addr  netip.Addr
	value V
}

func newLRU[V any](size int) lru[V] {
	return lru[V]{size, list.New(), map[netip.Addr]*list.Element{}}
}

func (l *lru[V]) get(addr netip.Addr) (v V, ok bool) {
	e, ok := l.byAddr[addr]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*entry[V]).value, true
}

func (l *lru[V]) put(addr netip.Addr, v V) {
	l.remove(addr)
	if l.order.Len() >= l.size {
		delete(l.byAddr, l.order.Remove(l.order.Back()).(*entry[V]).addr)
	}
	l.byAddr[addr] = l.order.PushFront(&entry[V]{addr, v})
}

func (l *lru[V]) remove(addr netip.Addr) {
	if e, ok := l.byAddr[addr]; ok {
		delete(l.byAddr, l.order.Remove(e).(*entry[V]).addr)
	}
}

func (l *lru[V]) each(f func(V)) {
	for _, e := range l.byAddr {
		f(e.Value.(*entry[V]).value)
	}
}

// Ban is a stranger who gets no hearing for a while.
type Ban struct {
	Source netip.Prefix // an IPv4 address, or an IPv6 network of 64 bits
	Why    string       // scan | malformed | digest
	From   time.Time
	Until  time.Time
	Count  int // how many bans of this source are remembered, this one included
}

// keepDoor ties the door to what the others know.
func (e *Endpoint) keepDoor() {
	e.door.trunk = e.trunkAt
	e.door.limit = func(trunk string) int {
		p, _ := e.deps.Policy(trunk)
		return p.Limits.Messages
	}
	e.door.guests = func() bool { return len(e.deps.ByDigest("")) > 0 }
	e.door.phones = e.takesPhones
	e.door.told = func(b banned) {
		e.log.Warn("sip stranger banned", "source", b.addr, "why", b.why, "until", b.until, "count", b.count)
		if e.deps.Banned == nil {
			return
		}
		bits := 32
		if b.addr.Is6() {
			bits = 64
		}
		guard(func() {
			e.deps.Banned(Ban{netip.PrefixFrom(b.addr, bits), b.why, time.Now(), b.until, b.count})
		}, e.panicked)
	}
}
