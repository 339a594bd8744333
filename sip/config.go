package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"ringdown/media/dscp"
	"ringdown/sip/locate"
)

// Timers of RFC 3261 17.1.1.1.
const (
	t1    = 500 * time.Millisecond
	t2    = 4 * time.Second
	allT1 = 64 * t1
	// no100 is how long an address may leave an INVITE without any response
	// before the next one is tried, where the flow does not say (three transmissions
	// on UDP; the fourth would go half a second later).
	no100 = 3 * time.Second
)

// Config is the section "sip" of the configuration.
type Config struct {
	Listen    []string  `yaml:"listen"`    // udp://, tcp://, tls://, ws:// or wss://, and ip:port
	Advertise string    `yaml:"advertise"` // host others must use in place of the bound address
	Networks  []Network `yaml:"networks"`  // what holds for some peers instead
	DSCP      string    `yaml:"dscp"`      // class of what is sent: cs3 (default), af31, 24, …
	TLS       TLS       `yaml:"tls"`
	Rate      Rate      `yaml:"rate"`
	Bans      Bans      `yaml:"bans"`
	STIR      STIR      `yaml:"stir"`

	DNS locate.Config `yaml:"dns"`
}

// Rate limits messages before they are parsed, in messages a second.
type Rate struct {
	Source int `yaml:"source"` // from one address
	Total  int `yaml:"total"`  // from all
}

// Defaults fills in what is absent.
func (c *Config) Defaults() {
	if len(c.Listen) == 0 {
		c.Listen = []string{"udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"}
	}
	c.DSCP = cmp.Or(c.DSCP, "cs3")
	c.TLS.MinVersion = cmp.Or(c.TLS.MinVersion, "1.2")
	c.Rate.Source = cmp.Or(c.Rate.Source, 2000)
	c.Rate.Total = cmp.Or(c.Rate.Total, 10000)
	c.Bans.After = cmp.Or(c.Bans.After, 10)
	c.Bans.First = cmp.Or(c.Bans.First, 10*time.Minute)
	c.Bans.Longest = cmp.Or(c.Bans.Longest, max(24*time.Hour, c.Bans.First))
}

// Validate reports every fault with its path inside the section.
func (c Config) Validate(report func(path, msg string)) {
	if len(c.Listen) == 0 {
		report("listen", "is empty: at least one udp://ip:port, tcp://ip:port or tls://ip:port is needed")
	}
	c.DNS.Validate(func(path, msg string) { report("dns."+path, msg) })
	views, _ := newViews(c) // what is wrong with them is reported below
	seen, secure := map[string]bool{}, false
	for i, s := range c.Listen {
		path := fmt.Sprintf("listen[%d]", i)
		network, addr, err := parseListen(s)
		switch {
		case err != nil:
			report(path, err.Error())
		case seen[network+addr.String()]:
			report(path, fmt.Sprintf("%q stands here twice", s))
		case addr.Addr().IsUnspecified() && !views.covers(addr.Addr().Is4()):
			report(path, fmt.Sprintf("%q listens on every address: advertise must say which one others use", s))
		}
		secure = secure || network == "tls" || network == "wss"
		seen[network+addr.String()] = true
	}
	c.validateNetworks(report)
	c.TLS.validate(secure, report)
	if c.Advertise != "" && !isHost(strings.Trim(c.Advertise, "[]")) {
		report("advertise", fmt.Sprintf("%q is neither an IP address nor a host name (no port, no scheme)", c.Advertise))
	}
	if _, err := dscp.Parse(c.DSCP); err != nil {
		report("dscp", fmt.Sprintf("%q %s", c.DSCP, err))
	}
	c.Bans.validate(report)
	c.STIR.validate(report)
	if c.Rate.Source < 0 || c.Rate.Total < 0 {
		report("rate", "must not be negative")
	}
}

// parseListen takes "udp://ip:port" apart.
func parseListen(s string) (network string, addr netip.AddrPort, err error) {
	network, rest, ok := strings.Cut(s, "://")
	if !ok || !slices.Contains([]string{"udp", "tcp", "tls", "ws", "wss"}, network) {
		return "", addr, fmt.Errorf("%q must be udp://ip:port, tcp://ip:port, tls://ip:port, ws://ip:port or wss://ip:port", s)
	}
	addr, err = netip.ParseAddrPort(rest)
	if err != nil {
		return "", addr, fmt.Errorf("%q must be %s://ip:port with an IP address, not a name", s, network)
	}
	return network, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}

// isHost reports whether s is an IP address or a name of letters, digits, hyphens and dots.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 || s[0] == '-' || s[0] == '.' {
		return false
	}
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.':
		default:
			return false
		}
	}
	return true
}

// Listen opens the sockets the configuration names, all or none; the error
// names the address that cannot be had.
func Listen(c Config) (conns []net.PacketConn, listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, p := range conns {
				p.Close()
			}
			for _, l := range listeners {
				l.Close()
			}
			conns, listeners = nil, nil
		}
	}()
	config := net.ListenConfig{Control: c.class().Control}
	for _, s := range c.Listen {
		network, addr, err := parseListen(s)
		if err != nil {
			return conns, listeners, fmt.Errorf("sip: %w", err)
		}
		family := "6" // and nothing else: IPv4 has its own entries
		if addr.Addr().Is4() {
			family = "4"
		}
		if network == "udp" {
			p, err := config.ListenPacket(context.Background(), "udp"+family, addr.String())
			if err != nil {
				return conns, listeners, listenError(s, err)
			}
			if u, ok := p.(*net.UDPConn); ok {
				u.SetReadBuffer(receiveBuffer) // as much as the system allows
			}
			conns = append(conns, p)
			continue
		}
		l, err := config.Listen(context.Background(), "tcp"+family, addr.String())
		if err != nil {
			return conns, listeners, listenError(s, err)
		}
		switch {
		case network == "tls":
			l = secured{l}
		case isWeb(network):
			l = overWeb{l, network}
		}
		listeners = append(listeners, l)
	}
	return conns, listeners, nil
}

// class is what signalling is marked with; Validate has looked at it.
func (c Config) class() dscp.Class {
	class, _ := dscp.Parse(c.DSCP)
	return class
}

// receiveBuffer is what may wait in the kernel while we are busy, in bytes. The
// system's usual 208 KiB are 150 messages: some 15 ms of a busy node, and what
// is lost comes again half a second later.
const receiveBuffer = 4 << 20

func listenError(s string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("sip: %s is taken by another program: %w", s, err)
	}
	return fmt.Errorf("sip: cannot listen on %s: %w", s, err)
}
