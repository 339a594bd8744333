package stir

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"
)

// noon is the clock of these tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	aCaller   = "+12155550121"
	called    = "+12155550131"
	further   = "+4721000001"
	somewhere = "https://cert.example.org/passport.pem"
	elsewhere = "https://pbx.example.net/div.pem"
)

// authority is a root that issues certificates as a STI-CA does.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "STI-CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, cert: cert, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns the PEM of a certificate for key with a TNAuthList; change may
// alter it before it is signed.
func (a *authority) issue(t testing.TB, key *ecdsa.PrivateKey, list []byte, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "SHAKEN 709J"},
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if list != nil {
		template.ExtraExtensions = []pkix.Extension{{Id: oidTNAuthList, Value: list}}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// The entries of a TNAuthList.
func provider(t testing.TB, code string) []byte { return listOf(t, tagProvider, ia5Of(t, code)) }
func oneNumber(t testing.TB, n string) []byte   { return listOf(t, tagOne, ia5Of(t, n)) }
func numberRange(t testing.TB, start string, count int) []byte {
	b, err := asn1.Marshal(struct {
		Start string `asn1:"ia5"`
		Count int
	}{start, count})
	if err != nil {
		t.Fatal(err)
	}
	return listOf(t, tagRange, b)
}

func ia5Of(t testing.TB, s string) []byte {
	b, err := asn1.MarshalWithParams(s, "ia5")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func listOf(t testing.TB, tag int, inner []byte) []byte {
	b, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: inner}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// web is what is behind URLs, and how often each was asked for.
type web struct {
	files map[string][]byte
	asked map[string]int
	keep  time.Duration
}

func (w *web) get(_ context.Context, url string) ([]byte, time.Duration, error) {
	w.asked[url]++
	if b := w.files[url]; b != nil {
		return b, w.keep, nil
	}
	return nil, 0, errors.New("not there")
}

// world is one authority, a provider who attests callers, a customer of another
// who sends calls on, and us who verify.
type world struct {
	*authority
	web           *web
	origin, relay *Signer
	key           *ecdsa.PrivateKey // of origin
	*Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{authority: newAuthority(t), web: &web{files: map[string][]byte{}, asked: map[string]int{}}}
	w.key = newKey(t)
	second := newKey(t)
	w.web.files[somewhere] = w.issue(t, w.key, provider(t, "709J"), nil)
	w.web.files[elsewhere] = w.issue(t, second, oneNumber(t, "12155550131"), nil)
	w.origin, w.relay = newSigner(t, w.key, somewhere), newSigner(t, second, elsewhere)
	w.Verifier = NewVerifier(w.pool, w.web.get)
	return w
}

func newSigner(t testing.TB, key *ecdsa.PrivateKey, x5u string) *Signer {
	t.Helper()
	s, err := NewSigner(key, x5u)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) attested(t testing.TB, at time.Time) string {
	t.Helper()
	h, err := w.origin.Attest("A", aCaller, called, "123e4567-e89b-12d3-a456-426655440000", at)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (w *world) judgeOne(t testing.TB, caller, number string, headers ...string) Verdict {
	t.Helper()
	return w.Verify(t.Context(), Call{Headers: headers, Caller: caller, Called: number, CallID: "a84b4c76e66710", At: noon})
}
