package natsbus

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// certificate writes a self-signed one for 127.0.0.1 and returns its files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs)
}

// A broker that listens with a certificate speaks TLS 1.2 or later only, and
// our own connection inside the process goes on working.
func TestListenWithTLS(t *testing.T) {
	cert, key := certificate(t)
	b, err := Open(Config{Dir: t.TempDir(), Key: bytes.Repeat([]byte{1}, 32), Embedded: true,
		Listen: "127.0.0.1:0", Token: "secret", Cert: cert, CertKey: key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.conn.Status() != nats.CONNECTED {
		t.Error("our own connection is not up")
	}
	c, err := nats.Connect("tls://"+b.Address(), nats.Token("secret"), nats.RootCAs(cert))
	if err != nil {
		t.Fatalf("a consumer with TLS: %v", err)
	}
	c.Close()
	if c, err := nats.Connect("nats://"+b.Address(), nats.Token("secret"), nats.Secure(&tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})); err == nil {
		c.Close()
		t.Error("TLS 1.1 was taken")
	}
	if c, err := nats.Connect("tls://"+b.Address(), nats.Token("guessed"), nats.RootCAs(cert)); err == nil {
		c.Close()
		t.Error("a guessed token was taken")
	}
}

func TestBadCertificate(t *testing.T) {
	_, err := Open(Config{Dir: t.TempDir(), Key: bytes.Repeat([]byte{1}, 32), Embedded: true,
		Listen: "127.0.0.1:0", Token: "secret", Cert: os.DevNull, CertKey: os.DevNull}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Error("an empty certificate was taken")
	}
}

// A taken port names the setting.
func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(Config{Dir: t.TempDir(), Key: bytes.Repeat([]byte{1}, 32), Embedded: true,
		Listen: l.Addr().String(), Token: "secret"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "nats.listen "+l.Addr().String()) {
		t.Errorf("error %v", err)
	}
}
