package sip

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

// bindings are what our registrations have led to, for whoever looks at a
// message: asked for each of them, changed once in a while.
type bindings struct {
	mu    sync.Mutex
	all   map[*registration]bound
	hosts atomic.Pointer[map[netip.Addr][]host] // never changed, only replaced
}

// host is a registration that calls from an address belong to.
type host struct {
	trunk, contact string
	routes         []gosip.Uri
}

func (b *bindings) of(r *registration) bound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[r]
}

func (b *bindings) set(r *registration, to bound) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[*registration]bound{}
	}
	b.all[r] = to
	b.publish()
}

// publish makes the hosts anew; mu is held.
func (b *bindings) publish() {
	hosts := map[netip.Addr][]host{}
	for _, r := range slices.SortedFunc(maps.Keys(b.all), func(x, y *registration) int { return strings.Compare(x.trunk, y.trunk) }) {
		for _, addr := range b.all[r].hosts {
			hosts[addr] = append(hosts[addr], host{r.trunk, b.all[r].contact, b.all[r].routes})
		}
	}
	b.hosts.Store(&hosts)
}

// drop forgets a registration and where its calls come from.
func (b *bindings) drop(r *registration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, r)
	b.publish()
}

// at returns the registrations that an address belongs to.
func (b *bindings) at(addr netip.Addr) []host {
	if hosts := b.hosts.Load(); hosts != nil {
		return (*hosts)[addr]
	}
	return nil
}

// states returns how each registration stands, by trunk.
func (b *bindings) states() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]string{}
	for r, to := range b.all {
		all[r.trunk] = to.state
	}
	return all
}

// trunkAt names the trunk that an address belongs to: as configured, or because
// we are registered there.
func (e *Endpoint) trunkAt(addr netip.Addr) (id string, ok bool) {
	if id, ok = e.deps.Trunk(addr); ok {
		return id, true
	}
	if hosts := e.bindings.at(addr); len(hosts) > 0 {
		return hosts[0].trunk, true
	}
	return "", false
}

// calledAs names the trunk whose binding a request came through: the one whose
// Contact it names, where several are registered at one address.
func (e *Endpoint) calledAs(in *incoming) string {
	for _, h := range e.bindings.at(in.src.Addr()) {
		if h.contact == in.Recipient.User {
			return h.trunk
		}
	}
	return ""
}

// called is the user part that was called. Through a binding the Request-URI
// names only us; whom the caller dialled stands in P-Called-Party-ID
// (RFC 7315 4.2), else in To.
func (e *Endpoint) called(in *incoming, p routing.Trunk) string {
	if p.Register.Registrar == "" || in.Recipient.User != contactUser(p.ID, p.Register) {
		return uriUser(in.Recipient)
	}
	var id gosip.FromHeader
	if _, err := gosip.ParseAddressValue(headerText(in, "P-Called-Party-ID"), &id.Address, &id.Params); err == nil && uriUser(id.Address) != "" {
		return uriUser(id.Address)
	}
	return uriUser(in.To().Address)
}

// serviceRoute returns the way that a registrar wants our calls to take, for one
// that goes there anyway (RFC 3608 6.1).
func (e *Endpoint) serviceRoute(trunk string, to netip.Addr) []gosip.Uri {
	for _, h := range e.bindings.at(to) {
		if h.trunk == trunk {
			return h.routes
		}
	}
	return nil
}

// serviceRoutes reads the Service-Route of a response: loose routes by SIP only.
func serviceRoutes(res *gosip.Response) (routes []gosip.Uri) {
	for _, h := range res.GetHeaders("Service-Route") {
		for rest := h.Value(); rest != ""; {
			var value string
			value, rest = cutValue(rest)
			var r gosip.RouteHeader
			var params gosip.HeaderParams
			_, err := gosip.ParseAddressValue(strings.TrimSpace(value), &r.Address, &params)
			if err != nil || r.Address.Scheme != "sip" || !loose(r.Address) || len(routes) == maxServiceTo {
				return nil // half a route leads nowhere
			}
			r.Address.Headers = nil
			routes = append(routes, r.Address)
		}
	}
	return routes
}

func (r *registration) tell(b bound) {
	if !r.gone {
		r.ep.bindings.set(r, b)
	}
}

// headerText is the text of the first header of that name, empty when there is none.
func headerText(m headed, name string) string {
	for _, h := range m.GetHeaders(name) {
		return h.Value()
	}
	return ""
}

// delta reads a header of seconds, which may have parameters and a comment
// behind them; ok is false when there is none that can be read.
func delta(m headed, name string) (d time.Duration, ok bool) {
	text, _, _ := strings.Cut(headerText(m, name), ";")
	text, _, _ = strings.Cut(text, "(")
	return readSeconds(text)
}

// find returns the ways to a URI, best first. It may take seconds.
func (e *Endpoint) find(ctx context.Context, uri gosip.Uri, trunk string) (ways []way) {
	found, err := e.locate(ctx, uri, trunk)
	if err != nil {
		e.log.Warn("sip registrar not found", "trunk", trunk, "err", err)
	}
	for _, c := range e.health.sort(found) {
		ways = append(ways, e.wayTo(c.network, c.addr, uri.Host, trunk))
	}
	return ways
}
