package codec

import "math"

// Noise makes comfort noise out of RFC 3389 payloads: a level, and the colour of
// the room by the reflection coefficients of an all-pole filter. The zero value
// is silence.
type Noise struct {
	rms   float64
	order int
	k     [maxOrder]float64
	back  [maxOrder + 1]float64 // of the lattice
	seed  uint32
}

// maxOrder is how many coefficients are heeded; more colour nobody hears.
const maxOrder = 12

// Set takes what a payload says; an empty one changes nothing.
func (n *Noise) Set(payload []byte) {
	if len(payload) == 0 {
		return
	}
	n.rms = 32768 * math.Pow(10, -float64(payload[0]&0x7f)/20) // in dB below overload
	if payload[0]&0x7f == 127 {
		n.rms = 0
	}
	n.order = min(len(payload)-1, maxOrder)
	for i := range n.order {
		n.k[i] = (float64(min(payload[1+i], 254)) - 127) / 128
	}
}

// Fill overwrites dst with noise.
func (n *Noise) Fill(dst []int16) {
	gain := n.rms * math.Sqrt(3) // of numbers spread evenly over [-1, 1)
	for i := range n.order {
		gain *= math.Sqrt(1 - n.k[i]*n.k[i])
	}
	for i := range dst {
		dst[i] = int16(min(max(n.filter(gain*n.random()), -32768), 32767))
	}
}

func (n *Noise) filter(x float64) float64 {
	for m := n.order; m > 0; m-- {
		x -= n.k[m-1] * n.back[m-1]
		n.back[m] = n.back[m-1] + n.k[m-1]*x
	}
	n.back[0] = x
	return x
}

// random is xorshift32, spread over [-1, 1): noise for the ear, no secret.
func (n *Noise) random() float64 {
	if n.seed == 0 {
		n.seed = 0x9e3779b9
	}
	n.seed ^= n.seed << 13
	n.seed ^= n.seed >> 17
	n.seed ^= n.seed << 5
	return float64(int32(n.seed)) / (1 << 31)
}

// Hear appends the payload that describes pcm as comfort noise to dst: its level
// and four coefficients.
func Hear(dst []byte, pcm []int16) []byte {
	const order = 4
	var r [order + 1]float64
	for lag := range r {
		for i := lag; i < len(pcm); i++ {
			r[lag] += float64(pcm[i]) * float64(pcm[i-lag])
		}
	}
	level := 127.0
	if r[0] > 0 {
		rms := math.Sqrt(r[0] / float64(len(pcm)))
		level = min(max(math.Round(-20*math.Log10(rms/32768)), 0), 127)
	}
	dst = append(dst, byte(level))
	if r[0] == 0 {
		return dst
	}
	r[0] *= 1.0001 // a whiff of white noise keeps the filter tame
	var a [order + 1]float64
	miss := r[0]
	for m := 1; m <= order; m++ { // Levinson and Durbin
		k := r[m]
		for i := 1; i < m; i++ {
			k += a[i] * r[m-i]
		}
		k = -k / miss
		next := a
		next[m] = k
		for i := 1; i < m; i++ {
			next[i] = a[i] + k*a[m-i]
		}
		a = next
		miss *= 1 - k*k
		dst = append(dst, byte(min(max(math.Round(k*128)+127, 0), 254)))
	}
	return dst
}
