// Package relay forwards the RTP of calls between their two parties, untouched
// unless their legs differ or a sound is played, lets a tap have a copy, speaks
// RTCP with each party by itself, and notices who is not heard.
//
// It owns the media ports ([Pool]), one call's media path ([Relay]) and the rule
// from whom packets are accepted. It refuses what is not RTP or RTCP, what comes
// from elsewhere than the description or the trunk's rule allows, and what comes
// faster than any codec sends; every packet that is not forwarded is counted
// with its reason. It knows nothing of SIP.
package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringdown/media"
	"ringdown/media/dscp"
	"ringdown/media/secure"
	"ringdown/media/sound"
)

// ErrNoPorts says that no pair of ports is free: refuse the call with 503.
var ErrNoPorts = errors.New("no media ports left")

// Ports stay bound after a call until nothing has come to them for
// quarantineLeast, but not longer than quarantineMost: a sender that never stops
// must not use up the range.
const (
	quarantineLeast = time.Second
	quarantineMost  = 30 * time.Second
)

// Pool hands out media ports at random and takes them back into quarantine.
// Safe for concurrent use.
type Pool struct {
	homes     []address                                    // the first is that of the section's own keys
	listen    func(netip.AddrPort) (net.PacketConn, error) // nil: the engine's own
	engine    engine
	beat      beat
	offload   *offloader // nil: there is nothing below the sockets
	sounds    sound.Library
	dscp      dscp.Class  // of all that no trunk has another for
	unmarked  atomic.Bool // the system does not let us mark, and it was said
	chosen    Engine
	late      atomic.Uint64                    // packets that came to ports in quarantine
	converted atomic.Uint64                    // directions that were converted
	closing   sync.WaitGroup                   // pairs whose timer is closing them
	identity  func() (*secure.Identity, error) // ours in DTLS, made when first needed

	mu     sync.Mutex
	rest   map[*pair]struct{}
	relays map[*Relay]struct{}
	done   Stats // totals of the relays closed
	closed bool
}

// pair is an even port for RTP and the odd one above it for RTCP, both bound.
type pair struct {
	pool *Pool
	spot
	port      uint16
	class     dscp.Class // of what it sends; set by whoever has it
	rtp, rtcp *socket

	since time.Time    // start of the quarantine
	heard atomic.Int64 // nanoseconds into it, of the last packet
	timer *time.Timer
}

// NewPool reads the configuration; it binds nothing yet. listen opens the
// sockets, nil stands for UDP of the system; a port for which it returns
// syscall.EADDRINUSE is passed over.
func NewPool(cfg Config, listen func(netip.AddrPort) (net.PacketConn, error), log *slog.Logger) (*Pool, error) {
	cfg.Defaults()
	var faults []error
	cfg.Validate(func(path, msg string) { faults = append(faults, fmt.Errorf("media.%s: %s", path, msg)) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	p := &Pool{
		listen: listen,
		engine: engine{log: log},
		rest:   map[*pair]struct{}{},
		relays: map[*Relay]struct{}{},
	}
	p.homes = cfg.homes()
	p.dscp, _ = dscp.Parse(cfg.DSCP)
	if err := p.choose(cfg, listen != nil, openKernel); err != nil {
		return nil, err
	}
	p.identity = sync.OnceValues(func() (*secure.Identity, error) { return secure.NewIdentity(time.Now()) })
	return p, nil
}

// NewRelay takes two pairs of ports for one call; id is for the log only. notice
// is called from the packet path: it must not block nor call the relay. When the
// range is used up the error is [ErrNoPorts].
func (p *Pool) NewRelay(id string, notice func(media.Notice)) (*Relay, error) {
	return p.newRelay(id, notice, false)
}

// NewAnteroom takes one pair of ports for a callee who is spoken to before he is put
// through: a Relay of which he is the callee, and whose caller, described by his
// [Relay.Offer], is never sent anything, be it sound, RTCP or DTLS. Both are apart in
// it for good. The rest is as of [Pool.NewRelay].
func (p *Pool) NewAnteroom(id string, notice func(media.Notice)) (*Relay, error) {
	return p.newRelay(id, notice, true)
}

func (p *Pool) newRelay(id string, notice func(media.Notice), room bool) (*Relay, error) {
	var pairs [2]*pair
	loop := p.engine.enter()
	for i := range pairs {
		if room && i > 0 {
			pairs[i] = pairs[0]
			break
		}
		var err error
		if pairs[i], err = p.take(spot{0, p.homes[0].first}, loop); err != nil {
			if i > 0 {
				p.putBack(pairs[0])
			}
			p.engine.leave(loop)
			return nil, fmt.Errorf("relay of %s: %w", id, err)
		}
	}
	r := newRelay(p, id, notice, pairs)
	r.loop = loop
	p.mu.Lock()
	closed := p.closed
	p.relays[r] = struct{}{}
	p.mu.Unlock()
	if closed { // while we were binding
		r.Close()
		return nil, fmt.Errorf("relay of %s: %w", id, net.ErrClosed)
	}
	return r, nil
}

// take binds a pair at random, for a call in a loop. Ports of other programs are
// passed over and tried again by later calls.
func (p *Pool) take(s spot, loop int) (*pair, error) {
	at := p.place(s)
	var taken []uint16
	defer func() {
		p.mu.Lock()
		at.free = append(at.free, taken...)
		p.mu.Unlock()
	}()
	for {
		port, err := p.pick(at)
		if err != nil {
			return nil, err
		}
		pair, err := p.bindPair(s, port, loop)
		if err == nil {
			return pair, nil
		}
		taken = append(taken, port)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("media port %d: %w", port, err)
		}
	}
}

func (p *Pool) pick(at *place) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case len(at.free) == 0:
		return 0, ErrNoPorts
	}
	i, last := rand.IntN(len(at.free)), len(at.free)-1
	port := at.free[i]
	at.free[i] = at.free[last]
	at.free = at.free[:last]
	return port, nil
}

func (p *Pool) bindPair(s spot, port uint16, loop int) (q *pair, err error) {
	q = &pair{pool: p, spot: s, port: port, since: time.Now()}
	bind := p.place(s).bind
	dual := p.place(spot{s.home, four}).bind == bind // [::] of an address that advertises IPv4
	if q.rtp, err = p.bind(netip.AddrPortFrom(bind, port), (*resting)(q), dual, loop); err != nil {
		return nil, err
	}
	if q.rtcp, err = p.bind(netip.AddrPortFrom(bind, port+1), (*resting)(q), dual, loop); err != nil {
		q.rtp.close()
		return nil, err
	}
	q.mark(p.dscp)
	return q, nil
}

// bind opens a port, which serves one IP version unless it is dual.
func (p *Pool) bind(at netip.AddrPort, to receiver, dual bool, loop int) (*socket, error) {
	if p.listen == nil {
		return p.engine.listen(at, dual, to, loop)
	}
	conn, err := p.listen(at)
	if err != nil {
		return nil, err
	}
	return p.engine.open(conn, to, loop), nil
}

// putBack closes a pair and makes its port free.
func (p *Pool) putBack(pair *pair) {
	pair.rtp.close()
	pair.rtcp.close()
	p.mu.Lock()
	at := p.place(pair.spot)
	at.free = append(at.free, pair.port)
	p.mu.Unlock()
}

// quarantine keeps the ports of a call bound and drains them; a pool that is
// closed frees them at once.
func (p *Pool) quarantine(pair *pair) {
	pair.since = time.Now()
	pair.heard.Store(0)
	pair.rtp.bind("", (*resting)(pair))
	pair.rtcp.bind("", (*resting)(pair))
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.putBack(pair)
		return
	}
	defer p.mu.Unlock()
	p.rest[pair] = struct{}{}
	pair.timer = time.AfterFunc(quarantineLeast, pair.rested)
}

// rested runs when a pair may be free again, or has to wait on.
func (q *pair) rested() {
	p := q.pool
	p.mu.Lock()
	if _, mine := p.rest[q]; !mine { // Close was faster
		p.mu.Unlock()
		return
	}
	if age := time.Since(q.since); age < quarantineMost {
		if wait := time.Duration(q.heard.Load()) + quarantineLeast - age; wait > 0 {
			q.timer.Reset(min(wait, quarantineMost-age))
			p.mu.Unlock()
			return
		}
	}
	delete(p.rest, q)
	p.closing.Add(1)
	p.mu.Unlock()
	defer p.closing.Done()
	p.putBack(q)
}

// resting is the receiver of a pair that belongs to no call.
type resting pair

func (q *resting) handle(d datagram) (outgoing, bool) {
	q.heard.Store(int64(d.at.Sub(q.since)))
	q.pool.late.Add(1)
	return outgoing{}, false
}

func (q *resting) sent(int, error) {}

// forget takes a closed relay's counts over.
func (p *Pool) forget(r *Relay, s media.Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.relays, r)
	p.engine.leave(r.loop)
	p.done.add(&s)
}

// Close closes all relays and all ports, also those in quarantine, and waits
// for them. Idempotent.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	var open []*Relay
	for r := range p.relays {
		open = append(open, r)
	}
	p.mu.Unlock()
	for _, r := range open {
		r.Close()
	}
	p.mu.Lock()
	rest := p.rest
	p.rest = map[*pair]struct{}{}
	p.mu.Unlock()
	for q := range rest {
		q.timer.Stop()
		p.putBack(q)
	}
	p.closing.Wait()
	p.engine.close()
	if o := p.offload; o != nil {
		return o.close()
	}
	return nil
}
