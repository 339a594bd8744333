//go:build netns && linux

package kernel

import (
	"encoding/binary"
	"net/netip"
)

// frame is an Ethernet frame with a UDP datagram: what the tests know of packets,
// apart from the program that they judge.
type frame struct {
	raw      []byte
	six      bool
	ip       []byte // header
	udp      []byte // header and payload
	from, to netip.AddrPort
	tagged   bool // it came with a VLAN tag
}

// parseFrame takes a frame apart that has an IP header without options and a
// whole UDP datagram.
func parseFrame(b []byte) (f frame, ok bool) {
	if len(b) < 14 {
		return f, false
	}
	f.raw = b
	var src, dst []byte
	switch kind := binary.BigEndian.Uint16(b[12:]); {
	case kind == 0x0800 && len(b) >= 34 && b[14] == 0x45 && b[23] == 17:
		total := int(binary.BigEndian.Uint16(b[16:]))
		if total < 28 || 14+total > len(b) {
			return f, false
		}
		f.ip, f.udp = b[14:34], b[34:14+total]
		src, dst = b[26:30], b[30:34]
	case kind == 0x86dd && len(b) >= 54 && b[14]>>4 == 6 && b[20] == 17:
		total := int(binary.BigEndian.Uint16(b[18:]))
		if total < 8 || 54+total > len(b) {
			return f, false
		}
		f.six = true
		f.ip, f.udp = b[14:54], b[54:54+total]
		src, dst = b[22:38], b[38:54]
	default:
		return f, false
	}
	a, _ := netip.AddrFromSlice(src)
	z, _ := netip.AddrFromSlice(dst)
	f.from = netip.AddrPortFrom(a, binary.BigEndian.Uint16(f.udp))
	f.to = netip.AddrPortFrom(z, binary.BigEndian.Uint16(f.udp[2:]))
	return f, true
}

func (f frame) payload() []byte { return f.udp[8:] }

func (f frame) ttl() byte {
	if f.six {
		return f.ip[7]
	}
	return f.ip[8]
}

func (f frame) tos() byte {
	if f.six {
		return f.ip[0]<<4 | f.ip[1]>>4
	}
	return f.ip[1]
}

// sum is the one's complement sum of RFC 1071, not yet complemented.
func sum(parts ...[]byte) uint16 {
	var s uint64
	for _, b := range parts {
		for i := 0; i+1 < len(b); i += 2 {
			s += uint64(b[i])<<8 | uint64(b[i+1])
		}
		if len(b)%2 == 1 {
			s += uint64(b[len(b)-1]) << 8
		}
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// udpSum is the sum over pseudo header and datagram: 0xffff when it is right.
func (f frame) udpSum() uint16 {
	n := uint16(len(f.udp))
	return sum(f.from.Addr().AsSlice(), f.to.Addr().AsSlice(), []byte{0, 17, byte(n >> 8), byte(n)}, f.udp)
}

// fill writes the lengths and sums.
func (f *frame) fill() {
	if f.six {
		binary.BigEndian.PutUint16(f.ip[4:], uint16(len(f.udp)))
	} else {
		binary.BigEndian.PutUint16(f.ip[2:], uint16(20+len(f.udp)))
		f.ip[10], f.ip[11] = 0, 0
		binary.BigEndian.PutUint16(f.ip[10:], ^sum(f.ip))
	}
	binary.BigEndian.PutUint16(f.udp[4:], uint16(len(f.udp)))
	f.udp[6], f.udp[7] = 0, 0
	s := ^f.udpSum()
	if s == 0 {
		s = 0xffff
	}
	binary.BigEndian.PutUint16(f.udp[6:], s)
}

// newFrame makes a frame with right sums, to a hardware address.
func newFrame(mac []byte, from, to netip.AddrPort, payload []byte) frame {
	head := 20
	if from.Addr().Is6() {
		head = 40
	}
	b := make([]byte, 14+head+8+len(payload))
	copy(b, mac)
	b[6] = 2 // a source of our own making
	ip := b[14 : 14+head]
	f := frame{raw: b, six: head == 40, ip: ip, udp: b[14+head:], from: from, to: to}
	if f.six {
		binary.BigEndian.PutUint16(b[12:], 0x86dd)
		ip[0], ip[6], ip[7] = 0x60, 17, 64
		copy(ip[8:], from.Addr().AsSlice())
		copy(ip[24:], to.Addr().AsSlice())
	} else {
		binary.BigEndian.PutUint16(b[12:], 0x0800)
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		copy(ip[12:], from.Addr().AsSlice())
		copy(ip[16:], to.Addr().AsSlice())
	}
	binary.BigEndian.PutUint16(f.udp, from.Port())
	binary.BigEndian.PutUint16(f.udp[2:], to.Port())
	copy(f.udp[8:], payload)
	f.fill()
	return f
}
