package sip

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Network says how we look to the peers in some networks.
type Network struct {
	For       []string `yaml:"for"`       // addresses and CIDRs of peers; the longest match of all networks wins
	Local     string   `yaml:"local"`     // IP address of the listening sockets used towards them; empty: chosen
	Advertise string   `yaml:"advertise"` // host they must use for us; empty: that of all, or the bound address
}

// view is one Network for one prefix.
type view struct {
	prefix    netip.Prefix
	local     netip.Addr // the zero Addr: any
	advertise string
}

// views says what each peer sees of us. Longest prefixes come first.
type views struct {
	all  string // for peers whose view says nothing; an address only for its own family
	list []view
}

func newViews(c Config) (v views, err error) {
	v.all = strings.Trim(c.Advertise, "[]")
	for i, n := range c.Networks {
		var local netip.Addr
		if n.Local != "" {
			if local, err = netip.ParseAddr(n.Local); err != nil {
				return v, fmt.Errorf("sip.networks[%d].local: %w", i, err)
			}
		}
		for j, s := range n.For {
			p, err := parsePrefix(s)
			if err != nil {
				return v, fmt.Errorf("sip.networks[%d].for[%d]: %w", i, j, err)
			}
			v.list = append(v.list, view{p, local, strings.Trim(n.Advertise, "[]")})
		}
	}
	slices.SortStableFunc(v.list, func(a, b view) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return v, nil
}

func (v views) of(peer netip.Addr) view {
	for _, w := range v.list {
		if w.prefix.Contains(peer) {
			return w
		}
	}
	return view{}
}

// host is our name towards peer when it reaches us at local.
func (v views) host(peer, local netip.Addr) string {
	if name := v.of(peer).advertise; name != "" {
		return name
	}
	if v.speaksTo(peer.Is4()) {
		return v.all
	}
	return local.String()
}

// speaksTo reports whether the name for all is of use to peers of a family.
func (v views) speaksTo(v4 bool) bool {
	ip, err := netip.ParseAddr(v.all)
	return v.all != "" && (err != nil || ip.Unmap().Is4() == v4)
}

// covers reports whether every peer of a family is told a name of ours.
func (v views) covers(v4 bool) bool {
	return v.speaksTo(v4) || slices.ContainsFunc(v.list, func(w view) bool {
		return w.prefix.Bits() == 0 && w.prefix.Addr().Is4() == v4 && w.advertise != ""
	})
}

// parsePrefix reads an address or a CIDR.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() || p != p.Masked() {
		return p, fmt.Errorf("%q is not an address or CIDR such as 192.0.2.0/24", s)
	}
	return p, nil
}

// validateNetworks checks the networks against the sockets that are listened on.
func (c Config) validateNetworks(report func(path, msg string)) {
	bound := map[netip.Addr]bool{}
	for _, s := range c.Listen {
		if _, addr, err := parseListen(s); err == nil {
			bound[addr.Addr()] = true
		}
	}
	seen := map[netip.Prefix]string{}
	for i, n := range c.Networks {
		path := fmt.Sprintf("networks[%d]", i)
		if len(n.For) == 0 {
			report(path+".for", "is empty: the addresses and CIDRs of the peers it holds for")
		}
		for j, s := range n.For {
			at := fmt.Sprintf("%s.for[%d]", path, j)
			p, err := parsePrefix(s)
			if err != nil {
				report(at, err.Error())
			} else if first := seen[p]; first != "" {
				report(at, fmt.Sprintf("%s is at %s already", p, first))
			} else {
				seen[p] = at
			}
		}
		if ip, err := netip.ParseAddr(n.Local); n.Local != "" && (err != nil || !bound[ip]) {
			report(path+".local", fmt.Sprintf("%q is not an IP address of sip.listen", n.Local))
		}
		if n.Advertise != "" && !isHost(strings.Trim(n.Advertise, "[]")) {
			report(path+".advertise", fmt.Sprintf("%q is neither an IP address nor a host name (no port, no scheme)", n.Advertise))
		}
		if n.Local == "" && n.Advertise == "" {
			report(path, "says nothing: local, advertise or both are needed")
		}
	}
}
