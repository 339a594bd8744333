package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/media"
	"ringdown/media/dscp"
	"ringdown/routing"
	"ringdown/sip/digest"
	"ringdown/sip/locate"
)

// Deps is what an endpoint needs of the others.
type Deps struct {
	// Admit takes a call that arrived. It runs in the leg's own order, must not
	// wait, and returns where the leg's signals go, or why the call is refused.
	// An Invite without a Trunk comes from a stranger: it is never answered,
	// whatever Admit says.
	Admit func(call.Invite, call.Leg) (send func(call.Signal), refused *call.Cause)
	// Trunk names the trunk that a source address belongs to. It is asked for
	// each message and must not wait.
	Trunk func(netip.Addr) (id string, ok bool)
	// TrunkOfNames names the trunk that a verified certificate with these names
	// belongs to. nil: certificates say nothing.
	TrunkOfNames func(names []string) (id string, ok bool)
	// Policy returns how a trunk is spoken to; ok is false for an unknown id. It
	// is asked for each call and must not wait. nil: every trunk has the defaults.
	Policy func(trunk string) (p routing.Trunk, ok bool)
	// ByDigest names the trunks that may call from anywhere and are known by a
	// password of a realm; all of them for an empty realm. nil: there are none.
	ByDigest func(realm string) []string
	// Trunks lists the ids of all trunks; those that say so are registered with
	// or watched. nil: none.
	Trunks func() []string
	// Banned is told of a stranger who gets no hearing any more, a few times a
	// minute at the most. It must not wait. nil: nobody.
	Banned func(Ban)
	// Ready says whether new calls are taken; it decides the answer to OPTIONS
	// only. nil: always.
	Ready func() bool
	// Locate finds where targets are; the endpoint closes it. nil: one that asks
	// no name server, only Lookup.
	Locate *locate.Resolver
	// Lookup resolves a host name, when there is no Locate. nil: the system's.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Random returns 0 to n-1. nil: at random.
	Random func(n int) int
	// Connect opens a TCP connection to a destination from an address of ours, the
	// zero Addr meaning any. nil: a plain dialler.
	Connect func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error)
	Log     *slog.Logger
}

// Endpoint is our end of every SIP dialog.
type Endpoint struct {
	cfg       Config
	deps      Deps
	log       *slog.Logger
	count     *counts
	door      *door
	tx        *transactions
	buffers   sync.Pool     // of *bytes.Buffer: messages being written
	asks      *digest.Guard // our challenges
	tagKey    string        // of tags that are not remembered
	bindings  bindings      // of our registrations
	wallet    wallet        // what trunks have challenged us with
	sockets   []*socket
	listeners []*listener
	able      locate.Able
	health    *health
	probes    chan struct{} // OPTIONS of ours on their way
	views     views
	creds     *credentials
	udpOnly   udpOnly
	notary    notary
	registrar registrar
	instance  string // in every branch of ours: how a loop is seen

	mu            sync.Mutex
	isClosed      bool
	dialogs       map[string]*leg      // by dialogKey, confirmed or of the caller
	calling       map[string]*outbound // by Call-ID and our tag, until the leg is over
	legs          map[*leg]struct{}
	streams       map[netip.AddrPort][]*stream // by the peer's address
	dials         map[string]*dialling         // by way.key
	slots         slots
	complaints    bucket
	registrations []*registration
	watches       map[string]chan struct{} // by trunk: to look at its policy again
	running       bool

	renewing sync.Mutex // held by Renew

	ctx    context.Context // of the endpoint's life: ends name look-ups and dials
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New makes an endpoint on sockets that are open; it closes them when it is
// closed. Nothing is read before Run.
func New(cfg Config, deps Deps, conns []net.PacketConn, listeners []net.Listener) (*Endpoint, error) {
	cfg.Rate, cfg.Bans = filled(cfg.Rate, cfg.Bans)
	if deps.Admit == nil || deps.Trunk == nil || deps.Log == nil {
		return nil, errors.New("sip: Admit, Trunk and Log are needed")
	}
	if len(conns)+len(listeners) == 0 {
		return nil, errors.New("sip: no socket to listen on")
	}
	deps = deps.filled(cfg.class())
	e := &Endpoint{
		cfg: cfg, deps: deps, log: deps.Log, count: newCounts(), door: newDoor(deps.Trunk, cfg),
		instance: newTag(), asks: digest.NewGuard(), tagKey: newTag(),
		dialogs: map[string]*leg{}, calling: map[string]*outbound{}, legs: map[*leg]struct{}{},
		streams: map[netip.AddrPort][]*stream{}, dials: map[string]*dialling{}, slots: newSlots(),
		watches: map[string]chan struct{}{}, health: newHealth(deps.Log), probes: make(chan struct{}, watchers),
	}
	e.tx = newTransactions(e.panicked)
	e.buffers.New = func() any { return new(bytes.Buffer) }
	var err error
	if e.views, err = newViews(cfg); err != nil {
		return nil, err
	}
	if e.creds, err = newCredentials(cfg.TLS, e.log, e.count); err != nil {
		return nil, err
	}
	if e.notary, err = newNotary(cfg.STIR); err != nil {
		return nil, err
	}
	for _, pc := range conns {
		local, ok := addrPort(pc.LocalAddr())
		if !ok {
			return nil, fmt.Errorf("sip: %v is not an IP address and port", pc.LocalAddr())
		}
		e.sockets = append(e.sockets, &socket{pc: pc, local: local})
	}
	for _, l := range listeners {
		own := newListener(l)
		if (own.network == "tls" || own.network == "wss") && e.creds.pair == nil {
			return nil, fmt.Errorf("sip: listening on %s needs a certificate", own.network)
		}
		e.listeners = append(e.listeners, own)
	}
	e.keepDoor()
	e.able = ableOf(e.sockets, e.listeners)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// filled returns d with what is absent.
func (d Deps) filled(class dscp.Class) Deps {
	if d.Policy == nil {
		d.Policy = func(string) (routing.Trunk, bool) { return routing.Trunk{}, false }
	}
	if d.ByDigest == nil {
		d.ByDigest = func(string) []string { return nil }
	}
	if d.Trunks == nil {
		d.Trunks = func() []string { return nil }
	}
	if d.Lookup == nil {
		d.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if d.Random == nil {
		d.Random = rand.IntN
	}
	if d.Locate == nil {
		d.Locate = locate.New(locate.Options{System: d.Lookup, Random: d.Random, Log: d.Log})
	}
	if d.Connect == nil {
		d.Connect = connector(class)
	}
	if d.TrunkOfNames == nil {
		d.TrunkOfNames = func([]string) (string, bool) { return "", false }
	}
	return d
}

func filled(r Rate, b Bans) (Rate, Bans) {
	c := Config{Rate: r, Bans: b}
	c.Defaults()
	return c.Rate, c.Bans
}

// Run serves until ctx ends or a socket breaks, then closes the endpoint.
func (e *Endpoint) Run(ctx context.Context) error {
	defer e.Close()
	broken := make(chan error, len(e.sockets)+len(e.listeners))
	for _, s := range e.sockets {
		e.spawn(func() { broken <- e.serveUDP(s) }) // ended by Close
	}
	for _, l := range e.listeners {
		e.spawn(func() { broken <- e.serveTCP(l) }) // ended by Close
	}
	e.mu.Lock()
	e.running = true
	e.mu.Unlock()
	e.Renew()
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return err
	}
}

// Close closes the sockets, ends every leg with Gone and waits for what still
// runs. Calls are not told goodbye: that is the switchboard's work, before.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	first := !e.isClosed
	e.isClosed = true
	registrations := slices.Clone(e.registrations)
	streams := make([]*stream, 0, len(e.streams))
	for _, s := range e.streams {
		streams = append(streams, s...)
	}
	e.mu.Unlock()
	if first {
		e.cancel()
		for _, s := range e.sockets {
			s.pc.Close()
		}
		for _, l := range e.listeners {
			l.Close()
		}
		for _, s := range streams {
			s.raw.Close()
		}
		for _, r := range registrations {
			r.do(r.halt)
		}
		e.tx.close()
		e.registrar.close()
	}
	e.endLegs()
	e.deps.Locate.Close() // ends the look-ups that wg waits for
	e.wg.Wait()
	e.endLegs() // of a message that was being read when the sockets closed
	return nil
}

// endLegs ends every leg with Gone.
func (e *Endpoint) endLegs() {
	e.mu.Lock()
	legs := slices.Collect(maps.Keys(e.legs))
	e.mu.Unlock()
	var ended sync.WaitGroup
	for _, l := range legs {
		ended.Add(1)
		l.do(func() {
			defer ended.Done()
			l.finish()
		})
	}
	ended.Wait()
}

func (e *Endpoint) closed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.isClosed
}

// spawn runs f in a goroutine that Close waits for; false when it is closed.
func (e *Endpoint) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosed {
		return false
	}
	e.wg.Go(f)
	return true
}

// Stats returns what was counted.
func (e *Endpoint) Stats() Stats {
	s := e.count.snapshot()
	s.Bans, s.Banned = e.door.banStats()
	s.Registrations, s.Phones = e.bindings.states(), e.registrar.count()
	s.Targets, s.DNS = e.targets(), e.deps.Locate.Stats()
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Legs, s.Streams, s.Transactions = len(e.legs), e.slots.total, e.tx.len()
	for _, at := range e.streams {
		for _, c := range at {
			if !c.accepted {
				s.Streams++
			}
		}
	}
	return s
}

// panicked counts and logs a panic outside any leg. The value may hold what a
// peer sent, so only the stack is logged.
func (e *Endpoint) panicked(any) {
	e.count.panicked()
	e.log.Error("sip panic, message dropped", "stack", string(debug.Stack()))
}

func (e *Endpoint) branch() string { return branchID + e.instance + newTag() }

// register makes l known; with a key also to the requests inside its dialog.
func (e *Endpoint) register(l *leg, key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.legs[l] = struct{}{}
	if key != "" {
		e.dialogs[key] = l
	}
}

func (e *Endpoint) unregister(l *leg, key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.legs, l)
	if e.dialogs[key] == l {
		delete(e.dialogs, key)
	}
}

// legOf returns the leg whose dialog a request belongs to (RFC 3261 12.2.2).
func (e *Endpoint) legOf(in *incoming) *leg {
	from, _ := in.From().Params.Get("tag")
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dialogs[dialogKey(in.CallID().Value(), in.toTag, from)]
}

func (e *Endpoint) callingOf(in *incoming) *outbound {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calling[callingKey(in.CallID().Value(), in.toTag)]
}

// after runs f in l's order when d has passed, unless the timer is stopped.
func (l *leg) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { l.do(f) })
}

// stranger makes the call layer's event for an INVITE of an unknown source:
// parsed here, outside every table, and never answered.
func (e *Endpoint) stranger(b []byte, src netip.AddrPort) {
	guard(func() {
		s, fault := screen(b, false)
		if fault != "" {
			e.count.drop(fault)
			return
		}
		msg, err := parse(b, s)
		req, ok := msg.(*gosip.Request)
		if err != nil || !ok || !complete(req) {
			e.count.drop(faultUnparsable)
			return
		}
		e.count.drop("unknown-source")
		in := &incoming{Request: req, src: src, from: &hop{ep: e, network: "udp", addr: src}}
		e.deps.Admit(e.invite(in, time.Now()), silent{})
	}, e.panicked)
}

// silent is the leg of a stranger: nothing that is said to it goes out.
type silent struct{}

func (silent) Progress(int, []byte)   {}
func (silent) Answer([]byte)          {}
func (silent) Update(int, []byte)     {}
func (silent) Offer([]byte)           {}
func (silent) Refuse(int, call.Cause) {}
func (silent) Refer(int, int)         {}
func (silent) Press(media.Press)      {}
func (silent) Hangup(call.Cause)      {}
func (silent) Alive() time.Time       { return time.Time{} }
