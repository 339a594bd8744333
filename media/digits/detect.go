package digits

import (
	"math"
	"time"

	"ringdown/media"
)

// Rate is the sampling rate a [Detector] hears, in Hz.
const Rate = 8000

// The detector looks at windows of 102 samples (12.75 ms), one each 51: long
// enough to tell the rows apart and short enough to see a tone of 40 ms (ITU-T
// Q.24) in at least four of them, and one of 23 ms in three at the most.
const (
	half   = 51
	window = 2 * half
	// hits windows in a row that agree make a key, misses without it end it. A
	// break of 10 ms is no end, one of 40 ms always is.
	hits   = 4
	misses = 5
	// suspicion is after how many windows a key may be one.
	suspicion = 2
)

// Figures a window must satisfy, as ratios of power.
const (
	share     = 0.63  // of all that is heard, in the two tones, of a window
	pure      = 0.9   // the same over all windows of a key, as it would be on its frequencies
	relative  = 4.0   // 6 dB over the next best of the same group
	highMost  = 4.0   // 6 dB: the column over the row
	lowMost   = 12.0  // 10.8 dB: the row over the column
	overtone  = 0.18  // of a tone, at twice its frequency
	apart     = 100.0 // Hz: a tone nearer than this to the overtone of another hides it
	floor     = -41.0 // dBm0, of each tone
	deviation = 0.025 // of a frequency: between 1.5 % that count and 3.5 % that do not (Q.24)
	steady    = 2.5   // 4 dB between two windows in the middle of a key
	stepTime  = half * time.Second / Rate
)

// turn holds e^-jωn for each of the eight tones, over half a window.
type turn [8][half]complex64

var turns = func() *turn {
	t := new(turn)
	for k := range t {
		for n := range t[k] {
			t[k][n] = complex64(unit(-omega(k) * float64(n)))
		}
	}
	return t
}()

// hop is what a phase turns by over half a window, back.
var hop = func() (h [8]complex64) {
	for k := range h {
		h[k] = complex64(unit(-omega(k) * half))
	}
	return h
}()

// least is the power of a tone at the floor, in a window.
var least = float32(math.Pow(amplitude(floor)*window/2, 2))

func omega(k int) float64 {
	if k < 4 {
		return 2 * math.Pi * rows[k] / Rate
	}
	return 2 * math.Pi * columns[k-4] / Rate
}

func unit(phase float64) complex128 {
	sin, cos := math.Sincos(phase)
	return complex(cos, sin)
}

// Detector hears keys in sound of one party, [Rate] samples a second, and keeps
// voices from being taken for them: two steady tones on their frequencies, in
// their levels, with next to nothing beside them. The zero value is ready; not
// safe for concurrent use.
type Detector struct {
	sound  [window]float32 // the last half window and the one that is filling
	filled int             // samples of that
	last   [8]complex64    // spectrum of the last half window
	power  float32         // and its power
	before [8]complex64    // spectrum of the last window

	key   media.Digit // candidate, or the key that is held
	run   int         // windows in a row that agree with it
	lost  int         // windows in a row that do not, while it is held
	held  bool
	drift [2]complex64 // how the phases of row and column turned, summed up
	level [2]float32
	parts [hits][3]float32 // power of row, column and all, of the last windows that agree
	began int64            // of the candidate or key, in samples
	heard int64            // samples so far
}

// Hear takes the next samples and appends what was heard to buf.
func (d *Detector) Hear(buf []Change, pcm []int16) []Change {
	for len(pcm) > 0 {
		n := min(half-d.filled, len(pcm))
		for i, v := range pcm[:n] {
			d.sound[half+d.filled+i] = float32(v)
		}
		d.filled += n
		d.heard += int64(n)
		if pcm = pcm[n:]; d.filled == half {
			buf = d.step(buf)
		}
	}
	return buf
}

// Suspects reports whether the sound of this moment may be a key: it is held, or
// the last windows agree on one.
func (d *Detector) Suspects() bool { return d.held || d.run >= suspicion }

// Held reports whether a key sounds, or has until a moment ago.
func (d *Detector) Held() bool { return d.held }

// Began returns how many samples ago the key began that is held or suspected, as
// far as is known; 0: none is.
func (d *Detector) Began() int {
	if !d.Suspects() {
		return 0
	}
	return int(d.heard - d.began)
}

// Reset forgets what was heard, as at the end of a stream.
func (d *Detector) Reset(buf []Change) []Change {
	buf = d.release(buf)
	*d = Detector{}
	return buf
}

// step looks at the window that has become full.
func (d *Detector) step(buf []Change) []Change {
	var now [8]complex64
	var power float32
	fresh := d.sound[half:]
	for n, v := range fresh {
		power += v * v
		for k := range now {
			t := &turns[k][n]
			now[k] += complex(v*real(*t), v*imag(*t))
		}
	}
	var spectrum [8]complex64
	for k := range spectrum {
		spectrum[k] = d.last[k] + now[k]*hop[k]
	}
	key, row, column, ok := d.judge(&spectrum, power+d.power)
	buf = d.follow(buf, &spectrum, power+d.power, key, row, column, ok)
	d.last, d.power, d.before = now, power, spectrum
	copy(d.sound[:half], fresh)
	d.filled = 0
	return buf
}

// judge says which key a window holds, if it looks like one.
func (d *Detector) judge(x *[8]complex64, power float32) (key media.Digit, row, column int, ok bool) {
	row, column = strongest(x[:4]), 4+strongest(x[4:])
	low, high := norm(x[row]), norm(x[column])
	switch {
	case low < least || high < least,
		high > low*highMost || low > high*lowMost,
		low+high < share*power*window/2:
		return 0, 0, 0, false
	}
	for k := range x {
		best := low
		if k >= 4 {
			best = high
		}
		if k != row && k != column && norm(x[k])*relative > best {
			return 0, 0, 0, false
		}
	}
	hidden := math.Abs(2*rows[row]-columns[column-4]) < apart
	if !hidden && d.at(2*omega(row)) > overtone*low || d.at(2*omega(column)) > overtone*high {
		return 0, 0, 0, false
	}
	return grid[4*row+column-4], row, column, true
}

// follow counts the windows that agree and tells what they amount to.
func (d *Detector) follow(buf []Change, x *[8]complex64, power float32, key media.Digit, row, column int, ok bool) []Change {
	level := [2]float32{}
	if ok {
		level = [2]float32{norm(x[row]), norm(x[column])}
	}
	if d.held {
		if ok && key == d.key {
			d.lost = 0
			return buf
		}
		if d.lost++; d.lost < misses {
			return buf
		}
		buf = d.release(buf)
	}
	if !ok {
		d.run = 0
		return buf
	}
	if d.run == 0 || key != d.key || !near(level[0], d.level[0]) || !near(level[1], d.level[1]) {
		d.key, d.run, d.level, d.drift = key, 1, level, [2]complex64{}
		d.began = d.heard - window
		d.parts[1] = [3]float32{level[0], level[1], power}
		return buf
	}
	d.run++
	d.parts[d.run%hits] = [3]float32{level[0], level[1], power}
	d.level = level
	for i, k := range [2]int{row, column} {
		b := d.before[k]
		turned := x[k] * complex(real(b), -imag(b)) * hop[k]
		d.drift[i] += turned
	}
	off, tuned := d.tuned(row, column)
	if !tuned {
		d.run, d.drift, d.began = 1, [2]complex64{}, d.heard-window
		d.parts[1] = [3]float32{level[0], level[1], power}
		return buf
	}
	if d.run >= hits && d.clean(off) {
		d.held, d.lost = true, 0
		buf = append(buf, Change{Digit: key})
	}
	return buf
}

// tuned reports whether both frequencies are what they should be, and by how many
// radians a sample they are off: their phases turn from window to window by that.
func (d *Detector) tuned(row, column int) (off [2]float64, ok bool) {
	ok = true
	for i, k := range [2]int{row, column} {
		off[i] = math.Atan2(float64(imag(d.drift[i])), float64(real(d.drift[i]))) / half
		ok = ok && math.Abs(off[i]) <= deviation*omega(k)
	}
	return off, ok
}

// clean reports whether the last windows hold the two tones and next to nothing
// else: what a window shows less of a tone that is off its frequency is known.
func (d *Detector) clean(off [2]float64) bool {
	low, high, all := float32(0), float32(0), float32(0)
	for _, p := range d.parts {
		low, high, all = low+p[0], high+p[1], all+p[2]
	}
	return float64(low)*more(off[0])+float64(high)*more(off[1]) >= pure*float64(all)*window/2
}

// more is by how much the power of a tone is larger than a window shows, when
// its frequency is off by so many radians a sample.
func more(off float64) float64 {
	x := off * window / 2
	if math.Abs(x) < 1e-3 {
		return 1
	}
	return x * x / (math.Sin(x) * math.Sin(x))
}

// release ends the key that is held.
func (d *Detector) release(buf []Change) []Change {
	if !d.held {
		return buf
	}
	d.held, d.run = false, 0
	length := time.Duration(d.heard-d.began) * time.Second / Rate
	return append(buf, Change{Digit: d.key, Ended: true, Duration: max(0, length-time.Duration(d.lost)*stepTime)})
}

// at is the power of any frequency in the window.
func (d *Detector) at(w float64) float32 {
	coeff := float32(2 * math.Cos(w))
	var s1, s2 float32
	for _, v := range d.sound {
		s1, s2 = v+coeff*s1-s2, s1
	}
	return s1*s1 + s2*s2 - coeff*s1*s2
}

func strongest(x []complex64) (best int) {
	for k := range x {
		if norm(x[k]) > norm(x[best]) {
			best = k
		}
	}
	return best
}

func near(a, b float32) bool { return a < b*steady && b < a*steady }

func norm(c complex64) float32 { return real(c)*real(c) + imag(c)*imag(c) }
