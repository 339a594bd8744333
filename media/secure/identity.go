package secure

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Identity is the certificate we show in DTLS. It proves nothing but that whoever
// shows it wrote the description its fingerprint stands in.
type Identity struct {
	certificate tls.Certificate
	print       Fingerprint
}

// NewIdentity makes a key on P-256 and signs it by itself. It is made anew by each
// process and never leaves it.
func NewIdentity(now time.Time) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("DTLS identity: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("DTLS identity: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "media"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0), // nobody's clock shall matter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("DTLS identity: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		print:       Fingerprint{crypto.SHA256, digest(crypto.SHA256, der)},
	}, nil
}

// Fingerprint is what our descriptions say of the identity.
func (i *Identity) Fingerprint() Fingerprint { return i.print }

// Fingerprint is a hash of a certificate (RFC 8122 5).
type Fingerprint struct {
	hash crypto.Hash
	sum  []byte
}

// hashes are those that are strong enough.
var hashes = map[string]crypto.Hash{"sha-256": crypto.SHA256, "sha-384": crypto.SHA384, "sha-512": crypto.SHA512}

// ErrFingerprint says that an a=fingerprint is not one, or of a hash too weak.
var ErrFingerprint = errors.New("a=fingerprint not usable")

// ParseFingerprint reads "sha-256 AB:CD:…".
func ParseFingerprint(value string) (Fingerprint, error) {
	name, text, _ := strings.Cut(value, " ")
	hash, ok := hashes[strings.ToLower(name)]
	if !ok {
		return Fingerprint{}, fmt.Errorf("hash is not sha-256, sha-384 or sha-512: %w", ErrFingerprint)
	}
	text = strings.TrimSpace(text)
	if len(text) != 3*hash.Size()-1 {
		return Fingerprint{}, fmt.Errorf("not %d bytes: %w", hash.Size(), ErrFingerprint)
	}
	f := Fingerprint{hash, make([]byte, hash.Size())}
	for i := range f.sum {
		pair := text[3*i:]
		if len(pair) > 2 && pair[2] != ':' {
			return Fingerprint{}, fmt.Errorf("bytes are not parted by colons: %w", ErrFingerprint)
		}
		if _, err := hex.Decode(f.sum[i:i+1], []byte(pair[:2])); err != nil {
			return Fingerprint{}, fmt.Errorf("not hexadecimal: %w", ErrFingerprint)
		}
	}
	return f, nil
}

// ParseFingerprints reads several and leaves out those of other hashes; there
// must be one that can be used.
func ParseFingerprints(values []string) (all []Fingerprint, err error) {
	err = fmt.Errorf("none there: %w", ErrFingerprint)
	for _, v := range values {
		f, fault := ParseFingerprint(v)
		if fault != nil {
			err = fault
			continue
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, err
	}
	return all, nil
}

func (f Fingerprint) String() string {
	for name, hash := range hashes {
		if hash == f.hash {
			text := strings.ToUpper(hex.EncodeToString(f.sum))
			var b strings.Builder
			for i := 0; i < len(text); i += 2 {
				if i > 0 {
					b.WriteByte(':')
				}
				b.WriteString(text[i : i+2])
			}
			return name + " " + b.String()
		}
	}
	return "none"
}

// Equal reports whether two are of one hash and the same.
func (f Fingerprint) Equal(o Fingerprint) bool {
	return f.hash == o.hash && bytes.Equal(f.sum, o.sum)
}

// of reports whether a certificate has the fingerprint.
func (f Fingerprint) of(der []byte) bool {
	return f.hash != 0 && subtle.ConstantTimeCompare(f.sum, digest(f.hash, der)) == 1
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}
