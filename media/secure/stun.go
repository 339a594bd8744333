package secure

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
)

// What STUN (RFC 8489) says in numbers.
const (
	stunHeader  = 20
	stunCookie  = 0x2112a442
	maxSTUN     = 1280 // bytes of a message: what fits into any datagram
	maxSTUNAttr = 32

	bindingRequest = 0x0001
	bindingSuccess = 0x0101
	bindingError   = 0x0111

	attrUsername     = 0x0006
	attrIntegrity    = 0x0008
	attrErrorCode    = 0x0009
	attrUnknown      = 0x000a
	attrXorMapped    = 0x0020
	attrPriority     = 0x0024
	attrUseCandidate = 0x0025
	attrFingerprint  = 0x8028
	attrControlled   = 0x8029
	attrControlling  = 0x802a

	fingerprintXor = 0x5354554e
)

var errSTUN = errors.New("not a STUN message that can be read")

// IsSTUN reports whether a datagram is STUN and nothing else that comes to a media
// port (RFC 7983 7).
func IsSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0] < 4 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// IsDTLS reports whether a datagram is DTLS (RFC 7983 7).
func IsDTLS(b []byte) bool { return len(b) >= 13 && b[0] >= 20 && b[0] <= 63 }

// message is a STUN message as it was read.
type message struct {
	raw       []byte
	kind      uint16
	username  string
	integrity int // offset of MESSAGE-INTEGRITY; 0: none
	nominates bool
	controls  bool // ICE-CONTROLLING
	obeys     bool // ICE-CONTROLLED
	unknown   []uint16
}

// parseSTUN reads a message; its lengths must hold, and its FINGERPRINT, when it
// has one.
func parseSTUN(b []byte) (m message, err error) {
	if !IsSTUN(b) || len(b) > maxSTUN || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:]))+stunHeader != len(b) {
		return m, errSTUN
	}
	m = message{raw: b, kind: binary.BigEndian.Uint16(b)}
	for at, n := stunHeader, 0; at < len(b); n++ {
		if at+4 > len(b) || n == maxSTUNAttr {
			return m, errSTUN
		}
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		next := at + 4 + (size+3)&^3
		if next > len(b) {
			return m, errSTUN
		}
		if kind == attrFingerprint {
			if size != 4 || next != len(b) || binary.BigEndian.Uint32(b[at+4:]) != fingerprint(b[:at]) {
				return m, errSTUN
			}
			return m, nil
		}
		if m.integrity == 0 { // what stands behind it is not protected (14.5)
			m.attribute(kind, b[at+4:at+4+size], at)
		}
		at = next
	}
	return m, nil
}

func (m *message) attribute(kind uint16, value []byte, at int) {
	switch kind {
	case attrUsername:
		m.username = string(value)
	case attrIntegrity:
		if len(value) == sha1.Size {
			m.integrity = at
		}
	case attrUseCandidate:
		m.nominates = true
	case attrControlling:
		m.controls = true
	case attrControlled:
		m.obeys = true
	case attrPriority:
	default:
		if kind < 0x8000 && kind != attrXorMapped { // to be understood, or refused
			m.unknown = append(m.unknown, kind)
		}
	}
}

// authentic reports whether the message was made by who knows the password.
func (m *message) authentic(password string) bool {
	return m.integrity > 0 && hmac.Equal(m.raw[m.integrity+4:m.integrity+4+sha1.Size], integrity(m.raw[:m.integrity], password))
}

// integrity is the HMAC over what stands before the attribute, with the length
// that the message has when it ends with it (RFC 8489 14.5).
func integrity(before []byte, password string) []byte {
	mac := hmac.New(sha1.New, []byte(password))
	var head [4]byte
	copy(head[:2], before)
	binary.BigEndian.PutUint16(head[2:], uint16(len(before)-stunHeader+4+sha1.Size))
	mac.Write(head[:])
	mac.Write(before[4:])
	return mac.Sum(nil)
}

func fingerprint(before []byte) uint32 {
	var head [4]byte
	copy(head[:2], before)
	binary.BigEndian.PutUint16(head[2:], uint16(len(before)-stunHeader+8))
	return crc32.Update(crc32.ChecksumIEEE(head[:]), crc32.IEEETable, before[4:]) ^ fingerprintXor
}

// reply writes an answer of a kind to the message, signed with a password, and
// the attributes that f adds.
func (m *message) reply(kind uint16, password string, f func([]byte) []byte) []byte {
	out := make([]byte, stunHeader, 128)
	binary.BigEndian.PutUint16(out, kind)
	copy(out[4:stunHeader], m.raw[4:stunHeader]) // cookie and transaction
	out = f(out)
	out = appendAttr(out, attrIntegrity, integrity(out, password))
	out = binary.BigEndian.AppendUint32(appendHead(out, attrFingerprint, 4), fingerprint(out))
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-stunHeader))
	return out
}

func appendHead(b []byte, kind uint16, size int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, kind), uint16(size))
}

func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = append(appendHead(b, kind, len(value)), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// appendMapped adds the address that a request came from, scrambled with the
// cookie and transaction of its message (RFC 8489 14.2).
func appendMapped(b []byte, from netip.AddrPort) []byte {
	key := b[4:stunHeader]
	addr, family := from.Addr().Unmap().AsSlice(), byte(1)
	if len(addr) == 16 {
		family = 2
	}
	value := []byte{0, family}
	value = binary.BigEndian.AppendUint16(value, from.Port()^stunCookie>>16)
	for i, x := range addr {
		value = append(value, x^key[i])
	}
	return appendAttr(b, attrXorMapped, value)
}

func appendError(b []byte, code int, text string) []byte {
	return appendAttr(b, attrErrorCode, append([]byte{0, 0, byte(code / 100), byte(code % 100)}, text...))
}
