// Package stirtest is the other side of stir for tests: an authority that issues
// certificates for telephone numbers as a STI-CA does (RFC 8226).
package stirtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Pool *x509.CertPool // holds its own
	PEM  []byte         // its own
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	at   time.Time
}

// NewAuthority returns an authority whose certificates hold for an hour on
// either side of at.
func NewAuthority(t testing.TB, at time.Time) *Authority {
	t.Helper()
	key := NewKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "STI-CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: at.Add(-2 * time.Hour), NotAfter: at.Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{Pool: x509.NewCertPool(), PEM: encode("CERTIFICATE", der), cert: cert, key: key, at: at}
	a.Pool.AddCert(cert)
	return a
}

// NewKey returns a key as RFC 8225 wants it.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// KeyPEM writes a key as a file holds it.
func KeyPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

// Issue returns the PEM of a certificate for key that may speak for the numbers
// of list (nil: it says of none). change, when not nil, alters it before it is signed.
func (a *Authority) Issue(t testing.TB, key *ecdsa.PrivateKey, list []byte, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "SHAKEN 709J"},
		NotBefore: a.at.Add(-time.Hour), NotAfter: a.at.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if list != nil {
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 26}, Value: list}}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Provider is a TNAuthList of a service provider, who speaks for all he serves.
func Provider(t testing.TB, code string) []byte { return list(t, 0, ia5(t, code)) }

// Number is a TNAuthList of one number, digits only.
func Number(t testing.TB, digits string) []byte { return list(t, 2, ia5(t, digits)) }

// Range is a TNAuthList of count numbers from start on.
func Range(t testing.TB, start string, count int) []byte {
	t.Helper()
	b, err := asn1.Marshal(struct {
		Start string `asn1:"ia5"`
		Count int
	}{start, count})
	if err != nil {
		t.Fatal(err)
	}
	return list(t, 1, b)
}

func ia5(t testing.TB, s string) []byte {
	t.Helper()
	b, err := asn1.MarshalWithParams(s, "ia5")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func list(t testing.TB, tag int, inner []byte) []byte {
	t.Helper()
	b, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: inner}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
