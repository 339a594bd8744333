package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"ringdown/media/dscp"
)

// Config is the media section of the configuration file.
type Config struct {
	Address    string    `yaml:"address"`    // IP address to bind
	Advertise  string    `yaml:"advertise"`  // IP address others must use, when it is not the bound one
	Address6   string    `yaml:"address6"`   // IPv6 address to bind beside an IPv4 address; empty: none
	Advertise6 string    `yaml:"advertise6"` // IPv6 address others must use, when it is not the bound one
	DSCP       string    `yaml:"dscp"`       // class of RTP and RTCP: ef (default), af41, cs5, 46, …; a trunk may have its own
	Addresses  []Address `yaml:"addresses"`  // others, for the trunks that name them (media_address)
	Ports      string    `yaml:"ports"`      // "20000-29999", both ends included; a call takes four

	Engine     string   `yaml:"engine"`     // auto, kernel or portable
	Interfaces []string `yaml:"interfaces"` // of the kernel engine; empty: every one that is up
}

// Defaults fills in what is empty.
func (c *Config) Defaults() {
	if c.Address == "" {
		c.Address = "127.0.0.1"
	}
	if c.DSCP == "" {
		c.DSCP = "ef"
	}
	if c.Ports == "" {
		c.Ports = "20000-29999"
	}
	if c.Engine == "" {
		c.Engine = engineAuto
	}
	if len(c.Interfaces) == 0 {
		c.Interfaces = nil // as if it was left out
	}
}

// Validate reports every fault, with its path in the section.
func (c Config) Validate(report func(path, msg string)) {
	c.own().validate(report)
	c.validateAddresses(report)
	if _, err := dscp.Parse(c.DSCP); err != nil {
		report("dscp", fmt.Sprintf("%q %s", c.DSCP, err))
	}
	if _, err := parsePorts(c.Ports); err != nil {
		report("ports", err.Error())
	}
	c.validateEngine(report)
}

// validatePlace checks a pair of keys and returns the bound address; the one
// with a suffix may be missing as a whole.
func validatePlace(address, advertised, suffix string, report func(path, msg string)) netip.Addr {
	if address == "" && suffix != "" {
		if advertised != "" {
			report("advertise"+suffix, "is of no use without address"+suffix)
		}
		return netip.Addr{}
	}
	bind, err := parseAddress(address)
	if err != nil {
		report("address"+suffix, err.Error())
	}
	switch advertise, err := parseAddress(advertised); {
	case advertised == "" && bind.IsValid() && bind.IsUnspecified():
		report("advertise"+suffix, fmt.Sprintf("is needed when address%s is %s: others cannot send there", suffix, bind))
	case advertised == "":
	case err != nil:
		report("advertise"+suffix, err.Error())
	case advertise.IsUnspecified():
		report("advertise"+suffix, fmt.Sprintf("others cannot send to %s", advertise))
	case bind.IsValid() && (!bind.IsUnspecified() || suffix != "") && bind.Is4() != advertise.Is4():
		report("advertise"+suffix, fmt.Sprintf("%s is of another family than address%s %s", advertise, suffix, bind))
	}
	return bind
}

func parseAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	case addr.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%s is a multicast address", s)
	}
	return addr.Unmap(), nil
}

// parsePorts lists the even ports of "low-high" whose odd neighbour is in it too.
func parsePorts(s string) ([]uint16, error) {
	low, high, ok := strings.Cut(s, "-")
	if !ok {
		return nil, fmt.Errorf("%q is not a range like 20000-29999", s)
	}
	from, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
	to, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
	switch {
	case errors.Join(err1, err2) != nil:
		return nil, fmt.Errorf("%q is not a range of ports from 1 to 65535", s)
	case from < 1024:
		return nil, fmt.Errorf("%q begins below 1024, among the system's own ports", s)
	case to < from:
		return nil, fmt.Errorf("%q ends before it begins", s)
	}
	var even []uint16
	for p := from + from%2; p+1 <= to; p += 2 {
		even = append(even, uint16(p))
	}
	if len(even) < 2 {
		return nil, fmt.Errorf("%q does not hold the four ports of one call", s)
	}
	return even, nil
}
