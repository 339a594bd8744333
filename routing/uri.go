package routing

import (
	"net/netip"
	"strconv"
	"strings"
)

const maxURI = 255

// uri is a sip: URI taken apart (RFC 3261 25.1), as far as we send to one.
type uri struct {
	user   string // as written, escapes and all
	host   string // name, IPv4, or IPv6 in brackets
	port   string // empty: the transport's own
	params string // with the leading ;
}

// parseURI reads a sip: URI; the second result says what is wrong, in words
// that do not repeat it.
func parseURI(s string) (uri, string) {
	if msg := checkText(s, maxURI); msg != "" {
		return uri{}, msg
	}
	rest, ok := cutScheme(s)
	switch {
	case s == "":
		return uri{}, "is missing"
	case !ok && strings.HasPrefix(strings.ToLower(s), "sips:"):
		return uri{}, "asks for sips:, which promises TLS all the way to the phone and nobody can keep it: write sip: with ;transport=tls"
	case !ok:
		return uri{}, `is not a sip: URI such as "sip:agent@192.0.2.7:5060"`
	case strings.ContainsAny(rest, "?"):
		return uri{}, "holds header fields (?…), which are not sent"
	}
	var u uri
	if user, host, found := strings.Cut(rest, "@"); found {
		if msg := checkUser(user); msg != "" {
			return uri{}, msg
		}
		u.user, rest = user, host
	}
	hostport, params, found := strings.Cut(rest, ";")
	if found {
		u.params = ";" + params
	}
	var msg string
	if u.host, u.port, msg = splitHost(hostport); msg != "" {
		return uri{}, msg
	}
	return u, checkParams(params, found)
}

func cutScheme(s string) (string, bool) {
	if len(s) < 4 || !strings.EqualFold(s[:4], "sip:") {
		return "", false
	}
	return s[4:], true
}

// place is what a trace may show of a URI: where it leads, not to whom.
func (u uri) place() string {
	if u.port == "" {
		return u.host
	}
	return u.host + ":" + u.port
}

// to writes the URI with another user part.
func (u uri) to(user string) string { return "sip:" + user + "@" + u.place() + u.params }

func checkUser(s string) string {
	if strings.Contains(s, ":") {
		return "holds a password in its user part"
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			b, ok := escape(s[i:])
			if !ok {
				return "has a broken escape in its user part"
			}
			if b < ' ' || b == 0x7f {
				return "holds a control character"
			}
			i += 2
			continue
		}
		if !alphanumeric(s[i]) && !strings.ContainsRune("-_.!~*'()&=+$,;?/", rune(s[i])) {
			return "has a character in its user part that must be escaped"
		}
	}
	if s == "" {
		return "has an empty user part"
	}
	return ""
}

func splitHost(s string) (host, port, msg string) {
	host = s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", "has an IPv6 address without its closing bracket"
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", "has something else than an IPv6 address in brackets"
		}
		host = s[:end+1]
		if rest := s[end+1:]; rest != "" {
			var ok bool
			if port, ok = strings.CutPrefix(rest, ":"); !ok {
				return "", "", "has something behind its address that is not a port"
			}
			return host, port, checkPort(port)
		}
		return host, "", ""
	}
	host, port, found := strings.Cut(s, ":")
	if !validHost(host) {
		return "", "", "has no valid host"
	}
	if found {
		return host, port, checkPort(port)
	}
	return host, "", ""
}

func checkPort(s string) string {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return "has a port that is not 1 to 65535"
	}
	return ""
}

// validHost takes an IPv4 address or a host name (RFC 1123 2.1).
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			if !alphanumeric(l[i]) && l[i] != '-' {
				return false
			}
		}
	}
	// A name that ends in digits only is a broken address.
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func checkParams(s string, found bool) string {
	if !found {
		return ""
	}
	for p := range strings.SplitSeq(s, ";") {
		name, value, valued := strings.Cut(p, "=")
		if !token(name) || valued && !token(value) {
			return "has a parameter that is not name or name=value"
		}
		if strings.EqualFold(name, "transport") && value != "udp" && value != "tcp" && value != "tls" {
			return "has a transport that is not spoken; allowed: udp, tcp, tls"
		}
	}
	return ""
}

// token is a pvalue or pname without escapes.
func token(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && !strings.ContainsRune("-_.!~*'()[]/:&+$", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

func alphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
