package stir

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

// oidTNAuthList is the extension that says for which numbers a certificate may
// speak (RFC 8226 9).
var oidTNAuthList = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 26}

// trusted says whether a chain leads to one of our authorities at that time, and
// may speak for the number.
func trusted(chain []*x509.Certificate, roots *x509.CertPool, number string, at time.Time) error {
	leaf := known(chain[0])
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(known(c))
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return &failure{ReasonCertificate, err}
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(oidTNAuthList) {
			if speaksFor(e.Value, number) {
				return nil
			}
			return fail(ReasonCertificate, "speaks for other numbers")
		}
	}
	return fail(ReasonCertificate, "says of no number that it may speak for it")
}

// known returns c without the one critical extension that is handled here.
func known(c *x509.Certificate) *x509.Certificate {
	if !slices.ContainsFunc(c.UnhandledCriticalExtensions, oidTNAuthList.Equal) {
		return c
	}
	handled := *c
	handled.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidTNAuthList.Equal)
	return &handled
}

// Tags of a TNEntry (RFC 8226 9); the module has explicit tags.
const (
	tagProvider = 0 // a service provider's code: for all it serves
	tagRange    = 1 // a first number and how many
	tagOne      = 2
)

// speaksFor reads a TNAuthList; what it cannot read speaks for nobody.
func speaksFor(der []byte, number string) bool {
	var entries []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &entries); err != nil || len(rest) > 0 {
		return false
	}
	return slices.ContainsFunc(entries, func(e asn1.RawValue) bool {
		if e.Class != asn1.ClassContextSpecific {
			return false
		}
		switch e.Tag {
		case tagProvider:
			code, ok := ia5(e.Bytes)
			return ok && code != ""
		case tagRange:
			return inRange(e.Bytes, number)
		case tagOne:
			one, ok := ia5(e.Bytes)
			return ok && digits(one) == number
		}
		return false
	})
}

func ia5(der []byte) (string, bool) {
	var s string
	rest, err := asn1.UnmarshalWithParams(der, &s, "ia5")
	return s, err == nil && len(rest) == 0
}

// inRange reports whether number is one of count numbers from start on, all of
// the same length.
func inRange(der []byte, number string) bool {
	var r struct {
		Start string `asn1:"ia5"`
		Count *big.Int
	}
	if rest, err := asn1.Unmarshal(der, &r); err != nil || len(rest) > 0 || r.Count.Sign() <= 0 {
		return false
	}
	start := digits(r.Start)
	first, ok1 := new(big.Int).SetString(start, 10)
	n, ok2 := new(big.Int).SetString(number, 10)
	if !ok1 || !ok2 || len(start) != len(number) || len(number) > 15 {
		return false
	}
	return n.Cmp(first) >= 0 && new(big.Int).Sub(n, first).Cmp(r.Count) < 0
}
