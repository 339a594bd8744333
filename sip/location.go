package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/locate"
)

// candidate is one address of one place of a target: what an INVITE is sent to.
type candidate struct {
	uri gosip.Uri // the place's: it becomes the Request-URI
	site
	hop *hop // the way to it, when it has registered with us; nil: to be found
}

// standing is for what is learnt of an address; a registered phone's is its own
// and of no use to other calls.
func (c candidate) standing(note func(site)) {
	if c.hop == nil {
		note(c.site)
	}
}

// placesOf reads the places of a target, in the order that chance and their
// weights give them for this call.
func (e *Endpoint) placesOf(t routing.Target) ([]gosip.Uri, error) {
	if t.User != "" {
		return []gosip.Uri{{Scheme: "sip", User: userPart(t.User), Host: "registered.invalid"}}, nil
	}
	if len(t.Places) == 0 {
		uri, err := parseTarget(t.URI)
		return []gosip.Uri{uri}, err
	}
	var list []locate.Ranked[gosip.Uri]
	for _, p := range t.Places {
		uri, err := parseTarget(p.URI)
		if err != nil {
			return nil, err
		}
		list = append(list, locate.Ranked[gosip.Uri]{Priority: p.Priority, Weight: p.Weight, Item: uri})
	}
	return locate.Order(list, e.deps.Random), nil
}

// locate finds the addresses of a place, best first. It may take seconds.
func (e *Endpoint) locate(ctx context.Context, uri gosip.Uri, trunk string) ([]candidate, error) {
	transport, _ := uri.UriParams.Get("transport")
	found, err := e.deps.Locate.Locate(ctx, locate.Target{Host: uri.Host, Port: uri.Port, Transport: strings.ToLower(transport)}, e.able)
	var out []candidate
	for _, f := range found {
		out = append(out, candidate{uri: uri, site: site{trunk, f.Transport, f.Addr}})
	}
	e.health.seen(gatewayOf(trunk, uri), out)
	return out, err
}

// ableOf is what sockets like these can do. Connections need no listener.
func ableOf(sockets []*socket, listeners []*listener) locate.Able {
	able := locate.Able{Transports: []string{"tcp", "tls"}}
	if len(sockets) > 0 {
		able.Transports = []string{"udp", "tcp", "tls"}
	}
	add := func(a netip.Addr) {
		v := 6
		if a.Is4() {
			v = 4
		}
		if !slices.Contains(able.Versions, v) {
			able.Versions = append(able.Versions, v)
		}
		able.Loopback = able.Loopback || a.IsLoopback()
	}
	for _, s := range sockets {
		add(s.local.Addr())
	}
	for _, l := range listeners {
		add(l.local.Addr())
	}
	return able
}

// next tries the next address, or gives up. Those of a place are looked up when
// its turn comes, beside the leg's order, which a slow name server must not hold
// up. What has been left goes last, unless all has.
func (o *outbound) next() {
	for o.state == early {
		switch {
		case o.hung:
			o.fail(localCause(487))
			return
		case len(o.waiting) > 0:
			c := o.waiting[0]
			o.waiting = o.waiting[1:]
			if o.try(c) {
				return
			}
			o.unreachable(c)
		case len(o.places) > 0:
			place := o.places[0]
			o.places = o.places[1:]
			if o.ep.spawn(func() { o.lookUp(place) }) { // ends with the look-up
				return
			}
			o.places = nil
		default:
			o.fail(o.last)
			return
		}
	}
}

func (o *outbound) lookUp(place gosip.Uri) {
	var found []candidate
	err := locate.ErrNotFound // should the look-up panic
	guard(func() { found, err = o.look(place) }, o.ep.panicked)
	o.do(func() {
		if len(found) == 0 {
			o.ep.log.Warn("sip destination not found", "call", string(o.dial.Call), "leg", string(o.dial.Leg), "err", err)
		}
		if len(found) == 0 && o.seq == 0 && len(o.places) == 0 {
			o.last = localCause(502)
			o.last.Text = "Destination Not Found"
			if errors.Is(err, errNotRegistered) {
				o.last = call.Cause{Status: 480, Q850: 20, Text: "Not Registered"} // subscriber absent
			}
		}
		o.waiting = o.ep.health.sort(found)
		o.next()
	})
}

// try begins with one address. A connection that is not there yet is waited for
// beside the leg's order.
func (o *outbound) try(c candidate) bool {
	if o.uri.Host != c.uri.Host {
		o.proof = o.ep.proofFor(o.policy, c.trunk, c.uri.Host)
	}
	o.uri = c.uri
	if c.hop != nil {
		return c.hop.reachable() && o.send(c, c.hop.to(c.addr))
	}
	w := o.ep.wayTo(c.network, c.addr, c.uri.Host, c.trunk)
	if c.network == "udp" {
		h, err := o.ep.reach(o.ep.ctx, w)
		return err == nil && o.send(c, h)
	}
	return o.ep.spawn(func() { // ends with the dial, after dialTimeout at the latest
		h, err := o.ep.reach(o.ep.ctx, w)
		o.do(func() {
			switch {
			case o.state != early:
			case o.hung:
				o.next()
			case err != nil || !o.send(c, h):
				o.unreachable(c)
				o.next()
			}
		})
	})
}

// send sends the INVITE to one address.
func (o *outbound) send(c candidate, h *hop) bool {
	h.hold(1)
	o.ep.door.expect(c.addr.Addr())
	o.ep.mu.Lock()
	o.hops = append(o.hops, h)
	o.ep.mu.Unlock()
	return o.attempt(c, h, o.proof.begin())
}

// unreachable is an address that could not even be sent to.
func (o *outbound) unreachable(c candidate) {
	if o.unsaid != nil { // it was we who had nothing to say to it
		o.last, o.unsaid = *o.unsaid, nil
		return
	}
	o.last = localCause(503)
	c.standing(func(s site) { o.ep.health.failed(s, "unreachable") })
	o.failover("unreachable")
}

// leave is an attempt that got no response at all. One that went by TCP only
// for its size is made again, by UDP.
func (o *outbound) leave(a *attempt, why, counted string) {
	if o.ep.fallBack(a.client) {
		o.waiting = slices.Insert(o.waiting, 0, a.at)
		return
	}
	a.at.standing(func(s site) { o.ep.health.failed(s, why) })
	if o.state == early {
		o.failover(counted)
	}
}

// failover counts that a call goes on to another address, if there is one.
func (o *outbound) failover(why string) {
	if o.more() {
		o.ep.count.failover(why)
		o.ep.log.Info("sip target does not take the call, trying the next", "call", string(o.dial.Call), "leg", string(o.dial.Leg), "trunk", o.dial.Target.Trunk, "why", why)
	}
}

// more reports whether there is somewhere else to try.
func (o *outbound) more() bool { return len(o.waiting)+len(o.places) > 0 && !o.hung }

// gatewayDown tells a 503 that is about the gateway from one that wraps the
// destination's word: many say 503 to all that failed, with the cause beside it.
func gatewayDown(res *gosip.Response) bool {
	if res.StatusCode != 503 {
		return false
	}
	c := causeOf(res)
	return c.Q850 == call.Q850(503) || call.SIPStatus(c.Q850) >= 500
}

// standing notes what a response says of the address it came from.
func (o *outbound) standing(a *attempt, res *gosip.Response) {
	if gatewayDown(res) {
		a.at.standing(func(s site) { o.ep.health.busy(s, res) })
		return
	}
	a.at.standing(o.ep.health.alive)
}
