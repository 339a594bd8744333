package codec

import (
	"math"
	"math/rand/v2"
)

// voice makes something as hard to code as speech, the same each time: vowels by
// pulses through moving formants, hissing consonants, pauses; 16 bit, peaks at
// half of full scale.
func voice(rate, seconds int) []int16 {
	rnd := rand.New(rand.NewPCG(7, 11))
	out := make([]float64, rate*seconds)
	var bank [3]resonator
	phase, peak := 0.0, 0.0
	for i := range out {
		t := float64(i) / float64(rate)
		syllable := math.Mod(t, 0.26) / 0.26
		pitch := 115 + 25*math.Sin(2*math.Pi*0.7*t) + 12*math.Sin(2*math.Pi*2.1*t)
		x := 0.0
		switch {
		case syllable < 0.12: // hiss
			x = 0.25 * rnd.NormFloat64()
			bank[2].tune(3400, 900, rate)
		case syllable < 0.85: // vowel
			if phase += pitch / float64(rate); phase >= 1 {
				phase--
				x = 6
			}
			x += 0.02 * rnd.NormFloat64()
			bank[0].tune(500+250*math.Sin(2*math.Pi*1.3*t), 80, rate)
			bank[1].tune(1500+500*math.Sin(2*math.Pi*0.9*t+1), 120, rate)
			bank[2].tune(2600, 200, rate)
		}
		y := 0.0
		for b := range bank {
			y += bank[b].pass(x)
		}
		out[i] = y + 0.0005*rnd.NormFloat64()
		peak = max(peak, math.Abs(out[i]))
	}
	pcm := make([]int16, len(out))
	for i, y := range out {
		pcm[i] = int16(y / peak * 16000)
	}
	return pcm
}

type resonator struct{ a1, a2, gain, y1, y2 float64 }

func (r *resonator) tune(freq, width float64, rate int) {
	q := math.Exp(-math.Pi * width / float64(rate))
	r.a1, r.a2 = 2*q*math.Cos(2*math.Pi*freq/float64(rate)), -q*q
	r.gain = 1 - q
}

func (r *resonator) pass(x float64) float64 {
	y := r.gain*x + r.a1*r.y1 + r.a2*r.y2
	r.y2, r.y1 = r.y1, y
	return y
}

// segmental is the mean signal to noise ratio of 20 ms segments in dB, each
// bounded to [-10, 45], over those that are not silent, after out has been
// shifted to where it fits want best.
func segmental(want, out []int16, rate int) (snr float64, shift int) {
	shift = align(want, out, rate/50)
	n := rate / 50
	sum, count := 0.0, 0
	for i := rate / 5; i+n <= len(want) && i+n+shift <= len(out); i += n {
		if i+shift < 0 {
			continue
		}
		var signal, noise float64
		for k := range n {
			w, o := float64(want[i+k]), float64(out[i+shift+k])
			signal += w * w
			noise += (w - o) * (w - o)
		}
		if signal < float64(n)*100*100 {
			continue
		}
		sum += min(max(10*math.Log10(signal/(noise+1)), -10), 45)
		count++
	}
	if count == 0 {
		return -10, shift
	}
	return sum / float64(count), shift
}

// align finds by how many samples, of at most reach either way, out comes later.
func align(want, out []int16, reach int) int {
	best, at := -1.0, 0
	from := len(want) / 4
	n := min(len(want)/2, 8000)
	for d := -reach; d <= reach; d++ {
		if from+d < 0 || from+d+n > len(out) {
			continue
		}
		cross := 0.0
		for i := from; i < from+n; i++ {
			cross += float64(want[i]) * float64(out[i+d])
		}
		if cross > best {
			best, at = cross, d
		}
	}
	return at
}
