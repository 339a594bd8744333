// Package digest is the arithmetic of HTTP digest authentication as SIP uses it
// (RFC 3261 22, RFC 7616, RFC 8760), for both ends: reading and writing the
// headers, the response to a challenge, and nonces that prove themselves.
//
// It knows no message, no trunk and no socket; who may ask whom for what is
// sip's. It speaks quality of protection "auth" and the older form without any
// (RFC 2069); "auth-int" is not offered and not answered, because a body that
// passes a SIP proxy may change.
package digest

import (
	"crypto/fips140"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// The algorithms, as they stand in a header. Each may have "-sess" behind it
// where we answer; we never ask for that.
const (
	MD5        = "MD5"
	SHA256     = "SHA-256"
	SHA512T256 = "SHA-512-256"

	session = "-sess"
)

// Strength orders the algorithms (0: not known to us), with or without "-sess".
func Strength(algorithm string) int {
	base, _ := cutSession(algorithm)
	switch base {
	case SHA512T256:
		return 3
	case SHA256:
		return 2
	case MD5:
		return 1
	}
	return 0
}

// cutSession returns an algorithm's plain name, in its usual letters, and
// whether "-sess" was behind it. No name is MD5 (RFC 7616 3.3).
func cutSession(algorithm string) (base string, sess bool) {
	base = strings.ToUpper(algorithm)
	if base == "" {
		return MD5, false
	}
	return strings.CutSuffix(base, strings.ToUpper(session))
}

// sum returns H(parts joined by colons) in hexadecimal. MD5 is no protection of
// data here but what old peers compare, so it is computed under FIPS as well.
func sum(base string, parts ...string) string {
	var h hash.Hash
	text := []byte(strings.Join(parts, ":"))
	switch base {
	case SHA256:
		h = sha256.New()
	case SHA512T256:
		h = sha512.New512_256()
	default:
		var out [md5.Size]byte
		fips140.WithoutEnforcement(func() { out = md5.Sum(text) })
		return hex.EncodeToString(out[:])
	}
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// Secret is who one is: what a response is computed from.
type Secret struct{ Username, Password string }

// response computes what c must say for s, whatever it says (RFC 7616 3.4.1).
func (c *Credentials) response(s Secret, method string) string {
	base, sess := cutSession(c.Algorithm)
	ha1 := sum(base, s.Username, c.Realm, s.Password)
	if sess {
		ha1 = sum(base, ha1, c.Nonce, c.CNonce)
	}
	ha2 := sum(base, method, c.URI)
	if c.QOP == "" {
		return sum(base, ha1, c.Nonce, ha2)
	}
	return sum(base, ha1, c.Nonce, count(c.NC), c.CNonce, c.QOP, ha2)
}

// Answer returns the credentials that answer a challenge: nc is how many
// requests have used its nonce, this one included, and cnonce is random.
// false: nothing in the challenge is spoken here.
func (c Challenge) Answer(s Secret, method, uri, cnonce string, nc uint32) (Credentials, bool) {
	if !c.Usable() {
		return Credentials{}, false
	}
	a := Credentials{
		Username: s.Username, Realm: c.Realm, Nonce: c.Nonce, URI: uri, Algorithm: c.Algorithm, Opaque: c.Opaque,
	}
	if len(c.QOP) > 0 {
		a.QOP, a.NC = qopAuth, nc
	}
	if _, sess := cutSession(c.Algorithm); sess || a.QOP != "" {
		a.CNonce = cnonce
	}
	a.Response = a.response(s, method)
	return a, true
}

// Usable reports whether we can answer: the algorithm is known and, when
// qualities of protection are named, "auth" is among them.
func (c Challenge) Usable() bool {
	if c.Nonce == "" || Strength(c.Algorithm) == 0 {
		return false
	}
	if len(c.QOP) == 0 {
		return true
	}
	for _, q := range c.QOP {
		if strings.EqualFold(q, qopAuth) {
			return true
		}
	}
	return false
}
