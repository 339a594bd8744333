//go:build netns && linux

package kernel

import (
	"bytes"
	"encoding/binary"
)

// expect is the program in Go, written from the documents instead of the C: what
// becomes of a frame that arrives on the loopback device, for a flow to this
// machine. ok is false when it comes up, untouched.
func expect(in []byte, flow *Flow, mtu int) (out []byte, ok bool) {
	if len(in) < 14 || !bytes.Equal(in[:6], make([]byte, 6)) { // another machine's, or for many
		return nil, false
	}
	f, ok := parseFrame(bytes.Clone(in))
	if !ok || f.ttl() <= 1 || int(binary.BigEndian.Uint16(f.udp[4:])) != len(f.udp) {
		return nil, false
	}
	if f.six {
		if binary.BigEndian.Uint16(f.udp[6:]) == 0 {
			return nil, false
		}
	} else if sum(f.ip) != 0xffff || f.ip[6]&0x3f != 0 || f.ip[7] != 0 {
		return nil, false
	}
	if f.from != flow.From || f.to != flow.In || len(f.ip)+len(f.udp) > mtu || !isRTP(f.payload()) {
		return nil, false
	}
	pt := f.payload()[1] & 127
	if flow.Types[pt/64]>>(pt%64)&1 == 0 {
		return nil, false
	}
	before := f.udpSum()
	unsummed := binary.BigEndian.Uint16(f.udp[6:]) == 0
	f.rewrite(flow)
	if !unsummed {
		restore(f, before)
	}
	return f.raw[:14+len(f.ip)+len(f.udp)], true
}

// rewrite does all but the UDP sum.
func (f *frame) rewrite(flow *Flow) {
	pt := &f.payload()[1]
	for _, m := range flow.Remap {
		if m.From != m.To && *pt&127 == m.From {
			*pt = *pt&128 | m.To
			break
		}
	}
	tos := flow.TOS &^ 3
	if f.six {
		binary.BigEndian.PutUint32(f.ip, 6<<28|uint32(tos)<<20)
		f.ip[7]--
		copy(f.ip[8:], flow.Out.Addr().AsSlice())
		copy(f.ip[24:], flow.To.Addr().AsSlice())
	} else {
		f.ip[1], f.ip[4], f.ip[5], f.ip[6], f.ip[7] = tos, 0, 0, 0x40, 0
		f.ip[8]--
		copy(f.ip[12:], flow.Out.Addr().AsSlice())
		copy(f.ip[16:], flow.To.Addr().AsSlice())
		f.ip[10], f.ip[11] = 0, 0
		binary.BigEndian.PutUint16(f.ip[10:], ^sum(f.ip))
	}
	binary.BigEndian.PutUint16(f.udp, flow.Out.Port())
	binary.BigEndian.PutUint16(f.udp[2:], flow.To.Port())
	f.from, f.to = flow.Out, flow.To
}

// restore finds the UDP sum that is as wrong as the one before, 0xffff being right.
func restore(f frame, before uint16) {
	f.udp[6], f.udp[7] = 0, 0
	rest := f.udpSum()
	check := uint32(before) + 0xffff - uint32(rest)
	check = check>>16 + check&0xffff
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(f.udp[6:], uint16(check))
}

// isRTP is RFC 3550 5.1 and RFC 5761 4.
func isRTP(b []byte) bool {
	if len(b) < 12 || len(b) > Longest || b[0]&0xc0 != 0x80 || b[1] >= 192 && b[1] <= 223 {
		return false
	}
	rest := b[12:]
	skip := func(n int) bool {
		if n > len(rest) {
			return false
		}
		rest = rest[n:]
		return true
	}
	if !skip(4 * int(b[0]&15)) {
		return false
	}
	if b[0]&0x10 != 0 {
		if len(rest) < 4 || !skip(4+4*int(binary.BigEndian.Uint16(rest[2:]))) {
			return false
		}
	}
	if b[0]&0x20 != 0 {
		pad := int(b[len(b)-1])
		return pad > 0 && pad <= len(rest)
	}
	return true
}
