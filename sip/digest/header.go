package digest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	scheme  = "Digest"
	qopAuth = "auth"

	maxHeader = 1024 // as the screen in front of us allows
	maxParams = 24
)

// Challenge is a WWW-Authenticate or Proxy-Authenticate header.
type Challenge struct {
	Realm, Nonce, Opaque string
	Algorithm            string   // as written; empty: MD5
	QOP                  []string // empty: the older form without
	Stale                bool     // the nonce was old, the credentials may be right
}

// Credentials is an Authorization or Proxy-Authorization header.
type Credentials struct {
	Username, Realm, Nonce, URI, Response string
	Algorithm, CNonce, Opaque             string
	QOP                                   string // auth, or empty for the older form
	NC                                    uint32 // with QOP: the count of requests with this nonce
}

// Errors never repeat the header: it is a credential.
var (
	ErrScheme    = errors.New("digest: another scheme")
	ErrMalformed = errors.New("digest: malformed header")
)

// ParseChallenge reads a challenge. ErrScheme: it is of another scheme (Basic,
// Bearer); ErrMalformed: it is broken.
func ParseChallenge(header string) (Challenge, error) {
	p, err := params(header)
	if err != nil {
		return Challenge{}, err
	}
	c := Challenge{
		Realm: p["realm"], Nonce: p["nonce"], Opaque: p["opaque"], Algorithm: p["algorithm"],
		Stale: strings.EqualFold(p["stale"], "true"),
	}
	if _, ok := p["realm"]; !ok || c.Nonce == "" {
		return Challenge{}, ErrMalformed
	}
	for q := range strings.SplitSeq(p["qop"], ",") {
		if q = strings.TrimSpace(q); q != "" {
			c.QOP = append(c.QOP, q)
		}
	}
	return c, nil
}

// ParseCredentials reads what answers a challenge; errors as in [ParseChallenge].
func ParseCredentials(header string) (Credentials, error) {
	p, err := params(header)
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{
		Username: p["username"], Realm: p["realm"], Nonce: p["nonce"], URI: p["uri"], Response: p["response"],
		Algorithm: p["algorithm"], CNonce: p["cnonce"], Opaque: p["opaque"], QOP: strings.ToLower(p["qop"]),
	}
	if c.Username == "" || c.Nonce == "" || c.URI == "" || c.Response == "" {
		return Credentials{}, ErrMalformed
	}
	if c.QOP == "" {
		return c, nil
	}
	nc, err := strconv.ParseUint(p["nc"], 16, 32)
	if err != nil || len(p["nc"]) != 8 || c.CNonce == "" || c.QOP != qopAuth {
		return Credentials{}, ErrMalformed
	}
	c.NC = uint32(nc)
	return c, nil
}

// params reads "Digest name=value, name="value"". Each name may stand once: two
// readers of a second one could disagree.
func params(header string) (map[string]string, error) {
	if len(header) > maxHeader {
		return nil, ErrMalformed
	}
	name, rest, _ := strings.Cut(strings.TrimLeft(header, " \t"), " ")
	if !strings.EqualFold(name, scheme) {
		return nil, ErrScheme
	}
	all := map[string]string{}
	for rest = strings.TrimSpace(rest); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := all[name]; !ok || !isToken(name) || twice || len(all) == maxParams {
			return nil, ErrMalformed
		}
		value, left, ok := cutValue(strings.TrimLeft(after, " \t"))
		if !ok {
			return nil, ErrMalformed
		}
		all[name] = value
		rest = left
	}
	return all, nil
}

// cutValue takes a token or quoted string off s, and the comma behind it.
func cutValue(s string) (value, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		value, rest, ok = cutQuoted(s[1:])
		if !ok {
			return "", "", false
		}
	} else {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		value, rest = strings.TrimSpace(s[:end]), s[end:]
		if !isToken(value) && !isLoose(value) {
			return "", "", false
		}
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" {
		return value, "", true
	}
	if rest[0] != ',' {
		return "", "", false
	}
	return value, strings.TrimLeft(rest[1:], " \t,"), true
}

// cutQuoted reads up to the closing quote and undoes escapes.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return b.String(), s[i+1:], true
		}
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", "", false
		}
		b.WriteByte(c)
	}
	return "", "", false
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") == ""
}

// isLoose: values that old peers leave unquoted although they are no token.
func isLoose(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' || r == ',' })
}

// String writes the challenge. stale stands only where it is true.
func (c Challenge) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `%s realm=%s, nonce=%s`, scheme, quote(c.Realm), quote(c.Nonce))
	if c.Opaque != "" {
		fmt.Fprintf(&b, `, opaque=%s`, quote(c.Opaque))
	}
	if c.Algorithm != "" {
		fmt.Fprintf(&b, `, algorithm=%s`, c.Algorithm)
	}
	if len(c.QOP) > 0 {
		fmt.Fprintf(&b, `, qop=%s`, quote(strings.Join(c.QOP, ",")))
	}
	if c.Stale {
		b.WriteString(`, stale=true`)
	}
	return b.String()
}

// String writes the credentials; algorithm, qop and nc stand without quotes
// (RFC 7616 3.4, RFC 3261 25.1).
func (c Credentials) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `%s username=%s, realm=%s, nonce=%s, uri=%s, response=%s`,
		scheme, quote(c.Username), quote(c.Realm), quote(c.Nonce), quote(c.URI), quote(c.Response))
	if c.Algorithm != "" {
		fmt.Fprintf(&b, `, algorithm=%s`, c.Algorithm)
	}
	if c.CNonce != "" {
		fmt.Fprintf(&b, `, cnonce=%s`, quote(c.CNonce))
	}
	if c.Opaque != "" {
		fmt.Fprintf(&b, `, opaque=%s`, quote(c.Opaque))
	}
	if c.QOP != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s`, c.QOP, count(c.NC))
	}
	return b.String()
}

func count(nc uint32) string { return fmt.Sprintf("%08x", nc) }

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
