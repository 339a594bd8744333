package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"ringdown/media"
)

// audio is the meaning of the section that is relayed.
type audio struct {
	rtp, rtcp  netip.AddrPort
	ipv6       bool // the connection address, also one that holds
	direction  Direction
	formats    []media.Format
	types      []uint8 // payload types in order, those without a meaning too
	packetTime time.Duration
	fax        bool // T.38: formats and types are stand-ins
	security   Security
	choice     Choice // the judge's
}

// understand reads one audio section.
func (d *Description) understand(s *section, judge Judge) (audio, error) {
	if s.port == 0 {
		return audio{}, errors.New("audio is refused by its port 0")
	}
	security, err := d.secure(s)
	if err != nil {
		return audio{}, err
	}
	choice, err := judge(security)
	if err != nil {
		return audio{}, err
	}
	a := audio{direction: d.direction(s), packetTime: d.packetTime(s), security: security, choice: choice}
	a.types, a.formats = d.understandFormats(s)
	if len(a.types) == 0 {
		return audio{}, errors.New("audio names no payload type")
	}
	if choice.ICE { // its address may be a hidden one, or none
		return d.reachedByICE(s, a)
	}
	addr, err := connection(d.first(s, 'c'))
	if err != nil {
		return audio{}, err
	}
	a.ipv6 = addr.Is6()
	if addr.IsUnspecified() { // hold of RFC 2543
		a.direction &^= RecvOnly
		return a, nil
	}
	a.rtp = netip.AddrPortFrom(addr, s.port)
	a.rtcp = rtcpAddress(a.rtp, s)
	return a, nil
}

// first returns the value of the first line of that kind in the section, or
// before all sections.
func (d *Description) first(s *section, key byte) string {
	for _, lines := range [][]line{s.lines, d.session} {
		for _, l := range lines {
			if l.key == key {
				return l.value
			}
		}
	}
	return ""
}

// connection reads "IN IP4 192.0.2.1", with the address type taken from the
// address itself.
func connection(value string) (netip.Addr, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return netip.Addr{}, errors.New("audio has no connection address")
	}
	text, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, errors.New("connection address is not an IP address")
	}
	addr = addr.Unmap()
	if addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, errors.New("connection address is not of one host")
	}
	return addr, nil
}

// rtcpAddress reads "a=rtcp:53020" or "a=rtcp:53020 IN IP4 192.0.2.1" (RFC 3605).
func rtcpAddress(rtp netip.AddrPort, s *section) netip.AddrPort {
	for _, l := range s.lines {
		if l.name != "rtcp" {
			continue
		}
		port, where, _ := strings.Cut(l.arg, " ")
		n, ok := number(port, 65535)
		if !ok || n == 0 {
			break
		}
		if where == "" {
			return netip.AddrPortFrom(rtp.Addr(), uint16(n))
		}
		if addr, err := connection(where); err == nil && !addr.IsUnspecified() {
			return netip.AddrPortFrom(addr, uint16(n))
		}
		break
	}
	if rtp.Port() == 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1)
}

// direction returns the section's direction, else the session's, else sendrecv.
func (d *Description) direction(s *section) Direction {
	for _, lines := range [][]line{s.lines, d.session} {
		for _, l := range lines {
			if dir, ok := directionOf(l.name); ok {
				return dir
			}
		}
	}
	return SendRecv
}

func (d *Description) packetTime(s *section) time.Duration {
	for _, lines := range [][]line{s.lines, d.session} {
		for _, l := range lines {
			if l.name == "ptime" {
				if ms, ok := number(l.arg, 1000); ok {
					return time.Duration(ms) * time.Millisecond
				}
			}
		}
	}
	return 0
}

// reachedByICE takes an address only for its IP version.
func (d *Description) reachedByICE(s *section, a audio) (audio, error) {
	addr, err := connection(d.first(s, 'c'))
	a.ipv6 = err == nil && addr.Is6()
	return a, nil
}
