package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"ringdown/routing"
)

// handshakeTimeout is how long a peer may take for its TLS handshake; a stalled
// one costs its address one connection for as long.
const handshakeTimeout = 5 * time.Second

// TLS is the section "sip.tls".
type TLS struct {
	Cert       string `yaml:"cert"`        // PEM file, leaf first
	Key        string `yaml:"key"`         // PEM file
	ClientCA   string `yaml:"client_ca"`   // PEM file; empty: callers are not asked for a certificate
	MinVersion string `yaml:"min_version"` // "1.2" (default), "1.3"
}

var versions = map[string]uint16{"": tls.VersionTLS12, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// suites are those of TLS 1.2 with forward secrecy and authenticated
// encryption; all of TLS 1.3 are so.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

func (t TLS) validate(listens bool, report func(path, msg string)) {
	switch {
	case t.Cert == "" && t.Key != "":
		report("tls.cert", "is missing: a key needs its certificate")
	case t.Cert != "" && t.Key == "":
		report("tls.key", "is missing: a certificate needs its key")
	case t.Cert == "" && listens:
		report("tls.cert", "is missing: listening on tls:// needs a certificate")
	}
	if t.ClientCA != "" && !listens {
		report("tls.client_ca", "is for listening on tls://, which sip.listen does not")
	}
	if t.readable(report) {
		t.usable(report)
	}
	if _, ok := versions[t.MinVersion]; !ok {
		report("tls.min_version", fmt.Sprintf("%q is not known; allowed: \"1.2\", \"1.3\"", t.MinVersion))
	}
}

func (t TLS) readable(report func(path, msg string)) bool {
	ok := true
	for _, f := range []struct{ path, name string }{{"tls.cert", t.Cert}, {"tls.key", t.Key}, {"tls.client_ca", t.ClientCA}} {
		if f.name == "" {
			continue
		}
		file, err := os.Open(f.name)
		if err != nil {
			report(f.path, "cannot be read: "+err.Error())
			ok = false
			continue
		}
		file.Close()
	}
	return ok
}

// usable reads the files as a start would, so that no start has to fail.
func (t TLS) usable(report func(path, msg string)) {
	if t.Cert != "" && t.Key != "" {
		if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			report("tls.cert", "cannot be used with tls.key: "+err.Error())
		}
	}
	if t.ClientCA != "" {
		if _, err := readPool(t.ClientCA)(); err != nil {
			report("tls.client_ca", "cannot be used: "+err.Error())
		}
	}
}

// config is what both directions have in common. There are no session tickets:
// connections live long, and a resumed one would be believed on the word of a
// certificate that may have been withdrawn.
func (k *credentials) config() *tls.Config {
	c := &tls.Config{MinVersion: k.min, CipherSuites: suites, SessionTicketsDisabled: true}
	if k.pair != nil {
		c.Certificates = []tls.Certificate{*k.pair.get()}
	}
	return c
}

// serve shakes hands with a caller. names are those of the certificate it has
// shown and that our authorities vouch for; without one there are none.
func (k *credentials) serve(ctx context.Context, raw net.Conn) (conn *tls.Conn, names []string, err error) {
	c := k.config()
	if k.clients != nil {
		c.ClientCAs, c.ClientAuth = k.clients.get(), tls.RequestClientCert
		c.VerifyConnection = func(s tls.ConnectionState) (err error) {
			if len(s.PeerCertificates) > 0 {
				// Public authorities issue for servers only; a trunk's certificate
				// is no less its own for that.
				err = vouched(s, c.ClientCAs, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
			}
			return err
		}
	}
	conn = tls.Server(raw, c)
	if err := shake(ctx, conn); err != nil {
		return nil, nil, err
	}
	if s := conn.ConnectionState(); k.clients != nil && len(s.PeerCertificates) > 0 {
		names = certNames(s.PeerCertificates[0])
	}
	return conn, names, nil
}

// serveWeb shakes hands with a browser. It is not asked for a certificate: it
// would put the question to its user.
func (k *credentials) serveWeb(ctx context.Context, raw net.Conn) (*tls.Conn, error) {
	c := k.config()
	c.NextProtos = []string{"http/1.1"}
	conn := tls.Server(raw, c)
	return conn, shake(ctx, conn)
}

// call shakes hands with a server, whose certificate must carry one of want.
// names are all that it carries.
func (k *credentials) call(ctx context.Context, raw net.Conn, want []string, ca string) (conn *tls.Conn, names []string, err error) {
	roots, err := k.authorities(ca)
	if err != nil {
		return nil, nil, err
	}
	c := k.config()
	c.InsecureSkipVerify = true // VerifyConnection does it, by the rules of SIP and not of HTTP
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if err := vouched(s, roots, x509.ExtKeyUsageServerAuth); err != nil {
			return err
		}
		names = certNames(s.PeerCertificates[0])
		if !carries(names, want) {
			return errName
		}
		return nil
	}
	if _, err := netip.ParseAddr(want[0]); err != nil && !strings.HasPrefix(want[0], "*") {
		c.ServerName = want[0] // which certificate we would like to see
	}
	conn = tls.Client(raw, c)
	if err := shake(ctx, conn); err != nil {
		return nil, nil, err
	}
	return conn, names, nil
}

var (
	errName   = errors.New("the certificate is for another name")
	errNoCert = errors.New("no certificate was shown")
)

// carries reports whether one of the names wanted is among names.
func carries(names, want []string) bool {
	return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(names, routing.CertName(w)) })
}

func shake(ctx context.Context, conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// vouched reports whether one of roots vouches for a peer's certificate, today
// and for one of the uses.
func vouched(s tls.ConnectionState, roots *x509.CertPool, uses ...x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errNoCert
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: uses, CurrentTime: time.Now()})
	return err
}

// certNames returns the identities of a certificate, in the form of
// [routing.CertName]: the domains of its sip: URIs, else its DNS names (RFC 5922
// 7.1), and its other URIs and addresses. The common name is not one of them.
func certNames(c *x509.Certificate) (names []string) {
	domains := false
	for _, u := range c.URIs {
		if s := u.String(); !strings.EqualFold(u.Scheme, "sip") {
			names = append(names, s)
		} else if !strings.Contains(s, "@") {
			domains = true
			names = append(names, routing.CertName(s))
		}
	}
	if !domains {
		for _, n := range c.DNSNames {
			names = append(names, routing.CertName(n))
		}
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, a.Unmap().String())
		}
	}
	return names
}
