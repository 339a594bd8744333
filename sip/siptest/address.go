package siptest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// address is a From, To, Contact or Route value (RFC 3261 20.10).
type address struct {
	display string
	uri     string
	params  map[string]string // of the header, not of the URI
}

func parseAddress(s string) (address, error) {
	var a address
	open := indexOutside(s, '<')
	if open < 0 {
		uri, params, _ := strings.Cut(s, ";")
		a.uri = strings.TrimSpace(uri)
		return a, a.finish(params)
	}
	shut := strings.IndexByte(s[open:], '>')
	if shut < 0 {
		return a, errors.New("address: no closing bracket")
	}
	a.display = strings.TrimSpace(s[:open])
	a.uri = s[open+1 : open+shut]
	rest := strings.TrimSpace(s[open+shut+1:])
	if rest != "" && rest[0] != ';' {
		return a, errors.New("address: text after the closing bracket")
	}
	return a, a.finish(strings.TrimPrefix(rest, ";"))
}

func (a *address) finish(params string) error {
	if strings.ContainsAny(a.uri, " \t\"<>") {
		return errors.New("address: illegal character in the URI")
	}
	if scheme, rest, ok := strings.Cut(a.uri, ":"); !ok || scheme == "" || rest == "" {
		return errors.New("address: no URI")
	}
	var err error
	a.params, err = parseParams(params)
	return err
}

// via is one Via value (RFC 3261 20.42).
type via struct {
	transport string
	sentBy    string
	params    map[string]string
}

func parseVia(s string) (via, error) {
	proto, rest, ok := strings.Cut(s, " ")
	part := strings.Split(proto, "/")
	if !ok || len(part) != 3 || part[0] != "SIP" || part[1] != "2.0" || !isToken(part[2]) {
		return via{}, errors.New("via: not SIP/2.0/transport and an address")
	}
	sentBy, params, _ := strings.Cut(rest, ";")
	v := via{transport: part[2], sentBy: strings.TrimSpace(sentBy)}
	if v.sentBy == "" || strings.ContainsAny(v.sentBy, " \t") {
		return via{}, errors.New("via: no address")
	}
	var err error
	v.params, err = parseParams(params)
	return v, err
}

func parseParams(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	params := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(name)
		if !isToken(name) {
			return nil, errors.New("parameter: no name")
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("parameter %s: given twice", name)
		}
		params[name] = value
	}
	return params, nil
}

// splitList takes a list apart at the commas outside quotes and brackets.
func splitList(s string) []string {
	var all []string
	for {
		i := indexOutside(s, ',')
		if i < 0 {
			return append(all, strings.TrimSpace(s))
		}
		all = append(all, strings.TrimSpace(s[:i]))
		s = s[i+1:]
	}
}

// indexOutside finds c outside quoted strings and angle brackets.
func indexOutside(s string, c byte) int {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"' && !angle:
			quoted = !quoted
		case quoted:
		case s[i] == c && !angle:
			return i
		case s[i] == '<':
			angle = true
		case s[i] == '>':
			angle = false
		}
	}
	return -1
}

// hostPort reads the IP address, port and transport out of a sip: URI. Names are refused:
// a phone for tests has no resolver to be misled by.
func hostPort(uri string) (to netip.AddrPort, tcp bool, err error) {
	rest, ok := strings.CutPrefix(uri, "sip:")
	if !ok {
		return to, false, errors.New("uri: not a sip: URI")
	}
	rest, params, _ := strings.Cut(rest, ";")
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	for part := range strings.SplitSeq(params, ";") {
		tcp = tcp || strings.EqualFold(part, "transport=tcp")
	}
	if to, err = netip.ParseAddrPort(rest); err == nil {
		return to, tcp, nil
	}
	ip, err := netip.ParseAddr(strings.Trim(rest, "[]"))
	if err != nil {
		return to, tcp, errors.New("uri: host is not an IP address")
	}
	return netip.AddrPortFrom(ip, 5060), tcp, nil
}
