package relay

import (
	"fmt"
	"net/netip"
	"slices"
)

// home numbers the media addresses of a pool. The first is that of the section's
// own keys; trunks name the others.
type home uint8

// spot is a home in one IP version: what a pair of ports stands at.
type spot struct {
	home   home
	family family
}

// address is a home: a name for trunks, and a place in each IP version.
type address struct {
	name   string
	places [2]place // by family
	first  family   // that calls begin with
}

// place is where a home is in one IP version. Without a bind address it is not
// there at all.
type place struct {
	bind, advertise netip.Addr
	free            []uint16 // even ports, no order; guarded by Pool.mu
}

// Address is one media address beside that of the section itself, for the
// trunks that name it.
type Address struct {
	Name       string `yaml:"name"`
	Address    string `yaml:"address"`
	Advertise  string `yaml:"advertise"`
	Address6   string `yaml:"address6"`
	Advertise6 string `yaml:"advertise6"`
}

// homes reads the addresses of a configuration that Validate has passed.
func (c Config) homes() []address {
	ports, _ := parsePorts(c.Ports)
	all := []address{c.own().read(ports)}
	for _, a := range c.Addresses {
		all = append(all, a.read(ports))
	}
	return all
}

// own is the address that the section's own keys name.
func (c Config) own() Address {
	return Address{Address: c.Address, Advertise: c.Advertise, Address6: c.Address6, Advertise6: c.Advertise6}
}

func (a Address) read(ports []uint16) address {
	out := address{name: a.Name}
	set := func(bind, advertise string) family {
		b, _ := parseAddress(bind)
		told := b
		if advertise != "" {
			told, _ = parseAddress(advertise)
		}
		f := familyOf(told)
		out.places[f] = place{bind: b, advertise: told, free: slices.Clone(ports)}
		return f
	}
	out.first = set(a.Address, a.Advertise)
	if a.Address6 != "" {
		set(a.Address6, a.Advertise6)
	}
	return out
}

// validate reports the faults of one address, with their paths.
func (a Address) validate(report func(path, msg string)) {
	bind := validatePlace(a.Address, a.Advertise, "", report)
	switch bind6 := validatePlace(a.Address6, a.Advertise6, "6", report); {
	case a.Address6 == "":
	case bind6.Is4():
		report("address6", fmt.Sprintf("%s is not an IPv6 address", bind6))
	case bind.Is6():
		report("address6", fmt.Sprintf("stands beside the IPv6 address %s: address must be an IPv4 one then", bind))
	}
}

// validateAddresses reports what is wrong with the addresses beside the first:
// without names of their own nobody could mean them, and two that bind the same
// would take each other's ports.
func (c Config) validateAddresses(report func(path, msg string)) {
	names, bound := map[string]bool{}, map[string]bool{c.Address: true, c.Address6: c.Address6 != ""}
	for i, a := range c.Addresses {
		at := func(path string) string { return fmt.Sprintf("addresses[%d].%s", i, path) }
		a.validate(func(path, msg string) { report(at(path), msg) })
		switch {
		case !plainName(a.Name):
			report(at("name"), "is not a name of 1 to 63 of a-z, 0-9, - and _")
		case names[a.Name]:
			report(at("name"), fmt.Sprintf("%q is another address too", a.Name))
		}
		names[a.Name] = true
		for key, bind := range map[string]string{"address": a.Address, "address6": a.Address6} {
			if bind != "" && bound[bind] {
				report(at(key), fmt.Sprintf("%s is bound by another address already", bind))
			}
			bound[bind] = true
		}
	}
}

func plainName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) < 64
}

// Names lists the addresses that a trunk may name.
func (c Config) Names() (names []string) {
	for _, a := range c.Addresses {
		names = append(names, a.Name)
	}
	return names
}

func (p *Pool) place(at spot) *place { return &p.homes[at.home].places[at.family] }

// homeOf finds a home by its name; the empty name, and one that is not there, is
// the first: what trunks name was checked with the configuration.
func (p *Pool) homeOf(name string) home {
	if name != "" {
		for i := range p.homes {
			if p.homes[i].name == name {
				return home(i)
			}
		}
	}
	return 0
}

// spotFor is where somebody is offered to send who is reached at addr by a trunk
// of that home: in the same IP version when we are there, else in the one of now.
func (p *Pool) spotFor(addr netip.Addr, name string, now spot) spot {
	at := spot{p.homeOf(name), now.family}
	if addr.IsValid() {
		at.family = familyOf(addr)
	}
	for _, f := range []family{at.family, now.family} {
		if at.family = f; p.place(at).bind.IsValid() {
			return at
		}
	}
	at.family = p.homes[at.home].first
	return at
}

// advertised is what a description of ours says of a pair.
func (p *Pool) advertised(q *pair) netip.AddrPort {
	return netip.AddrPortFrom(p.place(q.spot).advertise, q.port)
}
