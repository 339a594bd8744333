package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// gate is our RTP port towards a party in one IP version.
type gate struct {
	local netip.AddrPort // as it is bound
	told  netip.Addr     // the address that the party is told
}

func gateOf(p *place, port uint16) gate {
	return gate{netip.AddrPortFrom(p.bind, port), p.advertise}
}

// facing finds which address of this machine a party meets, where the sockets are
// bound to none. Safe for concurrent use.
type facing struct {
	ask func(to netip.Addr) netip.Addr // the address that the system sends from; invalid: it cannot

	mu    sync.Mutex
	ours  map[netip.Addr]bool // addresses of this machine, as they were last
	ways  map[netip.Addr]netip.Addr
	asked time.Time // when both were begun anew
}

// facingFor is how long the answers of the system are believed.
const facingFor = 30 * time.Second

// facingMost bounds how many are remembered.
const facingMost = 4096

// in is where packets of a sender arrive who was told an address of ours: there,
// or, when that is another machine's (a NAT's), where answers to him leave.
func (f *facing) in(told, sender netip.Addr) netip.Addr {
	f.mu.Lock()
	f.refresh()
	own := f.ours[told]
	f.mu.Unlock()
	if own {
		return told
	}
	return f.out(sender)
}

// out is the address that packets to a receiver leave from.
func (f *facing) out(to netip.Addr) netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh()
	from, known := f.ways[to]
	if !known && len(f.ways) < facingMost {
		from = f.ask(to)
		f.ways[to] = from
	}
	return from
}

func (f *facing) refresh() {
	if f.ways != nil && time.Since(f.asked) < facingFor {
		return
	}
	f.asked, f.ways, f.ours = time.Now(), map[netip.Addr]netip.Addr{}, map[netip.Addr]bool{}
	all, _ := net.InterfaceAddrs() // without them: as if none were ours
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			f.ours[p.Addr().Unmap()] = true
		}
	}
}

// askSystem asks which address the system would send from. Nothing is sent.
func askSystem(to netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
