package stir

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A caller's header cannot make us ask an address inside.
func TestGuardAdmits(t *testing.T) {
	var g Guard
	at := func(address string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(address), port)
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450:400f::1": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "172.16.9.9": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "192.0.2.7": false, "198.18.0.1": false,
		"fe80::1": false, "fd00::1": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:db8::1": false,
		"fec0::1": false, "240.0.0.1": false,
	} {
		if got := g.admits(at(address, 443)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	for port, want := range map[uint16]bool{443: true, 8443: true, 80: false, 4222: false, 22: false} {
		if got := g.admits(at("8.8.8.8", port)); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
	g.Allow = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	if !g.admits(at("10.1.2.3", 9443)) || g.admits(at("10.2.0.1", 443)) {
		t.Error("allowed prefixes are not what is allowed")
	}
}

// The guard stands in front of the dial, where no name and no redirect gets past it.
func TestGetter(t *testing.T) {
	served := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		switch r.URL.Path {
		case "/cert":
			w.Header().Set("Cache-Control", "public, max-age=7200")
			w.Write([]byte("hello"))
		case "/moved":
			http.Redirect(w, r, "/cert", http.StatusFound)
		case "/long":
			w.Write([]byte(strings.Repeat("x", maxPEM+1)))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	closed := Guard{Roots: roots}.Getter()
	if _, _, err := closed(t.Context(), server.URL+"/cert"); !errors.Is(err, errAddress) || served != 0 {
		t.Errorf("loopback: %v, served %d", err, served)
	}
	get := Guard{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}.Getter()
	b, keep, err := get(t.Context(), server.URL+"/cert")
	if string(b) != "hello" || keep != 2*time.Hour || err != nil {
		t.Errorf("allowed: %q, %v, %v", b, keep, err)
	}
	for path, want := range map[string]error{"/moved": errRedirect, "/long": errSize, "/none": errStatus} {
		if _, _, err := get(t.Context(), server.URL+path); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, _, err := (Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}).Getter()(t.Context(), server.URL+"/cert"); err == nil || strings.Contains(err.Error(), "127.0") {
		t.Errorf("a server without a certificate of the system's: %v", err)
	}
}

func TestMaxAge(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "no-store": 0, "max-age=60": time.Minute, "private, Max-Age=\"120\"": 2 * time.Minute,
		"max-age=-5": 0, "max-age=x": 0, "max-age=99999999": keepMost,
	} {
		if got := maxAge(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
