package mediatest

import (
	"fmt"
	"math"

	"github.com/pion/rtp"
)

// Goertzel returns the share of the sound's energy that lies at hz, from 0
// (none, or silence) to 1 (nothing else). rate is in Hz. The share of a steady
// tone is near 1 when samples hold whole periods or many of them.
func Goertzel(samples []int16, rate int, hz float64) float64 {
	coeff := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2, energy float64
	for _, v := range samples {
		x := float64(v)
		s1, s2 = x+coeff*s1-s2, s1
		energy += x * x
	}
	if energy == 0 {
		return 0
	}
	power := s1*s1 + s2*s2 - coeff*s1*s2
	return math.Min(1, 2*power/(energy*float64(len(samples))))
}

// Correlate slides b over a by up to reach samples each way and returns the
// best normalised correlation (-1 to 1) and by how many samples b lags a there.
// Sounds that overlap by less than half of the shorter one do not count.
func Correlate(a, b []int16, reach int) (best float64, lag int) {
	need := min(len(a), len(b)) / 2
	for shift := -reach; shift <= reach; shift++ {
		lo, hi := max(0, -shift), min(len(a), len(b)-shift)
		if hi-lo < max(need, 1) {
			continue
		}
		if r := similarity(a[lo:hi], b[lo+shift:hi+shift]); r > best {
			best, lag = r, shift
		}
	}
	return best, lag
}

func similarity(a, b []int16) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// Hear decodes datagrams in the order given into one sound: what a phone
// without a jitter buffer would play. Anything that is not RTP with G.711 in it
// is an error, since a test sent all of it.
func Hear(datagrams [][]byte) ([]int16, error) {
	var sound []int16
	for i, d := range datagrams {
		var p rtp.Packet
		if err := p.Unmarshal(d); err != nil {
			return nil, fmt.Errorf("datagram %d: %w", i, err)
		}
		if p.PayloadType != PCMU && p.PayloadType != PCMA {
			return nil, fmt.Errorf("datagram %d: payload type %d is not G.711", i, p.PayloadType)
		}
		sound = append(sound, Decode(p.PayloadType, p.Payload)...)
	}
	return sound, nil
}
