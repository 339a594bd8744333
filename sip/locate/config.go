package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// Config is the key "dns" of the section "sip".
type Config struct {
	Servers []string `yaml:"servers"` // ip or ip:port; empty: those of /etc/resolv.conf
}

// maxServers is how many are asked for one answer at the most.
const maxServers = 3

// Validate reports every fault with its path inside the section.
func (c Config) Validate(report func(path, msg string)) {
	if len(c.Servers) > maxServers {
		report("servers", fmt.Sprintf("names %d servers, at most %d are asked", len(c.Servers), maxServers))
	}
	for i, s := range c.Servers {
		if _, err := parseServer(s); err != nil {
			report(fmt.Sprintf("servers[%d]", i), err.Error())
		}
	}
}

func parseServer(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(ip, 53), nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil || at.Port() == 0 {
		return at, fmt.Errorf("%q must be the address of a name server: ip or ip:port", s)
	}
	return at, nil
}

// resolvConf is where the system keeps its name servers.
const resolvConf = "/etc/resolv.conf"

// Addresses returns the servers of the configuration, or else of the system;
// none when the system has no such file.
func (c Config) Addresses() ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range c.Servers {
		at, err := parseServer(s)
		if err != nil {
			return nil, fmt.Errorf("sip.dns.servers: %w", err)
		}
		out = append(out, at)
	}
	if len(out) > 0 {
		return out, nil
	}
	b, err := os.ReadFile(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	return systemServers(string(b)), nil
}

// systemServers reads the nameserver lines of resolv.conf(5); others, and
// addresses it cannot read, are the system's own business.
func systemServers(text string) (out []netip.AddrPort) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(out) == maxServers {
			continue
		}
		if ip, err := netip.ParseAddr(f[1]); err == nil {
			out = append(out, netip.AddrPortFrom(ip, 53))
		}
	}
	return out
}
