package sip

import (
	"net/netip"
	"strconv"
	"strings"

	"ringdown/call"
)

// maxReferTo is how much of a Refer-To is read, in bytes.
const maxReferTo = 1024

// referTo reads the value of a Refer-To header (RFC 3515 2.1): whom, where, and
// which dialog he shall give up (RFC 3891). Nothing else of it is looked at, and
// nothing of it is sent anywhere as it stands. ok is false for what is no
// sip: or tel: URI, asks for another method than INVITE, or could hide a second
// meaning.
func referTo(value string) (to call.ReferTo, rep replacement, ok bool) {
	uri, ok := bareURI(value)
	if !ok {
		return to, rep, false
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	switch {
	case strings.EqualFold(scheme, "tel"):
		number, _, _ := strings.Cut(rest, "?")
		to.User = plainUser(number)
		return to, rep, to.User != ""
	case !strings.EqualFold(scheme, "sip"):
		return to, rep, false
	}
	// A ? before the @ would be a user part that other programs read otherwise.
	at, query := strings.IndexByte(rest, '@'), strings.IndexByte(rest, '?')
	if at >= 0 && (query < 0 || at < query) {
		to.User, rest = plainUser(rest[:at]), rest[at+1:]
	}
	rest, headers, _ := strings.Cut(rest, "?")
	hostport, params, _ := strings.Cut(rest, ";")
	if to.Host, to.Port, ok = cutPort(hostport); !ok || to.User == "" {
		return to, rep, false
	}
	for p := range strings.SplitSeq(params, ";") {
		if name, method, _ := strings.Cut(p, "="); strings.EqualFold(name, "method") && !strings.EqualFold(method, "INVITE") {
			return to, rep, false
		}
	}
	if rep, ok = replacesIn(headers); !ok {
		return to, rep, false
	}
	to.Replaces = rep.String()
	return to, rep, true
}

// bareURI takes the URI out of a name-addr or addr-spec.
func bareURI(value string) (string, bool) {
	value = strings.TrimSpace(value)
	if len(value) > maxReferTo || strings.ContainsFunc(value, isControl) {
		return "", false
	}
	if open := strings.IndexByte(value, '<'); open >= 0 {
		uri, after, found := strings.Cut(value[open+1:], ">")
		return uri, found && !strings.ContainsAny(uri, "<\" ") && !strings.ContainsAny(after, "<>,")
	}
	uri, _, _ := strings.Cut(value, ";") // parameters belong to the header then (RFC 3261 20)
	return uri, !strings.ContainsAny(uri, "<>\" ,?")
}

// cutPort takes host and port apart; the port is 0 when there is none.
func cutPort(hostport string) (host string, port int, ok bool) {
	host = hostport
	if rest, v6 := strings.CutPrefix(hostport, "["); v6 {
		addr, after, found := strings.Cut(rest, "]")
		if a, err := netip.ParseAddr(addr); err != nil || !found || !a.Is6() || a.Zone() != "" {
			return "", 0, false
		}
		if host = addr; after == "" {
			return host, 0, true
		}
		hostport = "v6" + after
	}
	_, text, found := strings.Cut(hostport, ":")
	if !found {
		return host, 0, isHost(host)
	}
	if host == hostport || strings.HasPrefix(hostport, host+":") {
		host = hostport[:len(hostport)-len(text)-1]
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, int(n), err == nil && n > 0 && (isHost(host) || strings.Contains(host, ":"))
}

// replacement names a dialog as the one who is to give it up sees it (RFC 3891).
type replacement struct {
	callID, local, remote string // to-tag and from-tag
	earlyOnly             bool
}

// String writes it as a header value, made anew of what was read; empty when
// there is none.
func (r replacement) String() string {
	if r.callID == "" {
		return ""
	}
	s := r.callID + ";to-tag=" + r.local + ";from-tag=" + r.remote
	if r.earlyOnly {
		s += ";early-only"
	}
	return s
}

// maxTag bounds a Call-ID or tag that we give back, in bytes.
const maxTag = 256

// parseReplaces reads a Replaces value.
func parseReplaces(value string) (r replacement, ok bool) {
	id, params, _ := strings.Cut(value, ";")
	if r.callID = strings.TrimSpace(id); !isCallID(r.callID) {
		return replacement{}, false
	}
	seen := map[string]bool{}
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		name, v = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(v)
		if seen[name] {
			return replacement{}, false
		}
		seen[name] = true
		switch name {
		case "to-tag":
			r.local = v
		case "from-tag":
			r.remote = v
		case "early-only":
			r.earlyOnly = true
		}
	}
	return r, isTag(r.local) && isTag(r.remote)
}

// replacesIn finds Replaces among the headers of a URI; none is fine, two are not.
func replacesIn(headers string) (r replacement, ok bool) {
	found := false
	for h := range strings.SplitSeq(headers, "&") {
		name, value, _ := strings.Cut(h, "=")
		if !strings.EqualFold(name, "Replaces") {
			continue
		}
		plain, fine := unescape(value)
		if r, ok = parseReplaces(plain); !ok || !fine || found {
			return replacement{}, false
		}
		found = true
	}
	return r, true
}

// unescape undoes the escapes of a URI's header; ok is false when one is broken
// or hides a control character.
func unescape(s string) (plain string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			c = hi<<4 | lo
			i += 2
		}
		if c < ' ' || c >= 0x7f {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// isCallID reports a word or word@word (RFC 3261 25.1).
func isCallID(s string) bool {
	if s == "" || len(s) > maxTag || strings.Count(s, "@") > 1 || s[0] == '@' || s[len(s)-1] == '@' {
		return false
	}
	for i := range len(s) {
		if !isToken(s[i]) && strings.IndexByte("@()<>:\\\"/[]?{}", s[i]) < 0 {
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= maxTag
}
