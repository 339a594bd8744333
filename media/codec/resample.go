package codec

import (
	"fmt"
	"math"
	"sync"
)

// Resampler changes the sample rate of a stream between 8000, 16000 and 48000
// Hz by a polyphase low-pass filter: level up to 3400 Hz (of 4000, and in
// proportion), 60 dB down from 4300 Hz on. It delays by 2 ms at 8000 Hz, by less
// between higher rates. The zero value copies.
type Resampler struct {
	up, down int         // one of them is 1; both 0: the rates are the same
	filter   [][]float32 // a phase each: its coefficients, for the newest sample last
	x        []float32   // what was heard: the past, then a block
	past     int         // samples of the past that the filter needs
	phase    int         // samples until the next one out, when the rate falls
}

// resampleTaps is how many samples of the lower rate the filter spans, and
// resampleBlock how many of the source are worked on at a time.
const (
	resampleTaps  = 32
	resampleBlock = 480
)

// NewResampler returns one for two of our rates.
func NewResampler(from, to int) (*Resampler, error) {
	for _, r := range []int{from, to} {
		if r != 8000 && r != 16000 && r != 48000 {
			return nil, fmt.Errorf("sample rate of %d Hz is none of 8000, 16000, 48000", r)
		}
	}
	switch {
	case from == to:
		return &Resampler{}, nil
	case from < to:
		up := to / from
		r := &Resampler{up: up, down: 1, filter: phases(up), past: resampleTaps - 1}
		r.x = make([]float32, r.past+resampleBlock)
		return r, nil
	}
	down := from / to
	r := &Resampler{up: 1, down: down, filter: whole(down), past: resampleTaps*down - 1}
	r.x = make([]float32, r.past+resampleBlock)
	return r, nil
}

// Reset forgets the stream.
func (r *Resampler) Reset() {
	clear(r.x)
	r.phase = 0
}

// Len is how many samples come out for so many, when they are a multiple of what
// the rates differ by.
func (r *Resampler) Len(n int) int {
	if r.up == 0 {
		return n
	}
	return n * r.up / r.down
}

// Append appends src at the other rate to dst. src and dst must not overlap.
func (r *Resampler) Append(dst, src []int16) []int16 {
	if r.up == 0 {
		return append(dst, src...)
	}
	for len(src) > 0 {
		n := min(len(src), resampleBlock)
		for i, s := range src[:n] {
			r.x[r.past+i] = float32(s)
		}
		if r.down == 1 {
			dst = r.rise(dst, n)
		} else {
			dst = r.fall(dst, n)
		}
		copy(r.x, r.x[n:n+r.past])
		src = src[n:]
	}
	return dst
}

func (r *Resampler) rise(dst []int16, n int) []int16 {
	for i := range n {
		window := r.x[i : i+resampleTaps]
		for _, h := range r.filter {
			dst = append(dst, dot(h, window))
		}
	}
	return dst
}

func (r *Resampler) fall(dst []int16, n int) []int16 {
	h := r.filter[0]
	for ; r.phase < n; r.phase += r.down {
		dst = append(dst, dot(h, r.x[r.phase:r.phase+len(h)]))
	}
	r.phase -= n
	return dst
}

func dot(h, x []float32) int16 {
	x = x[:len(h)]
	var a, b, c, d float32
	for i := 0; i+4 <= len(h); i += 4 {
		a += h[i] * x[i]
		b += h[i+1] * x[i+1]
		c += h[i+2] * x[i+2]
		d += h[i+3] * x[i+3]
	}
	y := a + b + c + d
	return int16(min(max(math.Floor(float64(y)+0.5), -32768), 32767))
}

// filters are the prototypes by factor, each computed once.
var filters = map[int]func() []float64{
	2: sync.OnceValue(func() []float64 { return lowpass(2) }),
	3: sync.OnceValue(func() []float64 { return lowpass(3) }),
	6: sync.OnceValue(func() []float64 { return lowpass(6) }),
}

// lowpass is a windowed sinc for a factor: its band ends at 0.9625 of half the
// lower rate, its gain is 1.
func lowpass(factor int) []float64 {
	const beta = 5.65 // Kaiser window of 60 dB
	n := resampleTaps * factor
	h := make([]float64, n)
	cut := 0.9625 / float64(factor) // of half the higher rate
	sum := 0.0
	for i := range h {
		t := float64(i) - float64(n-1)/2
		x := math.Pi * cut * t
		sinc := cut
		if x != 0 {
			sinc = cut * math.Sin(x) / x
		}
		w := 2 * t / float64(n-1)
		h[i] = sinc * bessel(beta*math.Sqrt(1-w*w)) / bessel(beta)
		sum += h[i]
	}
	for i := range h {
		h[i] /= sum
	}
	return h
}

// bessel is the modified Bessel function of the first kind, of order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

func phases(up int) [][]float32 {
	h := filters[up]()
	out := make([][]float32, up)
	for p := range out {
		out[p] = make([]float32, resampleTaps)
		for k := range resampleTaps { // the newest sample meets the filter's beginning
			out[p][resampleTaps-1-k] = float32(h[p+k*up] * float64(up))
		}
	}
	return out
}

func whole(down int) [][]float32 {
	h := filters[down]()
	out := make([]float32, len(h)) // symmetric: backwards is forwards
	for i := range h {
		out[i] = float32(h[i])
	}
	return [][]float32{out}
}
