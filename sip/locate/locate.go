package locate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// service is a transport as DNS names it (RFC 3263 4.1).
type service struct{ naptr, prefix, transport string }

var services = []service{
	{"SIP+D2U", "_sip._udp.", "udp"},
	{"SIP+D2T", "_sip._tcp.", "tcp"},
	{"SIPS+D2T", "_sips._tcp.", "tls"},
}

// place is a name and port that remain to be turned into addresses.
type place struct {
	host      string
	port      uint16
	transport string
}

// Locate returns where t can be reached by who is able, in the order to try:
// by order and preference of NAPTR, priority and weight of SRV, and of one
// name's addresses the IP versions in turn. It takes locateTimeout at the most.
// The error is [ErrNotFound], with what went wrong on the way.
func (r *Resolver) Locate(ctx context.Context, t Target, able Able) ([]Candidate, error) {
	if t.Transport != "" && !slices.Contains(able.Transports, t.Transport) || len(able.Transports) == 0 {
		return nil, fmt.Errorf("%w: transport %q is not ours", ErrNotFound, t.Transport)
	}
	host := strings.Trim(t.Host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		transport := t.plainTransport(able)
		c := Candidate{netip.AddrPortFrom(ip.Unmap(), t.portFor(transport)), transport, host}
		if !slices.Contains(able.Versions, version(c.Addr.Addr())) {
			return nil, fmt.Errorf("%w: no socket for IPv%d", ErrNotFound, version(c.Addr.Addr()))
		}
		return []Candidate{c}, nil
	}
	if _, ok := dns.IsDomainName(host); !ok {
		return nil, fmt.Errorf("%w: not a name", ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, locateTimeout)
	defer cancel()
	places, err := r.places(ctx, host, t, able)
	var out []Candidate
	for i, addrs := range r.addressesOf(ctx, places, able, &err) {
		for _, a := range addrs {
			c := Candidate{netip.AddrPortFrom(a, places[i].port), places[i].transport, host}
			if len(out) < maxCandidates && !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	if len(out) == 0 {
		r.count.missed.Add(1)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return nil, ErrNotFound
	}
	return out, nil
}

// plainTransport is the transport where DNS has no say (RFC 3263 4.1): what the
// URI names, else UDP.
func (t Target) plainTransport(able Able) string {
	switch {
	case t.Transport != "":
		return t.Transport
	case slices.Contains(able.Transports, "udp"):
		return "udp"
	}
	return able.Transports[0]
}

func (t Target) portFor(transport string) uint16 {
	switch {
	case t.Port > 0:
		return uint16(t.Port)
	case transport == "tls":
		return 5061
	}
	return 5060
}

// places follows RFC 3263 4.1 and 4.2 as far as names go. The error tells why
// records may be missing; what was found counts all the same.
func (r *Resolver) places(ctx context.Context, host string, t Target, able Able) ([]place, error) {
	transport := t.plainTransport(able)
	itself := []place{{host, t.portFor(transport), transport}}
	if t.Port > 0 || len(r.o.Servers) == 0 {
		return itself, nil
	}
	var trouble error
	if t.Transport == "" {
		found, err := r.byNAPTR(ctx, host, able)
		switch {
		case len(found) > 0:
			return found, err
		case errors.Is(err, errSilent): // there is no time to ask on
			return itself, err
		}
		trouble = err
	}
	for _, s := range services {
		if t.Transport != "" && s.transport != t.Transport || !slices.Contains(able.Transports, s.transport) {
			continue
		}
		found, known, err := r.bySRV(ctx, s.prefix+host, s.transport)
		switch {
		case known:
			return found, err
		case errors.Is(err, errSilent):
			return itself, err
		}
		trouble = cmp.Or(trouble, err)
	}
	return itself, trouble
}

// byNAPTR takes the usable records of the lowest order (RFC 3403 4.1), by
// preference.
func (r *Resolver) byNAPTR(ctx context.Context, host string, able Able) ([]place, error) {
	records, err := r.lookup(ctx, host, dns.TypeNAPTR)
	if err != nil {
		return nil, err
	}
	type usable struct {
		*dns.NAPTR
		transport string
	}
	var all []usable
	for _, rr := range records {
		n, ok := rr.(*dns.NAPTR)
		if !ok || !strings.EqualFold(n.Flags, "s") || n.Regexp != "" {
			continue
		}
		for _, s := range services {
			if strings.EqualFold(n.Service, s.naptr) && slices.Contains(able.Transports, s.transport) {
				all = append(all, usable{n, s.transport})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b usable) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []place
	var trouble error
	for i, n := range all {
		if n.Order != all[0].Order || i == len(services) {
			break
		}
		found, _, err := r.bySRV(ctx, n.Replacement, n.transport)
		trouble = cmp.Or(trouble, err)
		out = append(out, found...)
	}
	return out, trouble
}

// bySRV returns the places of a service in the order of RFC 2782. known is true
// when there are such records, though they may say that the service is not there.
func (r *Resolver) bySRV(ctx context.Context, name, transport string) (out []place, known bool, err error) {
	records, err := r.lookup(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, false, err
	}
	var list []Ranked[place]
	for _, rr := range records {
		s, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		known = true
		if s.Target == "." || s.Port == 0 {
			continue
		}
		list = append(list, Ranked[place]{int(s.Priority), int(s.Weight), place{strings.TrimSuffix(s.Target, "."), s.Port, transport}})
	}
	shuffle(list, r.o.Random) // those of weight 0 only have no order of their own
	out = Order(list, r.o.Random)
	return out[:min(len(out), maxCandidates)], known, nil
}

// addressesOf turns each place into its addresses, all at the same time. The
// first trouble goes to err, unless one is there.
func (r *Resolver) addressesOf(ctx context.Context, places []place, able Able, err *error) [][]netip.Addr {
	out := make([][]netip.Addr, len(places))
	faults := make([]error, len(places))
	var wg sync.WaitGroup
	for i, p := range places {
		wg.Go(func() { out[i], faults[i] = r.addresses(ctx, p.host, able) })
	}
	wg.Wait()
	for _, f := range faults {
		*err = cmp.Or(*err, f)
	}
	return out
}

// addresses returns a name's addresses that we can reach, the IP versions in
// turn and those of one version in any order.
func (r *Resolver) addresses(ctx context.Context, host string, able Able) ([]netip.Addr, error) {
	byVersion := make([][]netip.Addr, len(able.Versions))
	faults := make([]error, len(able.Versions))
	if len(r.o.Servers) > 0 {
		var wg sync.WaitGroup
		for i, v := range able.Versions {
			qtype := dns.TypeA
			if v == 6 {
				qtype = dns.TypeAAAA
			}
			wg.Go(func() {
				var records []dns.RR
				records, faults[i] = r.lookup(ctx, host, qtype)
				for _, rr := range records {
					byVersion[i] = r.admit(byVersion[i], addressOf(rr), v, able)
				}
			})
		}
		wg.Wait()
	}
	if !slices.ContainsFunc(byVersion, func(a []netip.Addr) bool { return len(a) > 0 }) {
		known, err := r.system(ctx, host)
		faults = append(faults, err)
		for i, v := range able.Versions {
			for _, a := range known {
				if a = a.Unmap(); version(a) == v {
					byVersion[i] = r.admit(byVersion[i], a, v, able)
				}
			}
		}
	}
	for _, a := range byVersion {
		shuffle(a, r.o.Random)
	}
	return interleave(byVersion), cmp.Or(faults...)
}

func addressOf(rr dns.RR) netip.Addr {
	var ip netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		ip, _ = netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		ip, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return ip.Unmap()
}

// admit appends an address that a request may be sent to. A name that leads to
// this host, this link or nowhere is a trap or a mistake, as is an IPv4 address
// in a record of IPv6.
func (r *Resolver) admit(to []netip.Addr, a netip.Addr, v int, able Able) []netip.Addr {
	switch {
	case !a.IsValid(), version(a) != v, a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), a.IsLoopback() && !able.Loopback,
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		r.count.refused.Add(1)
		return to
	}
	return append(to, a)
}

func version(a netip.Addr) int {
	if a.Is4() || a.Is4In6() {
		return 4
	}
	return 6
}
