package hook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// Config is the section "hooks".
type Config struct {
	// Networks are addresses that hooks may be asked at beside those of the public
	// internet: CIDRs. Who may write a flow could otherwise make the node speak to
	// whatever it alone can reach.
	Networks []string `yaml:"networks"`
	CA       string   `yaml:"ca"` // file of certificates in PEM that vouch for HTTPS hooks; empty: the system's
}

// Defaults has nothing to fill in.
func (c *Config) Defaults() {}

// Validate reports every fault with its path inside the section.
func (c Config) Validate(report func(path, msg string)) {
	for i, s := range c.Networks {
		if _, err := netip.ParsePrefix(s); err != nil {
			report(fmt.Sprintf("networks[%d]", i), `is not a CIDR such as "10.1.0.0/16"`)
		}
	}
	if c.CA != "" {
		if _, err := authorities(c.CA); err != nil {
			report("ca", err.Error())
		}
	}
}

func authorities(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("holds no certificate in PEM")
	}
	return pool, nil
}

// newTransport speaks HTTPS with whom the configuration allows; through no proxy,
// whose address would be judged instead of the hook's.
func newTransport(c Config) (*http.Transport, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := authorities(c.CA)
		if err != nil {
			return nil, fmt.Errorf("hooks.ca: %w", err)
		}
		secure.RootCAs = pool
	}
	var nets []netip.Prefix
	for _, s := range c.Networks {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("hooks.networks: %w", err)
		}
		nets = append(nets, p)
	}
	// The address is judged when it is dialled, behind the resolver: a name that
	// changes its mind gets nowhere.
	d := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && !mayAsk(at.Addr(), nets) {
			err = errors.New("its address is not of the public internet, and not in hooks.networks")
		}
		return err
	}}
	return &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: secure, ForceAttemptHTTP2: true,
		MaxIdleConns: 256, MaxIdleConnsPerHost: 8, MaxConnsPerHost: atOnce, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}

// special are networks that are not of the public internet and that netip has no
// word for (IANA special-purpose address registries). Of IPv6 nothing is of it
// outside of global6 (RFC 4291 2.4, RFC 3587).
var (
	special = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
	}
	global6 = netip.MustParsePrefix("2000::/3")
)

func mayAsk(a netip.Addr, allowed []netip.Prefix) bool {
	a = a.WithZone("").Unmap() // no network holds an address with a zone
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case slices.ContainsFunc(allowed, in):
		return true
	case slices.ContainsFunc(special, in), a.Is6() && !global6.Contains(a):
		return false
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}
