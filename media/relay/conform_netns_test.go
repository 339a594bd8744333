//go:build netns && linux

package relay

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"ringdown/media/mediatest/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

// net3 is Ringdown between a carrier and a PBX, with a stranger on the network;
// every party of the suite's plan has its address there.
func net3(t *testing.T) (listen func(netip.AddrPort) (*net.UDPConn, error)) {
	us, carrier, pbx, stranger := hosts.Us(t), hosts.New(t), hosts.New(t), hosts.New(t)
	us.Run("ip addr add " + relayIP + "/32 dev lo")
	us.Run("ip addr add " + relay6 + "/128 dev lo nodad")
	t.Cleanup(func() {
		us.Run("ip addr del " + relayIP + "/32 dev lo")
		us.Run("ip addr del " + relay6 + "/128 dev lo")
	})
	hosts.Cable(us, "10.1.0.254/16 2001:db8:1::254/64", carrier, "10.1.0.1/16 2001:db8:1::1/64")
	hosts.Cable(us, "10.2.0.254/15 2001:db8:2::254/64", pbx, "10.2.0.1/15 10.2.0.7/15 10.2.0.9/15 10.3.0.5/15 10.3.0.6/15 2001:db8:2::1/64")
	hosts.Cable(us, "10.66.6.254/24", stranger, "10.66.6.6/24")
	for gate, h := range map[string]*hosts.Host{"10.1.0.254": carrier, "10.2.0.254": pbx, "10.66.6.254": stranger} {
		h.Run("ip route add default via " + gate)
	}
	carrier.Run("ip route add default via 2001:db8:1::254")
	pbx.Run("ip route add default via 2001:db8:2::254")
	return func(at netip.AddrPort) (*net.UDPConn, error) {
		for prefix, h := range map[string]*hosts.Host{
			"10.1.0.0/16": carrier, "2001:db8:1::/64": carrier, "10.2.0.0/15": pbx, "2001:db8:2::/64": pbx, "10.66.6.0/24": stranger,
		} {
			if netip.MustParsePrefix(prefix).Contains(at.Addr()) {
				return h.Listen(at)
			}
		}
		return nil, fmt.Errorf("nobody is at %v", at)
	}
}

// TestConformanceNetwork runs the suite between three machines, IPv4 and IPv6, on
// both engines.
func TestConformanceNetwork(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			for _, engine := range engines {
				t.Run(engine, func(t *testing.T) {
					w := &rig{world: realWorld(t, net3(t)), place: func(ip string) string { return ip }, six: true}
					w.run(b, engine, nil)
				})
			}
		})
	}
}
