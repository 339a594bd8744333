package siptest

import (
	"math"
	"math/rand/v2"
)

// Source makes what a phone says: frame n of the call, 160 samples at 8 kHz. It
// is a function of n alone, so that every listener can know what was said.
type Source func(n int, frame []int16)

// Amplitude of the signals below: -10 dB of full scale.
const amplitude = 10000

// Tone is a steady tone.
func Tone(hz float64) Source {
	return func(n int, frame []int16) {
		for i := range frame {
			frame[i] = int16(amplitude * math.Sin(2*math.Pi*hz*float64(n*len(frame)+i)/8000))
		}
	}
}

// Noise is white noise: it matches itself at one place only, and no other seed.
func Noise(seed uint64) Source {
	return func(n int, frame []int16) {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		for i := range frame {
			frame[i] = int16(r.IntN(2*amplitude) - amplitude)
		}
	}
}

// Tune is a melody pleasant enough to be listened to: a new note each 120 ms,
// drawn from a scale by seed. Two seeds make tunes that do not match.
func Tune(seed uint64) Source {
	const framesPerNote = 6
	return func(n int, frame []int16) {
		r := rand.New(rand.NewPCG(seed, uint64(n/framesPerNote)))
		// Quarter-tone steps over two octaves, so that two tunes rarely share a pitch.
		hz := 330 * math.Exp2(float64(r.IntN(48))/24+float64(seed%7)/170)
		for i := range frame {
			t := float64(n%framesPerNote*len(frame) + i)
			fade := min(1, t/80, (framesPerNote*float64(len(frame))-t)/80)
			frame[i] = int16(amplitude * fade * math.Sin(2*math.Pi*hz*t/8000))
		}
	}
}

// Samples plays a recording once, then silence.
func Samples(s []int16) Source {
	return func(n int, frame []int16) {
		clear(frame)
		if at := n * len(frame); at < len(s) {
			copy(frame, s[at:])
		}
	}
}

// Render is the first frames of a source as one piece.
func (s Source) Render(frames int) []int16 {
	out := make([]int16, frames*FrameSize)
	for n := range frames {
		s(n, out[n*FrameSize:(n+1)*FrameSize])
	}
	return out
}
