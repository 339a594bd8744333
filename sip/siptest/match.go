package siptest

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// Likeness is how far a recording is a signal.
type Likeness struct {
	// Correlation is the normalised correlation over the part both share once
	// aligned: 1 is the same up to loudness, 0 nothing in common.
	Correlation float64
	// Delay is where the signal's first sample lies in the recording, in
	// samples; negative: the recording begins inside the signal.
	Delay int
	// Shared is how many samples overlap.
	Shared int
}

// Match finds signal in heard at the delay where they agree best. The overlap
// must be at least a quarter of the shorter one: a few samples agree with
// anything.
func Match(heard, signal []int16) Likeness {
	if len(heard) == 0 || len(signal) == 0 {
		return Likeness{}
	}
	c := crossCorrelate(heard, signal)
	least := max(1, min(len(heard), len(signal))/4)
	var best Likeness
	for lag := least - len(signal); lag <= len(heard)-least; lag++ {
		raw := c[(lag+len(c))%len(c)]
		if raw > best.Correlation {
			best.Correlation, best.Delay = raw, lag
		}
	}
	return likeness(heard, signal, best.Delay)
}

// likeness is the exact figure at one delay.
func likeness(heard, signal []int16, delay int) Likeness {
	from, to := max(0, delay), min(len(heard), len(signal)+delay)
	var hh, ss, hs float64
	for i := from; i < to; i++ {
		h, s := float64(heard[i]), float64(signal[i-delay])
		hh, ss, hs = hh+h*h, ss+s*s, hs+h*s
	}
	l := Likeness{Delay: delay, Shared: to - from}
	if hh > 0 && ss > 0 {
		l.Correlation = hs / math.Sqrt(hh*ss)
	}
	return l
}

// crossCorrelate returns sum over i of a[i+lag]*b[i] at index lag, negative lags
// from the end.
func crossCorrelate(a, b []int16) []float64 {
	n := 1 << bits.Len(uint(len(a)+len(b)))
	x, y := make([]complex128, n), make([]complex128, n)
	for i, s := range a {
		x[i] = complex(float64(s), 0)
	}
	for i, s := range b {
		y[i] = complex(float64(s), 0)
	}
	transform(x)
	transform(y)
	for i := range x {
		x[i] = cmplx.Conj(x[i] * cmplx.Conj(y[i])) // conjugated: the inverse by a forward transform
	}
	transform(x)
	out := make([]float64, n)
	for i := range x {
		out[i] = real(x[i]) / float64(n)
	}
	return out
}

// transform is the discrete Fourier transform of a power of two, in place.
func transform(x []complex128) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); n > 1 && i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		half := size / 2
		for k := range half {
			w := cmplx.Rect(1, -2*math.Pi*float64(k)/float64(size))
			for at := k; at < n; at += size {
				a, b := x[at], w*x[at+half]
				x[at], x[at+half] = a+b, a-b
			}
		}
	}
}
