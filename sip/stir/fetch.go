package stir

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Guard says where certificates may be fetched from.
type Guard struct {
	// Allow lists prefixes that may be asked although they are not of the public
	// Internet.
	Allow []netip.Prefix
	// Roots are the authorities of the servers; nil: the system's.
	Roots *x509.CertPool
}

var (
	errAddress  = errors.New("address is not of the public Internet")
	errRedirect = errors.New("server answers with a redirect")
	errStatus   = errors.New("server has no such file")
	errSize     = errors.New("file is too long")
)

// Getter returns a getter that asks only https servers at public addresses. A
// URL in a caller's header is a request that a stranger makes us send: the
// address is looked at after the name was resolved, when it is dialled, so that
// no name and no second look-up leads inside; there is no redirect, no proxy, no
// cookie, no long answer, and the name of the server is never part of an error.
func (g Guard) Getter() Getter {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !g.admits(ap) {
			return errAddress
		}
		return nil
	}}
	t := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: g.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 16 << 10, MaxIdleConns: 16, MaxConnsPerHost: 4, DisableCompression: true,
	}
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	return func(ctx context.Context, url string) ([]byte, time.Duration, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, 0, errors.New("is not a URL")
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, 0, bare(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return nil, 0, errStatus
		}
		b, err := io.ReadAll(io.LimitReader(res.Body, maxPEM+1))
		switch {
		case err != nil:
			return nil, 0, bare(err)
		case len(b) > maxPEM:
			return nil, 0, errSize
		}
		return b, maxAge(res.Header.Get("Cache-Control")), nil
	}
}

// bare takes the URL, which a stranger wrote, out of an error.
func bare(err error) error {
	for _, known := range []error{errAddress, errRedirect, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("server cannot be asked")
}

// admits reports whether an address and port may be asked: of the public
// Internet only the ports that certificates are served at (ATIS-1000074).
func (g Guard) admits(at netip.AddrPort) bool {
	a := at.Addr().Unmap()
	for _, p := range g.Allow {
		if p.Contains(a) {
			return true
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || at.Port() != 443 && at.Port() != 8443 {
		return false
	}
	for _, p := range inside {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// inside are blocks that count as global unicast but are nobody's public place
// (RFC 6890 and its registries), the ways around a v4 check among them.
var inside = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
	"2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10")

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// maxAge reads how long a file may be kept; 0 when it is not said.
func maxAge(cacheControl string) time.Duration {
	for _, d := range strings.Split(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		if strings.EqualFold(name, "max-age") {
			if n, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && n > 0 {
				return time.Duration(min(n, int(keepMost/time.Second))) * time.Second
			}
		}
	}
	return 0
}
