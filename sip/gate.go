package sip

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	knownSources   = 8192 // addresses of trunks with a bucket of their own
	unknownSources = 8192
	// A stranger's INVITE makes an event once a minute for each address and ten
	// times a second for all of them; the rest is only counted.
	strangerRate  = 1.0 / 60
	strangersRate = 10.0
	// Messages a second that are let in, to be challenged, from addresses nobody
	// knows: of one, at once, and of all.
	visitorRate  = 5.0
	visitorBurst = 20.0
	visitsRate   = 100.0
)

// door decides, before anything is parsed, whether a message may come in.
type door struct {
	trunk  func(netip.Addr) (id string, ok bool)
	limit  func(trunk string) int // messages a second of one trunk; 0: half of all
	guests func() bool            // some trunk may call from anywhere, by digest
	phones func() bool            // and phones may register with one of them
	told   func(banned)           // of a ban; runs without the lock, for a few a minute

	mu        sync.Mutex
	peers     map[netip.Addr]int // where our own attempts went, by live legs
	trunks    map[string]*bucket
	known     *sources
	unknown   *sources
	datagrams lobby
	streams   lobby
	proven    proven
	total     bucket
	totalRate float64
	strangers bucket
}

// lobby is what is remembered of strangers who come one way. Under a datagram
// anybody can write any address, so what came by UDP says nothing of who
// connects: otherwise a few forged packets would keep a trunk out that is known
// by its certificate alone.
type lobby struct {
	visitors *sources
	visits   bucket
	bans     bans
}

func newLobby(b Bans) lobby {
	return lobby{visitors: newSources(unknownSources, visitorRate, visitorBurst), bans: newBans(b)}
}

// mayVisit takes one of the visits that src, and all, may make.
func (l *lobby) mayVisit(src netip.Addr, now time.Time) bool {
	return l.visitors.take(src, now) && l.visits.take(now, visitsRate, 2*visitsRate)
}

func newDoor(trunk func(netip.Addr) (string, bool), c Config) *door {
	r := c.Rate
	return &door{
		trunk: trunk, limit: func(string) int { return 0 }, guests: func() bool { return false }, phones: func() bool { return false }, told: func(banned) {},
		peers: map[netip.Addr]int{}, trunks: map[string]*bucket{},
		known:     newSources(knownSources, float64(r.Source), 2*float64(r.Source)),
		unknown:   newSources(unknownSources, strangerRate, 1),
		datagrams: newLobby(c.Bans), streams: newLobby(c.Bans),
		totalRate: float64(r.Total),
	}
}

// Reasons to turn away somebody who is known.
const (
	tooFast      = "rate"
	trunkTooFast = "trunk-rate"
)

// admission is what the door says of a message.
type admission uint8

const (
	turnedAway admission = iota // drop, with the reason given
	admitted
	sampled // a stranger's INVITE: for the event, never answered
)

// admit judges a datagram from src. trunk is empty for an address we dialled ourselves.
func (d *door) admit(src netip.Addr, b []byte) (a admission, trunk, reason string) {
	return d.judge(&d.datagrams, "", src, b)
}

// admitFrom is admit for a connection. When its certificate has not named its
// trunk, the address says which one it is.
func (d *door) admitFrom(trunk string, src netip.Addr, b []byte) (a admission, _, reason string) {
	return d.judge(&d.streams, trunk, src, b)
}

func (d *door) judge(l *lobby, trunk string, src netip.Addr, b []byte) (a admission, _, reason string) {
	ok := trunk != ""
	if !ok {
		trunk, ok = d.trunk(src)
	}
	now := time.Now()
	d.mu.Lock()
	if !ok {
		trunk = d.proven.of(src, now)
	}
	if trunk != "" || d.peers[src] > 0 {
		defer d.mu.Unlock()
		return d.admitKnown(trunk, src, now)
	}
	a, reason, ban := d.admitStranger(l, src, b, now)
	d.mu.Unlock()
	if ban != nil {
		d.told(*ban)
	}
	return a, "", reason
}

// admitKnown limits who may talk to us. No such address is ever banned: over UDP
// anybody can write under it.
func (d *door) admitKnown(trunk string, src netip.Addr, now time.Time) (a admission, _, reason string) {
	if trunk != "" {
		rate := float64(d.limit(trunk))
		if rate == 0 {
			rate = d.totalRate / 2
		}
		t := d.trunks[trunk]
		if t == nil {
			t = &bucket{}
			d.trunks[trunk] = t
		}
		if !t.take(now, rate, 2*rate) {
			return turnedAway, trunk, trunkTooFast
		}
	}
	if !d.known.take(src, now) || !d.total.take(now, d.totalRate, 2*d.totalRate) {
		return turnedAway, trunk, tooFast
	}
	return admitted, trunk, ""
}

// admitStranger lets in, by a trickle, what may be the begin of a trunk's call
// from an address nobody knows, where there is such a trunk. The rest gets
// silence, and each message brings its sender nearer to a ban.
func (d *door) admitStranger(l *lobby, src netip.Addr, b []byte, now time.Time) (a admission, reason string, ban *banned) {
	if l.bans.holds(src, now) {
		return turnedAway, "banned", nil
	}
	invite := bytes.HasPrefix(b, []byte("INVITE "))
	if d.guests() && (invite || bytes.HasPrefix(b, []byte("OPTIONS ")) || bytes.HasPrefix(b, []byte("ACK ")) ||
		bytes.HasPrefix(b, []byte("REGISTER ")) && d.phones()) {
		if l.mayVisit(src, now) {
			return admitted, "", nil
		}
		return turnedAway, "visitor-rate", nil
	}
	ban = l.bans.strike(src, now, b, banScan)
	if invite && d.unknown.take(src, now) && d.strangers.take(now, strangersRate, strangersRate) {
		return sampled, "", ban
	}
	return turnedAway, "unknown-source", ban
}

// mayKnock reports whether a stranger may try a handshake now.
func (d *door) mayKnock(src netip.Addr) bool {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.streams.bans.holds(src, now) && d.streams.mayVisit(src, now)
}

// strike counts against a stranger what was found out after he was let in.
func (d *door) strike(network string, src netip.Addr, b []byte, why string) {
	now := time.Now()
	_, known := d.trunk(src)
	l := &d.streams
	if network == "udp" {
		l = &d.datagrams
	}
	d.mu.Lock()
	var ban *banned
	if !known && d.peers[src] == 0 && d.proven.of(src, now) == "" {
		ban = l.bans.strike(src, now, b, why)
	}
	d.mu.Unlock()
	if ban != nil {
		d.told(*ban)
	}
}

// prove notes that src has shown a password of trunk: for a while its messages
// are limited as the trunk's. It has to show it again for each call.
func (d *door) prove(src netip.Addr, trunk string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.proven.add(src, trunk, time.Now())
}

// knows reports whether src belongs to a trunk or is talked to.
func (d *door) knows(src netip.Addr) bool {
	_, ok := d.trunk(src)
	d.mu.Lock()
	defer d.mu.Unlock()
	return ok || d.peers[src] > 0 || d.proven.of(src, time.Now()) != ""
}

// isBanned reports whether src may not even connect.
func (d *door) isBanned(src netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.streams.bans.holds(src, time.Now())
}

// banStats returns how many bans were pronounced and how many hold.
func (d *door) banStats() (total uint64, live int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	return d.datagrams.bans.total + d.streams.bans.total, d.datagrams.bans.live(now) + d.streams.bans.live(now)
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
