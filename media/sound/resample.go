package sound

import "math"

// Resample converts samples from one rate to another by a windowed sinc: 16
// zero crossings to each side under a Kaiser window, cut off below the lower of
// the two half rates (stop band beyond 70 dB). It is for sounds that are ready
// as a whole, not for packets as they come.
func Resample(in []int16, from, to int) []int16 {
	if from == to || len(in) == 0 {
		return in
	}
	d := gcd(from, to)
	up, down := to/d, from/d
	bank := newBank(up, down)
	out := make([]int16, (len(in)*up+down-1)/down)
	for i := range out {
		at := i * down
		out[i] = bank.point(in, at/up, at%up)
	}
	return out
}

// bank holds the filter for each position between two input samples.
type bank struct {
	half   int // input samples to each side
	phases [][]float32
}

const (
	crossings = 16
	kaiser    = 7.0  // about 70 dB
	pass      = 0.93 // of the lower half rate
)

func newBank(up, down int) bank {
	cut := pass * math.Min(1, float64(up)/float64(down)) // in half rates of the input
	b := bank{half: int(math.Ceil(crossings / cut)), phases: make([][]float32, up)}
	for p := range b.phases {
		taps := make([]float64, 2*b.half)
		sum := 0.0
		for k := range taps {
			x := float64(k-b.half+1) - float64(p)/float64(up) // distance to the point, in input samples
			w := x / float64(b.half)
			if w < -1 || w > 1 {
				continue
			}
			taps[k] = sinc(cut*x) * bessel0(kaiser*math.Sqrt(1-w*w))
			sum += taps[k]
		}
		b.phases[p] = make([]float32, len(taps))
		for k, t := range taps { // each phase gives a constant back as it was
			b.phases[p][k] = float32(t / sum)
		}
	}
	return b
}

// point is the sound at i + phase/up input samples; outside there is silence.
func (b *bank) point(in []int16, i, phase int) int16 {
	var sum float32
	first := i - b.half + 1
	taps := b.phases[phase]
	lo, hi := max(0, -first), min(len(taps), len(in)-first)
	if lo >= hi {
		return 0
	}
	for k, s := range in[first+lo : first+hi] {
		sum += float32(s) * taps[lo+k]
	}
	return clip(int32(math.Round(float64(sum))))
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind, order 0.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// clip keeps a sum of samples within 16 bits.
func clip(x int32) int16 {
	return int16(min(max(x, math.MinInt16), math.MaxInt16))
}
