package sip

import (
	"context"
	"net/netip"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	largestUDP = 1300             // bytes of a request, where the path's MTU is unknown (RFC 3261 18.1.1)
	tcpInstead = 2 * time.Second  // how long its connection may take
	udpAnyway  = 10 * time.Minute // after that has failed, without another try
	maxUDPOnly = 1024
)

// udpOnly are the places that have refused TCP of late.
type udpOnly struct {
	mu    sync.Mutex
	until map[netip.AddrPort]time.Time
}

func (u *udpOnly) is(at netip.AddrPort) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.until[at]
	if ok && !time.Now().Before(until) {
		delete(u.until, at)
		return false
	}
	return ok
}

func (u *udpOnly) note(at netip.AddrPort) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil {
		u.until = map[netip.AddrPort]time.Time{}
	}
	for old := range u.until {
		if len(u.until) < maxUDPOnly {
			break
		}
		delete(u.until, old)
	}
	u.until[at] = time.Now().Add(udpAnyway)
}

// fit returns the hop that a request for h has to take. One that is too large
// for UDP goes by TCP to the same address, and says so in its Via, when the peer
// takes the connection; nothing else of it changes, so that the peer comes back
// as it would have. It may take tcpInstead.
func (e *Endpoint) fit(req *gosip.Request, h *hop, size int) *hop {
	if h.network != "udp" || req.IsCancel() || size <= largestUDP || e.udpOnly.is(h.addr) {
		return h
	}
	ctx, cancel := context.WithTimeout(e.ctx, tcpInstead)
	defer cancel()
	tcp, err := e.reach(ctx, way{network: "tcp", addr: h.addr})
	if err != nil {
		if e.ctx.Err() == nil {
			e.udpOnly.note(h.addr)
		}
		return h
	}
	branch, _ := req.Via().Params.Get("branch")
	req.ReplaceHeader(tcp.via(branch))
	req.SetTransport(tcp.transport())
	return tcp
}

// fallBack is asked when a request got no response at all. It reports whether it
// went by TCP only for its size, so that it may be sent again: that will be by UDP.
func (e *Endpoint) fallBack(c *client) bool {
	if c == nil || !c.instead {
		return false
	}
	e.udpOnly.note(c.hop.addr)
	return true
}
