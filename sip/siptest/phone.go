package siptest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Config is what a phone is made of. It owns the connections and closes them.
type Config struct {
	User    string         // user part of its address
	Display string         // display name in From; may be empty
	Conn    net.PacketConn // signalling over UDP; bound to one address
	// Listener and Dial are signalling over TCP; either may be nil. A phone
	// without a Listener is reached through the connection it dialled.
	Listener net.Listener
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Media    net.PacketConn // RTP of all its calls; nil: no media of its own
	Codecs   []Codec        // in order of preference; empty: PCMU, PCMA
	Play     Source         // what it says in every call; nil: it sends no RTP
	Keep     int            // how many messages Trace holds, the newest; 0: all
	T1       time.Duration  // RFC 3261 17.1.1.1; 0: 500 ms
	// Fault is told of every fault at once, from inside the phone: it must not
	// call back. t.Error fits.
	Fault func(error)
	Log   *slog.Logger // nil: no log. Message titles only, never an address
}

// Phone is one user agent with any number of calls. All methods may be called
// from any goroutine.
type Phone struct {
	cfg   Config
	udp   *link // nil without Conn
	sound *sound
	ctx   context.Context // the phone's life
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu       sync.Mutex // everything SIP remembers
	onInvite func(*Incoming)
	clients  map[string]*client
	servers  map[string]*server
	dialogs  map[string]*Dialog
	links    map[netip.AddrPort]*link // TCP
	tcpHost  netip.AddrPort           // what Contact names over TCP, when listening
	closed   bool

	journal journal
}

// T2 caps repetition (RFC 3261 17.1.2.2).
const t2 = 4 * time.Second

// ErrClosed says that the phone was closed under a waiting call.
var ErrClosed = errors.New("phone: closed")

// New starts a phone; it listens when New returns.
func New(cfg Config) (*Phone, error) {
	if cfg.Conn == nil && cfg.Listener == nil && cfg.Dial == nil {
		return nil, errors.New("phone: no connection to signal on")
	}
	if cfg.T1 == 0 {
		cfg.T1 = 500 * time.Millisecond
	}
	if len(cfg.Codecs) == 0 {
		cfg.Codecs = []Codec{PCMU, PCMA}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Phone{
		cfg: cfg, onInvite: func(in *Incoming) { in.Decline(480) },
		clients: map[string]*client{}, servers: map[string]*server{},
		dialogs: map[string]*Dialog{}, links: map[netip.AddrPort]*link{},
	}
	p.journal.keep, p.journal.fault, p.journal.log = cfg.Keep, cfg.Fault, cfg.Log
	if cfg.Conn != nil {
		local, err := boundTo(cfg.Conn.LocalAddr())
		if err != nil {
			return nil, fmt.Errorf("phone: signalling: %w", err)
		}
		p.udp = &link{proto: "UDP", local: local}
	}
	if cfg.Listener != nil {
		local, err := boundTo(cfg.Listener.Addr())
		if err != nil {
			return nil, fmt.Errorf("phone: listener: %w", err)
		}
		p.tcpHost = local
	}
	if cfg.Media != nil {
		local, err := boundTo(cfg.Media.LocalAddr())
		if err != nil {
			return nil, fmt.Errorf("phone: media: %w", err)
		}
		p.sound = newSound(cfg.Media, local)
	}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.start()
	return p, nil
}

// start runs the readers; Close stops them by closing what they read from.
func (p *Phone) start() {
	if p.cfg.Conn != nil {
		p.wg.Go(p.readPackets)
	}
	if p.cfg.Listener != nil {
		p.wg.Go(p.accept)
	}
	if p.sound != nil {
		p.wg.Go(p.sound.read)
	}
}

// OnInvite sets who is told of incoming calls, each in a goroutine of its own.
// Until then they are declined with 480. A handler that does nothing lets it
// ring silently: the caller has only our 100.
func (p *Phone) OnInvite(f func(*Incoming)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onInvite = f
}

// Addr is the address others reach the phone at: UDP when it has it, else TCP.
func (p *Phone) Addr() netip.AddrPort {
	if p.udp != nil {
		return p.udp.local
	}
	return p.tcpHost
}

// URI is the phone's address as others dial it.
func (p *Phone) URI() string { return p.contact(p.udp) }

// contact is the URI peers reach us at when they talk to us through l.
func (p *Phone) contact(l *link) string {
	if l != nil && l.proto == "UDP" {
		return "sip:" + p.cfg.User + "@" + l.local.String()
	}
	host := p.tcpHost
	if !host.IsValid() && l != nil {
		host = l.local
	}
	return "sip:" + p.cfg.User + "@" + host.String() + ";transport=tcp"
}

// Close stops at once: live calls end without a word to the peer. It waits for
// everything the phone started and returns its faults, joined.
func (p *Phone) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.end()
		for _, d := range p.dialogs {
			d.finish(End{By: "closed", Err: ErrClosed})
		}
		for _, l := range p.links {
			l.conn.Close()
		}
		if p.cfg.Conn != nil {
			p.cfg.Conn.Close()
		}
		if p.cfg.Listener != nil {
			p.cfg.Listener.Close()
		}
		if p.sound != nil {
			p.sound.conn.Close()
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
	return errors.Join(p.Faults()...)
}

// forget calls f under the lock when every repetition of a message must have
// died out (64*T1, RFC 3261 17).
func (p *Phone) forget(f func()) {
	time.AfterFunc(64*p.cfg.T1, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
	})
}

// boundTo refuses addresses that cannot be told to a peer.
func boundTo(a net.Addr) (netip.AddrPort, error) {
	ap, err := addrPort(a)
	if err != nil {
		return ap, err
	}
	if ap.Addr().IsUnspecified() || ap.Port() == 0 {
		return ap, errors.New("not bound to one address and port")
	}
	return ap, nil
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	switch a := a.(type) {
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ap, errors.New("address is not IP and port")
	}
	return ap, nil
}

// fresh makes a tag, branch or Call-ID.
func fresh() string { return rand.Text()[:16] }
