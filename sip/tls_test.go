package sip

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// authority issues certificates of the test, valid around the bubble's year 2000.
type authority struct {
	t    *testing.T
	dir  string
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	a.file = a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

var serials int64

func (a *authority) sign(c *x509.Certificate, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serials++
	c.SerialNumber = big.NewInt(serials)
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if by == nil {
		by, byKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), byKey)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

// issue makes a certificate and writes it and its key to NAME.pem and NAME.key.
func (a *authority) issue(name string, c *x509.Certificate) (certFile, keyFile string, pair tls.Certificate) {
	a.t.Helper()
	if c.ExtKeyUsage == nil {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	cert, key := a.sign(c, a.cert, a.key)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = a.write(name+".pem", "CERTIFICATE", cert.Raw), a.write(name+".key", "EC PRIVATE KEY", der)
	return certFile, keyFile, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func dns(names ...string) *x509.Certificate { return &x509.Certificate{DNSNames: names} }

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// ours is the section sip.tls with a certificate for us.
func (a *authority) ours() TLS {
	cert, key, _ := a.issue("us", dns("sip.example.com"))
	return TLS{Cert: cert, Key: key, ClientCA: a.file}
}

// secure opens a TLS connection to us; an error of the handshake is returned.
func (w *world) secure(from string, c *tls.Config) (*tls.Conn, error) {
	conn := tls.Client(w.tls.connect(from), c)
	if err := conn.Handshake(); err != nil {
		conn.NetConn().Close()
		return nil, err
	}
	return conn, nil
}

func speak(conn net.Conn) *caller {
	c := &caller{Conn: conn, got: make(chan message, 64)}
	go c.read()
	return c
}

// byNames is a TrunkOfNames for the trunk "pbx".
func byNames(names []string) (string, bool) {
	return "pbx", slices.Contains(names, "pbx.example.com")
}

func TestCallOverTLS(t *testing.T) {
	a := newAuthority(t)
	inWorld(t, Config{TLS: a.ours()}, Deps{TrunkOfNames: byNames}, func(w *world) {
		conn, err := w.secure("10.1.0.1:40000", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		c := speak(conn)
		c.Write(overTLS(tcpRequest("INVITE", "t1", "1", "", 1, offer)))
		c.want(w, "SIP/2.0 100")
		call1 := w.admitted()
		if call1.Transport != "tls" || call1.Trunk != "carrier" {
			t.Errorf("%+v", call1.Invite)
		}
		call1.leg.Answer(ourSDP)
		ok := c.want(w, "SIP/2.0 200")
		if ok.get("Contact") != "<sip:10.0.0.1:5061;transport=tls>" {
			t.Errorf("%s", ok.raw)
		}
		c.Write(overTLS(tcpRequest("ACK", "t1", "2", ok.tag("To"), 1, "")))
		signal[call.Acked](w, call1.signals)
		call1.leg.Hangup(call.Cause{Status: 200})
		bye := c.want(w, "BYE sip:gw@10.1.0.1:5060;transport=tls")
		if via := bye.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TLS 10.0.0.1:5061;") {
			t.Errorf("Via %s", via)
		}
		c.answer(bye, 200)
		signal[call.Gone](w, call1.signals)
	})
}

func overTLS(b []byte) []byte {
	return []byte(strings.NewReplacer("SIP/2.0/TCP", "SIP/2.0/TLS", "transport=tcp", "transport=tls").Replace(string(b)))
}

func (c *caller) answer(req message, status int) {
	c.Write(text("SIP/2.0 %d Theirs\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n\n", status,
		req.get("Via"), req.get("From"), req.get("To"), req.get("Call-ID"), req.get("CSeq")))
}

// who may come in by TLS, and as whom.
func TestA27TLSCallers(t *testing.T) {
	a, foreign := newAuthority(t), newAuthority(t)
	cfg := Config{TLS: a.ours()}
	_, _, pbx := a.issue("pbx", dns("PBX.example.com"))
	_, _, serverOnly := a.issue("server", &x509.Certificate{DNSNames: []string{"pbx.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	_, _, mail := a.issue("mail", &x509.Certificate{DNSNames: []string{"pbx.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})
	_, _, domain := a.issue("domain", &x509.Certificate{URIs: []*url.URL{{Scheme: "sip", Opaque: "pbx.example.com"}}})
	_, _, masked := a.issue("masked", &x509.Certificate{DNSNames: []string{"pbx.example.com"}, URIs: []*url.URL{{Scheme: "sip", Opaque: "other.example.com"}}})
	_, _, common := a.issue("common", &x509.Certificate{Subject: pkix.Name{CommonName: "pbx.example.com"}})
	_, _, nul := a.issue("nul", &x509.Certificate{Subject: pkix.Name{CommonName: "pbx.example.com\x00.evil.example"}})
	_, _, wild := a.issue("wild", dns("*.example.com"))
	_, _, forged := foreign.issue("pbx", dns("pbx.example.com"))
	old := dns("pbx.example.com")
	old.NotBefore, old.NotAfter = time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	_, _, expired := a.issue("old", old)
	for _, c := range []struct {
		name  string
		from  string
		show  *tls.Certificate
		trunk string // empty: turned away
		tweak func(*tls.Config)
	}{
		{"its certificate from anywhere", "10.9.9.9", &pbx, "pbx", nil},
		{"its certificate before the address", "10.1.0.1", &pbx, "pbx", nil},
		{"its certificate for servers only", "10.9.9.9", &serverOnly, "pbx", nil},
		{"a sip: URI of its domain", "10.9.9.9", &domain, "pbx", nil},
		{"no certificate, address of a trunk", "10.1.0.1", nil, "carrier", nil},
		{"certificate of no trunk, address of a trunk", "10.1.0.1", &wild, "carrier", nil},
		{"IPv6", "[2001:db8::9]", &pbx, "pbx", nil},
		{"TLS 1.2", "10.9.9.9", &pbx, "pbx", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},

		{"no certificate, unknown address", "10.9.9.9", nil, "", nil},
		{"certificate of no trunk", "10.9.9.9", &wild, "", nil},
		{"a sip: URI of another domain hides the DNS name", "10.9.9.9", &masked, "", nil},
		{"common name only", "10.9.9.9", &common, "", nil},
		{"NUL in the common name", "10.9.9.9", &nul, "", nil},
		{"for mail", "10.9.9.9", &mail, "", nil},
		{"of another authority", "10.9.9.9", &forged, "", nil},
		{"of another authority, address of a trunk", "10.1.0.1", &forged, "", nil},
		{"expired", "10.9.9.9", &expired, "", nil},
		{"TLS 1.1", "10.1.0.1", &pbx, "", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		{"weak suite", "10.1.0.1", &pbx, "", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, cfg, Deps{TrunkOfNames: byNames}, func(w *world) {
				theirs := &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com"}
				if c.show != nil {
					theirs.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.show, nil }
				}
				if c.tweak != nil {
					c.tweak(theirs)
				}
				conn, err := w.secure(c.from+":40000", theirs)
				if err == nil {
					defer conn.Close()
					conn.SetDeadline(time.Now().Add(10 * time.Second))
					go conn.Write(overTLS(tcpRequest("INVITE", "t1", "1", "", 1, offer)))
					_, err = conn.Read(make([]byte, 1))
				}
				if c.trunk == "" {
					synctest.Wait()
					s := w.ep.Stats()
					if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || s.Drops["tls-handshake"]+s.Drops["unknown-source"] != 1 {
						t.Errorf("not turned away: %v, drops %v", err, s.Drops)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if in := w.admitted(); in.Trunk != c.trunk {
					t.Errorf("trunk %q, want %q", in.Trunk, c.trunk)
				}
			})
		})
	}
}

// Without client_ca nobody is asked, and an unknown address is closed unheard.
func TestTLSWithoutClientCA(t *testing.T) {
	a := newAuthority(t)
	cfg := Config{TLS: a.ours()}
	cfg.TLS.ClientCA = ""
	inWorld(t, cfg, Deps{TrunkOfNames: byNames}, func(w *world) {
		if _, err := w.secure("10.9.9.9:40000", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com"}); err == nil || w.ep.Stats().Drops["unknown-source"] != 1 {
			t.Errorf("%v, drops %v", err, w.ep.Stats().Drops)
		}
		asked := false
		_, err := w.secure("10.1.0.1:40000", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com",
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			}})
		if err != nil || asked {
			t.Errorf("%v, asked %v", err, asked)
		}
	})
}

// a stalled handshake costs its address one connection for five seconds,
// and strangers, however many, cost the trunks nothing.
func TestA06StalledHandshakes(t *testing.T) {
	a := newAuthority(t)
	inWorld(t, Config{TLS: a.ours()}, Deps{TrunkOfNames: byNames}, func(w *world) {
		start := time.Now()
		stalled := make(chan error, 1)
		conn := w.tls.connect("10.1.0.1:1")
		go func() { _, err := conn.Read(make([]byte, 1)); stalled <- err }()
		for i := range 300 {
			w.tls.connect(fmt.Sprintf("10.9.%d.%d:1", i/200, i%200))
		}
		for i := range 50 {
			w.tls.connect(fmt.Sprintf("[2001:db8::%x]:1", i+1))
		}
		good, err := w.secure("10.1.0.2:1", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com"})
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("a trunk beside the strangers: %v after %v", err, time.Since(start))
		}
		c := speak(good)
		c.Write(overTLS(tcpRequest("OPTIONS", "o", "o", "", 1, "")))
		c.want(w, "SIP/2.0 200")
		if s := w.ep.Stats(); s.Streams != strangers+2 || s.Drops["connections"] != 350-strangers {
			t.Errorf("%d connections, drops %v", s.Streams, s.Drops)
		}
		if err := <-stalled; err == nil || time.Since(start) != handshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(time.Second)
		if s := w.ep.Stats(); s.Streams != 1 {
			t.Errorf("%d connections left", s.Streams)
		}
		for i := range 50 { // one household
			w.tls.connect(fmt.Sprintf("[2001:db8::%x]:1", i+1))
		}
		time.Sleep(time.Second)
		if s := w.ep.Stats(); s.Streams != 1+strangersEach {
			t.Errorf("%d connections of one /64", s.Streams-1)
		}
	})
}

// dialledTLS is a Connect that hands the far ends, as TLS servers with a
// certificate, to the test.
func dialledTLS(show tls.Certificate, more *tls.Config) (func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error), chan *tls.Conn) {
	far := make(chan *tls.Conn, 4)
	if more == nil {
		more = &tls.Config{}
	}
	more.Certificates = []tls.Certificate{show}
	return func(_ context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
		ours, theirs := net.Pipe()
		far <- tls.Server(theirs, more)
		return pipeConn{ours, tcpAddr(from.String() + ":33333"), net.TCPAddrFromAddrPort(to)}, nil
	}, far
}

// A-27, outwards: the certificate must be for the host of the target's URI.
func TestA27TLSServers(t *testing.T) {
	a, foreign := newAuthority(t), newAuthority(t)
	names := names(map[string][]string{"pbx.example.com": {"10.2.0.1"}})
	old := dns("pbx.example.com")
	old.NotBefore, old.NotAfter = time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		by   *authority
		cert *x509.Certificate
		want string // server_name
		good bool
	}{
		{"the host", a, dns("pbx.example.com"), "", true},
		{"a sip: URI", a, &x509.Certificate{URIs: []*url.URL{{Scheme: "sip", Opaque: "pbx.example.com"}}}, "", true},
		{"server_name", a, dns("edge.example.net"), "edge.example.net", true},
		{"a wildcard, asked for as such", a, dns("*.example.com"), "*.example.com", true},
		{"a wildcard (RFC 5922 7.2)", a, dns("*.example.com"), "", false},
		{"the resolved address", a, &x509.Certificate{IPAddresses: []net.IP{{10, 2, 0, 1}}}, "", false},
		{"another name", a, dns("pbx.example.net"), "", false},
		{"the host, but server_name is another", a, dns("pbx.example.com"), "edge.example.net", false},
		{"another authority", foreign, dns("pbx.example.com"), "", false},
		{"expired", a, old, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, pair := c.by.issue("pbx", c.cert)
			connect, far := dialledTLS(pair, &tls.Config{ClientAuth: tls.RequireAnyClientCert})
			deps := Deps{Lookup: names, Connect: connect, Policy: func(id string) (routing.Trunk, bool) {
				return routing.Trunk{TLS: routing.TLS{CA: a.file, ServerName: c.want}}, true
			}}
			inWorld(t, Config{TLS: a.ours()}, deps, func(w *world) {
				leg, signals := w.dial("sip:agent@pbx.example.com;transport=tls")
				server := <-far
				defer server.NetConn().Close()
				err := server.Handshake()
				if !c.good {
					f := signal[call.Failed](w, signals)
					if err == nil {
						_, err = server.Read(make([]byte, 1))
					}
					if f.Cause.Status != 503 || err == nil || w.ep.Stats().Drops["tls-handshake"] != 1 {
						t.Errorf("%+v, %v", f, err)
					}
					signal[call.Gone](w, signals)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if shown := server.ConnectionState().PeerCertificates[0].DNSNames; shown[0] != "sip.example.com" {
					t.Errorf("we showed %q", shown)
				}
				callee := speak(server)
				inv := callee.want(w, "INVITE sip:agent@pbx.example.com;transport=tls SIP/2.0")
				if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TLS 10.0.0.1:5061;") || inv.get("Contact") != "<sip:10.0.0.1:5061;transport=tls>" {
					t.Errorf("%s", inv.raw)
				}
				callee.answer(inv, 486)
				callee.want(w, "ACK")
				if f := signal[call.Failed](w, signals); f.Cause.Status != 486 {
					t.Errorf("%+v", f)
				}
				signal[call.Gone](w, signals)
				leg.Hangup(call.Cause{})
			})
		})
	}
}

// A certificate is replaced under calls that are up; a broken one replaces nothing.
func TestCertificateReload(t *testing.T) {
	a := newAuthority(t)
	cfg := Config{TLS: a.ours()}
	inWorld(t, cfg, Deps{TrunkOfNames: byNames}, func(w *world) {
		shown := func() string {
			t.Helper()
			conn, err := w.secure("10.1.0.1:40000", &tls.Config{RootCAs: a.pool(), InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.NetConn().Close()
			return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
		}
		conn, err := w.secure("10.1.0.1:40001", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		c := speak(conn)
		c.Write(overTLS(tcpRequest("INVITE", "t1", "1", "", 1, offer)))
		c.want(w, "SIP/2.0 100")
		up := w.admitted()
		up.leg.Answer(ourSDP)
		ok := c.want(w, "SIP/2.0 200")
		c.Write(overTLS(tcpRequest("ACK", "t1", "2", ok.tag("To"), 1, "")))
		signal[call.Acked](w, up.signals)

		replace := func(file string, data []byte) { // as renewal tools do
			t.Helper()
			if err := os.WriteFile(file+".new", data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}
		newCert, newKey, _ := a.issue("new", dns("new.example.com"))
		cert, _ := os.ReadFile(newCert)
		key, _ := os.ReadFile(newKey)
		replace(cfg.TLS.Cert, cert)
		if n := shown(); n != "sip.example.com" {
			t.Errorf("looked again at once: %s", n)
		}
		time.Sleep(lookAgain)
		for range 3 { // the new certificate does not fit the old key
			if n := shown(); n != "sip.example.com" {
				t.Errorf("half a change shows %s", n)
			}
			time.Sleep(lookAgain)
		}
		if n := strings.Count(w.log.String(), "the one before stays"); n != 1 || w.ep.Stats().Drops["tls-reload"] != 1 {
			t.Errorf("told %d times", n)
		}
		replace(cfg.TLS.Key, key)
		time.Sleep(lookAgain)
		if n := shown(); n != "new.example.com" {
			t.Errorf("the whole change shows %s", n)
		}
		os.Remove(cfg.TLS.Cert)
		time.Sleep(lookAgain)
		if n := shown(); n != "new.example.com" {
			t.Errorf("a missing file shows %s", n)
		}
		replace(cfg.TLS.Cert, cert)
		time.Sleep(lookAgain)
		if n := shown(); n != "new.example.com" {
			t.Errorf("it is back, and shows %s", n)
		}

		up.leg.Hangup(call.Cause{Status: 200}) // the call that was up all the time
		c.answer(c.want(w, "BYE"), 200)
		signal[call.Gone](w, up.signals)
	})
}
