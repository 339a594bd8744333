package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pemFiles makes a certificate for 127.0.0.1.
func pemFiles(t *testing.T) TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "ringdown test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return TLS{Cert: write("cert.pem", "CERTIFICATE", cert), Key: write("key.pem", "PRIVATE KEY", der)}
}

func TestConfigFaults(t *testing.T) {
	pair := pemFiles(t)
	for _, c := range []struct {
		name   string
		config Config
		paths  []string // of the faults
		words  string   // in one of them
	}{
		{"defaults", Config{}, nil, ""},
		{"loopback v6", Config{Listen: "[::1]:8080"}, nil, ""},
		{"mapped loopback", Config{Listen: "[::ffff:127.0.0.1]:8080"}, nil, ""},
		{"localhost", Config{Listen: "localhost:0"}, nil, ""},
		{"beyond with tls", Config{Listen: "0.0.0.0:8443", TLS: pair}, nil, ""},
		{"beyond", Config{Listen: "192.0.2.1:8080"}, []string{"listen"}, "needs tls.cert"},
		{"everywhere", Config{Listen: ":8080"}, []string{"listen"}, "needs tls.cert"},
		{"any v6", Config{Listen: "[::]:8080"}, []string{"listen"}, "needs tls.cert"},
		{"a name", Config{Listen: "example.com:80"}, []string{"listen"}, "not an IP address"},
		{"no port", Config{Listen: "127.0.0.1"}, []string{"listen"}, "address:port"},
		{"big port", Config{Listen: "127.0.0.1:65536"}, []string{"listen"}, "not a port"},
		{"named port", Config{Listen: "127.0.0.1:http"}, []string{"listen"}, "not a port"},
		{"short token", Config{Token: "secret"}, []string{"token"}, "32"},
		{"line in token", Config{Token: strings.Repeat("x", 40) + "\n"}, []string{"token"}, "header"},
		{"cert alone", Config{TLS: TLS{Cert: pair.Cert}}, []string{"tls.key"}, "missing"},
		{"key alone", Config{TLS: TLS{Key: pair.Key}}, []string{"tls.cert"}, "missing"},
		{"no such file", Config{TLS: TLS{Cert: pair.Cert, Key: "/nowhere/key.pem"}}, []string{"tls.key"}, "cannot be read"},
		{"all at once", Config{Listen: "x", Token: "y", TLS: TLS{Key: "/nowhere/key.pem"}}, []string{"listen", "token", "tls.cert", "tls.key"}, "address:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Defaults()
			var paths, words []string
			c.config.Validate(func(path, msg string) {
				paths, words = append(paths, path), append(words, msg)
			})
			if !slices.Equal(paths, c.paths) {
				t.Errorf("faults at %q, want %q", paths, c.paths)
			}
			if !strings.Contains(strings.Join(words, "\n"), c.words) {
				t.Errorf("no %q in %q", c.words, words)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	pair := pemFiles(t)
	swapped := TLS{Cert: pair.Key, Key: pair.Cert}
	for name, c := range map[string]Config{
		"no token":   {Listen: "127.0.0.1:0"},
		"all faults": {Listen: "nonsense", Token: "short"},
		"swapped":    {Listen: "127.0.0.1:0", Token: token, TLS: swapped},
	} {
		s, err := New(c, newWorld().deps())
		if err == nil || s != nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "http.") {
			t.Errorf("%s: %v does not name its place", name, err)
		}
		if name == "all faults" && !(strings.Contains(err.Error(), "http.listen") && strings.Contains(err.Error(), "http.token")) {
			t.Errorf("not all faults in %q", err)
		}
	}
}
