package quality

import "math"

// Sound is looked for in one packet of every levelEvery, in a quarter of its
// samples: an estimate for a few nanoseconds a packet. The samples are 3 and 5
// apart by turns, so that no tone has its zeros at all of them.
const (
	levelEvery = 8
	levelNear  = 3
	levelFar   = 5
)

// quiet is the loudness below which a packet of G.711 holds nothing, as the mean
// square of its 16-bit samples: -66 dBov, two steps of the code around zero.
// Comfort noise and a room with nobody in it are louder.
const quiet = 16 * 16

// squares are the squares of the 16-bit values of the codes of G.711.
type squares [256]uint32

var muLaw, aLaw = squaresOf(fromMuLaw), squaresOf(fromALaw)

func squaresOf(value func(byte) int32) *squares {
	var t squares
	for i := range t {
		v := value(byte(i))
		t[i] = uint32(v * v)
	}
	return &t
}

// fromMuLaw decodes one sample (ITU-T G.711 table 2a) to 16 bits.
func fromMuLaw(code byte) int32 {
	code = ^code
	v := (int32(code&0x0f)<<3+0x84)<<(code>>4&7) - 0x84
	if code&0x80 != 0 {
		return -v
	}
	return v
}

// fromALaw decodes one sample (ITU-T G.711 table 1a) to 16 bits.
func fromALaw(code byte) int32 {
	code ^= 0x55
	v := int32(code&0x0f)<<4 + 8
	if exp := code >> 4 & 7; exp > 0 {
		v = (v + 0x100) << (exp - 1)
	}
	if code&0x80 == 0 {
		return -v
	}
	return v
}

// mean is the mean square of a payload.
func (t *squares) mean(payload []byte) uint32 {
	sum, n := uint64(0), uint64(0)
	for i := 0; i+levelNear < len(payload); i += levelNear + levelFar {
		sum += uint64(t[payload[i]]) + uint64(t[payload[i+levelNear]])
		n += 2
	}
	return uint32(sum / max(n, 1))
}

// dBov tells a mean square as a level: 0 is that of the loudest square wave.
func dBov(mean uint32) float64 {
	if mean == 0 {
		return -127
	}
	return max(-127, 10*math.Log10(float64(mean)/(32768*32768)))
}
