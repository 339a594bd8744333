package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Redirect says what becomes of a 3xx answer (RFC 3261 8.1.3.4).
type Redirect struct {
	Follow int      `yaml:"follow"` // how many in a row are followed; 0 (default): none, the attempt has failed
	Hosts  []string `yaml:"hosts"`  // where to, beside the trunk's or destination's own hosts: names, addresses and CIDRs
	Pass   bool     `yaml:"pass"`   // callers of this trunk are told where a destination is instead
}

// Bounds are what a destination without a trunk says of its own 3xx.
type Bounds struct {
	Follow int      `yaml:"follow"`
	Hosts  []string `yaml:"hosts"`
}

// maxFollow and maxContacts bound what one destination can make us dial.
const (
	maxFollow   = 5
	maxContacts = 4 // of one answer
	maxAttempts = 16
)

// Redirection is how far an attempt may be sent elsewhere.
type Redirection struct {
	Follow int // how many more
	Names  []string
	Nets   []netip.Prefix
}

// redirect checks the bounds of a redirection.
func (b *builder) redirect(spec Bounds, path string) (r Redirection) {
	path += ".redirect"
	if spec.Follow < 0 || spec.Follow > maxFollow {
		b.fault(fmt.Sprintf("is not 0 to %d", maxFollow), "%s.follow", path)
	}
	if spec.Follow == 0 && len(spec.Hosts) > 0 {
		b.fault("is 0 or missing, so hosts mean nothing", "%s.follow", path)
	}
	r.Follow = spec.Follow
	for i, s := range spec.Hosts {
		if p, msg := checkPrefix(s); msg == "" {
			r.Nets = append(r.Nets, p)
		} else if name := strings.ToLower(s); validHost(name) {
			r.Names = append(r.Names, strings.TrimSuffix(name, "."))
		} else {
			b.fault("is neither a host name nor an address or CIDR", "%s.hosts[%d]", path, i)
		}
	}
	return r
}

// words are what a trace says of it.
func (r Redirection) words() string {
	if r.Follow == 0 {
		return ""
	}
	return ", follows " + plural(r.Follow, "redirection") + " in a row"
}

// own adds the host of a place to where a redirection may lead.
func (r *Redirection) own(u uri) {
	if addr, err := netip.ParseAddr(strings.Trim(u.host, "[]")); err == nil {
		r.Nets = append(r.Nets, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		return
	}
	r.Names = append(r.Names, strings.TrimSuffix(strings.ToLower(u.host), "."))
}

func (r Redirection) allows(u uri) bool {
	if addr, err := netip.ParseAddr(strings.Trim(u.host, "[]")); err == nil {
		return slices.ContainsFunc(r.Nets, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
	}
	return slices.Contains(r.Names, strings.TrimSuffix(strings.ToLower(u.host), "."))
}

// Redirected returns where an attempt at t goes on when its answer names these
// contacts, best first: to those inside the bounds that none of known, the
// targets of the call so far, has been. It is pure.
func (t Target) Redirected(contacts []string, known []Target) (next []Target) {
	if t.Redirect.Follow <= 0 {
		return nil
	}
	been := map[string]bool{}
	for _, k := range append([]Target{t}, known...) {
		been[sameURI(k.URI)] = true
		for _, p := range k.Places {
			been[sameURI(p.URI)] = true
		}
	}
	for _, c := range contacts {
		u, msg := parseURI(c)
		if msg != "" || !t.Redirect.allows(u) || been[sameURI(c)] || len(next) == maxContacts || len(known)+len(next) >= maxAttempts {
			continue
		}
		been[sameURI(c)] = true
		there := t
		there.URI, there.Places, there.Number, there.User, there.Limits = c, nil, "", "", Limits{} // who answers there may be somebody else
		there.Redirect.Follow--
		next = append(next, there)
	}
	return next
}

// sameURI is a URI in the form in which two that lead to the same place are
// equal, as far as RFC 3261 19.1.4 lets that be seen; the transport counts.
func sameURI(s string) string {
	u, msg := parseURI(s)
	if msg != "" {
		return s
	}
	port, transport := u.port, "udp"
	for p := range strings.SplitSeq(strings.ToLower(u.params), ";") {
		if v, ok := strings.CutPrefix(p, "transport="); ok {
			transport = v
		}
	}
	if port == "" {
		port = "5060"
		if transport == "tls" {
			port = "5061"
		}
	}
	return u.user + "@" + strings.TrimSuffix(strings.ToLower(u.host), ".") + ":" + port + ";" + transport
}
