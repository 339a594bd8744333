package sip

import (
	"context"
	"net/netip"
	"strings"
	"time"
)

// lookupTimeout is how long a name server may take.
const lookupTimeout = 4 * time.Second

// maxAddresses is how many addresses of one name are tried.
const maxAddresses = 4

// resolve finds the addresses of the target and begins. It runs beside the
// leg's order, which a slow name server must not hold up.
func (o *outbound) resolve(ctx context.Context) {
	var addrs []netip.AddrPort
	guard(func() { addrs = o.addresses(ctx) }, o.ep.panicked)
	o.do(func() { o.begin(addrs) })
}

// addresses returns where the target can be reached, in the order to try: an
// address as it stands, or the A and AAAA records of a name.
func (o *outbound) addresses(ctx context.Context) []netip.AddrPort {
	port := uint16(5060)
	if o.network == "tls" {
		port = 5061
	}
	if o.uri.Port > 0 {
		port = uint16(o.uri.Port)
	}
	host := strings.Trim(o.uri.Host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), port)}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	stop := context.AfterFunc(o.ep.ctx, cancel)
	defer stop()
	ips, err := o.ep.deps.Lookup(ctx, host)
	if err != nil {
		o.ep.log.Warn("sip destination not found", "call", string(o.dial.Call), "leg", string(o.dial.Leg))
		return nil
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		if len(addrs) < maxAddresses {
			addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), port))
		}
	}
	return addrs
}
