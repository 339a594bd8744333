package recorder

import (
	"strings"

	"ringdown/media"
)

// meaning is what may be done with a payload type.
type meaning uint8

const (
	nothing   meaning = iota // not described: it could be digits, so it is not stored
	audio                    // stored
	digits                   // never stored (PCI DSS: not even encrypted)
	redundant                // RFC 2198: stored when no block in it is digits
)

// meanings is what the payload types of one side mean.
type meanings [128]meaning

func meaningsOf(set []media.Format) meanings {
	var m meanings
	for _, f := range set {
		if f.PT < 128 {
			m[f.PT] = meaningOf(f.Name)
		}
	}
	return m
}

func meaningOf(name string) meaning {
	switch strings.ToUpper(name) {
	case "":
		return nothing
	case "TELEPHONE-EVENT", "TONE", "CISCO-RTP-DTMF", "X-NSE":
		return digits
	case "RED":
		return redundant
	}
	return audio
}

// of says what a packet is. What has no description is nothing, except for the
// static types of RFC 3551, whose meaning nobody can change to digits.
func (m *meanings) of(pt uint8, payload []byte) meaning {
	pt &= 0x7F
	switch got := m[pt]; got {
	case nothing:
		if static(pt) {
			return audio
		}
		return nothing
	case redundant:
		return m.inside(payload)
	default:
		return got
	}
}

// static reports whether RFC 3551 section 6 gives the type to an audio codec or
// to comfort noise.
func static(pt uint8) bool {
	return pt == 0 || pt >= 3 && pt <= 18
}

// inside looks at the blocks of a redundant packet (RFC 2198 section 3).
func (m *meanings) inside(payload []byte) meaning {
	for len(payload) > 0 {
		if got := m.of(payload[0], nil); got != audio {
			return got
		}
		if payload[0]&0x80 == 0 {
			return audio
		}
		payload = payload[min(4, len(payload)):]
	}
	return nothing // its header has no end
}
