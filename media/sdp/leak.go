package sdp

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// passes decides about one a= line of the party's on its way to the other
// party. Codec words pass when they speak of a payload type in types; words
// about addresses, keys, identity and bundling do not; a word we do not know
// passes when nothing in it looks like an address, a number or a name the party
// gave itself.
func (d *Description) passes(l line, types []uint8) bool {
	name, value := l.name, l.arg
	if d.hides(l) {
		return false
	}
	if _, ok := directionOf(name); ok {
		return false // written by us
	}
	switch name {
	case "rtpmap", "fmtp", "rtcp-fb":
		about, rest, _ := strings.Cut(value, " ")
		pt, ok := payloadType(about)
		if name == "rtcp-fb" && about == "*" {
			return true
		}
		rest = strings.TrimSpace(rest)
		if ok && name == "rtpmap" {
			_, ok = parseEncoding(rest)
		}
		return ok && rest != "" && slices.Contains(types, pt)
	case "ptime", "maxptime":
		_, ok := number(value, 1000)
		return ok
	case "silencesupp", "gpmd", "ecan", "rtcp-rsize", "rtcp-xr", "extmap", "extmap-allow-mixed":
		return true
	case "rtcp", "rtcp-mux", "rtcp-mux-only", // RTCP has a port of its own here
		"candidate", "remote-candidates", "end-of-candidates", "ice-lite", "ice-ufrag", "ice-pwd", "ice-options",
		"ice-pacing", "ice-mismatch", // ICE of the other leg
		"crypto", "fingerprint", "setup", "connection", "tls-id", "identity", "key-mgmt", "zrtp-hash", "3ge2ae",
		"group", "mid", "msid", "msid-semantic", "bundle-only", "rid", "simulcast", "ssrc", "ssrc-group",
		"acap", "tcap", "pcfg", "acfg", "csup", "creq", "sqn", "cdsc", "cpar", // capabilities: SRTP or fax by another door
		"x-sqn", "x-cap", "x-cpar", "encryption",
		"curr", "des", "conf", // preconditions (RFC 3312): a callee who knows them would wait for ever
		"tool", "cname", "label", "content", "charset", "lang", "sdplang", "keywds", "cat", "type",
		"source-filter", "rtsp-range", "alt", "altc", "ccap", "nortpproxy", "direction", "x-nat", "record", "recordpref":
		return false
	}
	return !d.tells(l.value, true) && !looksPersonal(l.value)
}

// hides reports whether an attribute is for us alone whatever it is, and so
// means nothing to us either: what one side is told and what we take it for
// must be the same.
func (d *Description) hides(l line) bool {
	return !plain(l.name, "-_.") || !printable(l.value) || looksLikeAddress(l.value) || d.tells(l.value, false)
}

// passesBandwidth lets "b=AS:64" through.
func passesBandwidth(l line) bool {
	kind, value, _ := strings.Cut(l.value, ":")
	_, ok := number(value, 1<<31)
	return l.key == 'b' && ok && len(kind) <= 16 && plain(kind, "-")
}

// collectSecrets lists what the party calls itself: host names first, then,
// after an empty string, words that may as well be ordinary ones.
func (d *Description) collectSecrets() []string {
	var hosts, words []string
	host := func(s string) {
		if _, err := netip.ParseAddr(s); err != nil && len(s) > 3 {
			hosts = append(hosts, strings.ToLower(s))
		}
	}
	for _, l := range d.everyLine() {
		f := strings.Fields(l.value)
		switch {
		case l.key == 'o' && len(f) == 6:
			host(f[5])
			words = append(words, strings.ToLower(f[0]))
		case l.key == 'c' && len(f) == 3:
			host(f[2])
		case l.key == 's' || l.key == 'i' || l.key == 'e' || l.key == 'p':
			words = append(words, strings.ToLower(l.value))
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < 3 })
	return append(append(hosts, ""), words...)
}

func (d *Description) everyLine() []line {
	all := slices.Clone(d.session)
	for _, s := range d.sections {
		all = append(all, s.lines...)
	}
	return all
}

// tells reports whether text holds a host name of the party or, with words,
// its user, session or contact name.
func (d *Description) tells(text string, words bool) bool {
	text = strings.ToLower(text)
	for _, s := range d.secrets {
		if s == "" {
			if !words {
				return false
			}
			continue
		}
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// looksLikeAddress reports whether text holds what could be read as an IPv4 or
// IPv6 address. It errs on the safe side.
func looksLikeAddress(text string) bool {
	dots, colons := 0, 0
	for _, c := range []byte(text) {
		switch {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			dots, colons = 0, 0
		}
		if dots >= 3 || colons >= 2 {
			return true
		}
	}
	return false
}

// looksPersonal reports whether text may hold a telephone number or a URI.
func looksPersonal(text string) bool {
	if strings.ContainsRune(text, '@') || strings.Contains(text, "//") {
		return true
	}
	lower := strings.ToLower(text)
	for _, scheme := range []string{"sip:", "sips:", "tel:", "mailto:"} {
		if strings.Contains(lower, scheme) {
			return true
		}
	}
	digits := 0
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '-' || c == ' ' || c == '.' || c == '(' || c == ')': // as numbers are written
		default:
			digits = 0
		}
		if digits >= 7 {
			return true
		}
	}
	return false
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
	})
}
