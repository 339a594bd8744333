package relay

import "encoding/binary"

// maxDatagram is the longest datagram forwarded, in bytes. Uncompressed 48 kHz
// stereo fits; what is longer was made to be in the way.
const maxDatagram = 4096

// rtpHeader is the length of an RTP header without CSRCs and extension, in bytes.
const rtpHeader = 12

// header is what the relay reads of an RTP packet (RFC 3550 5.1).
//
//	 0                   1                   2                   3
//	|V=2|P|X|  CC   |M|     PT      |       sequence number         |
//	|                           timestamp                           |
//	|                             SSRC                              |
//	|              CSRC (CC words), extension if X                  |
type header struct {
	pt         uint8
	marker     bool
	seq        uint16
	ts, ssrc   uint32
	start, end int // of the payload in the packet, without padding
}

// parseRTP reads a header and checks that every length in it stays inside the
// packet. RTCP on an RTP port (types 192 to 223, RFC 5761 4) is not RTP: we
// never agree to rtcp-mux.
func parseRTP(b []byte) (h header, ok bool) {
	if len(b) < rtpHeader || len(b) > maxDatagram || b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 {
		return header{}, false
	}
	h = header{
		pt:     b[1] & 0x7f,
		marker: b[1]&0x80 != 0,
		seq:    binary.BigEndian.Uint16(b[2:]),
		ts:     binary.BigEndian.Uint32(b[4:]),
		ssrc:   binary.BigEndian.Uint32(b[8:]),
		start:  rtpHeader + 4*int(b[0]&0x0f),
		end:    len(b),
	}
	if b[0]&0x10 != 0 { // extension: profile, length in words (5.3.1)
		if h.start+4 > len(b) {
			return header{}, false
		}
		h.start += 4 + 4*int(binary.BigEndian.Uint16(b[h.start+2:]))
	}
	if h.start > len(b) {
		return header{}, false
	}
	if b[0]&0x20 != 0 { // padding: its last byte counts itself
		pad := int(b[len(b)-1])
		if pad == 0 || h.start+pad > len(b) {
			return header{}, false
		}
		h.end -= pad
	}
	return h, true
}

// validRTCP walks a compound RTCP packet (RFC 3550 6.1, reduced size by RFC
// 5506): each part has version 2, an RTCP type and a length that stays inside;
// only the last one may be padded. What is inside the parts passes unread.
func validRTCP(b []byte) bool {
	if len(b) < 8 || len(b) > maxDatagram {
		return false
	}
	for len(b) > 0 {
		if len(b) < 4 || b[0]>>6 != 2 || b[1] < 192 || b[1] > 223 {
			return false
		}
		n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return false
		}
		if b[0]&0x20 != 0 {
			pad := int(b[n-1])
			if n != len(b) || pad == 0 || pad%4 != 0 || pad > n-4 {
				return false
			}
		}
		b = b[n:]
	}
	return true
}
