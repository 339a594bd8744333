//go:build !linux

package relay

import (
	"net"
	"net/netip"
)

// loops are not for this system: each socket has a goroutine.
type loops struct{}

// enter and leave count calls in loops.
func (e *engine) enter() int { return 0 }
func (e *engine) leave(int)  {}

// adopt puts no conn in a loop.
func (e *engine) adopt(net.PacketConn, receiver, int) (*socket, bool) { return nil, false }

// listen binds a port and starts to read it. dual says that an IPv6 socket serves
// IPv4 too.
func (e *engine) listen(at netip.AddrPort, dual bool, to receiver, _ int) (*socket, error) {
	network := "udp6"
	switch {
	case at.Addr().Is4():
		network = "udp4"
	case dual:
		network = "udp"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return e.read(c, to), nil
}

// close has nothing to end: readers end with their conns.
func (e *engine) close() {}
