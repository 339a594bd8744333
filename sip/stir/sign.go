package stir

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Signer signs with one key. It is safe for any number of callers at once.
type Signer struct {
	key *ecdsa.PrivateKey
	x5u string
}

// NewSigner returns a signer with a P-256 key (ES256 is the one algorithm of
// RFC 8225) whose certificate others find at x5u, an https URL.
func NewSigner(key *ecdsa.PrivateKey, x5u string) (*Signer, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return nil, errors.New("stir: key is not one of P-256")
	}
	if err := checkX5U(x5u); err != nil {
		return nil, fmt.Errorf("stir: x5u: %w", err)
	}
	return &Signer{key, x5u}, nil
}

// Attest returns the Identity header that attests the caller, "A": he is ours
// and may show this number, "B": he is ours, "C": the call only came through us.
// Numbers are E.164; origid is an opaque name for where the call came from.
func (s *Signer) Attest(level, caller, called, origid string, at time.Time) (string, error) {
	if level != "A" && level != "B" && level != "C" {
		return "", errors.New("stir: attestation is neither A, B nor C")
	}
	return s.sign(&Passport{Kind: Shaken, Attest: level, OrigID: origid, Orig: digits(caller), Dest: []string{digits(called)}, Issued: at})
}

// Divert returns the Identity header that says: the call of caller to was goes
// on to now. It stands beside the header that attests the caller (RFC 8946 4.1).
func (s *Signer) Divert(caller, was, now string, at time.Time) (string, error) {
	return s.sign(&Passport{Kind: Div, Orig: digits(caller), Div: digits(was), Dest: []string{digits(now)}, Issued: at})
}

func (s *Signer) sign(p *Passport) (string, error) {
	if p.Orig == "" || p.Dest[0] == "" || p.Kind == Div && p.Div == "" {
		return "", errors.New("stir: a number is missing")
	}
	p.X5U = s.x5u
	header, payload, err := p.parts()
	if err != nil {
		return "", err
	}
	signed := header + "." + payload
	hash := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, hash[:])
	if err != nil {
		return "", fmt.Errorf("stir: %w", err)
	}
	signature := make([]byte, 64) // RFC 7518 3.4: two numbers of 32 bytes
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return fmt.Sprintf(`%s.%s;info=<%s>;alg=ES256;ppt="%s"`, signed, base64.RawURLEncoding.EncodeToString(signature), s.x5u, p.Kind), nil
}

// checkX5U says whether a URL may stand for a certificate: https, a host, no
// user, nothing that ends a header.
func checkX5U(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return errors.New("is not an https URL of a certificate")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '<' || s[i] == '>' || s[i] == '"' || s[i] == ';' || s[i] == '\\' {
			return errors.New("holds a character that a header cannot")
		}
	}
	return nil
}
