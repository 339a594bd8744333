// Package locate finds where a SIP request goes (RFC 3263): from the host, port
// and transport of a URI, by NAPTR, SRV, A and AAAA records, to addresses in
// the order they are to be tried.
//
// It owns the questions to name servers, the cache of their answers and the
// order among records. It refuses to choose by what an address has done before
// (sip does), to read a URI, and to answer from records that nobody asked for.
package locate

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Target is where a request is to go, as its URI says.
type Target struct {
	Host      string // a name, or an address with or without brackets
	Port      int    // 0: not given
	Transport string // "udp", "tcp", "tls"; empty: not given
}

// Able is what the sockets of the asker can do, in the order he prefers.
type Able struct {
	Transports []string // "udp", "tcp", "tls"
	Versions   []int    // 4, 6
	Loopback   bool     // he is on this host's loopback himself: names may lead there
}

// Candidate is a place to try.
type Candidate struct {
	Addr      netip.AddrPort
	Transport string
	Name      string // what a certificate there must be for: the host of the URI (RFC 5922 4)
}

// ErrNotFound says that a target leads nowhere we can send to.
var ErrNotFound = errors.New("no address found")

// Limits of one look-up.
const (
	questionTimeout = 2 * time.Second // for one question, all servers together
	locateTimeout   = 4 * time.Second
	maxCandidates   = 8
	maxRecords      = 32 // of one type, of one name
	maxAliases      = 8  // CNAMEs on the way
)

// Options are what a Resolver is made from.
type Options struct {
	// Servers are asked in this order. None: only System is.
	Servers []netip.AddrPort
	// Dial opens a way to a server; network is "udp" or "tcp". nil: the system's,
	// where each UDP question has a socket and so a random port of its own.
	Dial func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error)
	// System knows addresses that no server does: the file of hosts, names
	// without a domain. nil: nobody.
	System func(ctx context.Context, host string) ([]netip.Addr, error)
	// Random returns 0 to n-1. nil: at random.
	Random func(n int) int
	Log    *slog.Logger // nil: none
}

// Resolver answers where targets are. Safe for concurrent use.
type Resolver struct {
	o      Options
	cache  cache
	count  counters
	ctx    context.Context // ends the questions on their way
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	asking sync.WaitGroup
}

// New makes a Resolver; [Resolver.Close] ends it.
func New(o Options) *Resolver {
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		}
	}
	if o.Random == nil {
		o.Random = rand.IntN
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Resolver{o: o}
	r.cache.init()
	r.ctx, r.cancel = context.WithCancel(context.Background()) // of the resolver's life
	return r
}

// Close gives up the questions on their way and waits for them; those who wait
// for answers get none. Idempotent.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.asking.Wait()
}

// spawn runs f in a goroutine that Close waits for; after Close at once.
func (r *Resolver) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		f()
		return
	}
	r.asking.Go(f)
}
