package digits

import (
	"math"
	"time"

	"ringdown/media"
)

// rows and columns are the frequencies of the keys in Hz (ITU-T Q.23).
var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
)

// grid is where each key lies, row by row.
var grid = [16]media.Digit{
	1, 2, 3, media.KeyA,
	4, 5, 6, media.KeyA + 1,
	7, 8, 9, media.KeyA + 2,
	media.Star, 0, media.Pound, media.KeyD,
}

// place is the row and column of a key.
var place = func() (at [16][2]int) {
	for i, e := range grid {
		at[e] = [2]int{i / 4, i % 4}
	}
	return at
}()

// milliwatt is the effective value of a tone of 0 dBm0 among 16 bit samples: a
// full-scale sine wave has 3.14 dBm0 (ITU-T G.711).
const milliwatt = 32767 / math.Sqrt2 / 1.4355

// Levels of the tones we make, in dBm0 for each of the two: what Q.23 phones
// send, the upper one a little louder because lines damp it more.
const (
	rowLevel    = -9.0
	columnLevel = -7.0
	// ramp keeps the click out of a tone's edges.
	ramp = 2 * time.Millisecond
)

// Tone makes the sound of a key, sample by sample. Its zero value is silent.
type Tone struct {
	row, column      float64 // radians a sample
	rowAmp, colAmp   float64
	at, length, fade int // samples
}

// NewTone returns the tone of a press at a sampling rate in Hz; of what is no
// key it is silent and over at once.
func NewTone(p media.Press, rate int) Tone {
	if p.Digit > media.KeyD || rate <= 0 {
		return Tone{}
	}
	at := place[p.Digit]
	return Tone{
		row: 2 * math.Pi * rows[at[0]] / float64(rate), column: 2 * math.Pi * columns[at[1]] / float64(rate),
		rowAmp: amplitude(rowLevel), colAmp: amplitude(columnLevel),
		length: int(units(clamp(p), rate)), fade: int(units(ramp, rate)),
	}
}

// Read writes the next samples and returns how many belong to the tone; those
// behind are silence.
func (t *Tone) Read(pcm []int16) int {
	n := min(len(pcm), t.length-t.at)
	for i := range n {
		gain := 1.0
		if edge := min(t.at, t.length-1-t.at); edge < t.fade {
			gain = float64(edge) / float64(t.fade)
		}
		v := t.rowAmp*math.Sin(t.row*float64(t.at)) + t.colAmp*math.Sin(t.column*float64(t.at))
		pcm[i] = int16(math.Round(gain * v))
		t.at++
	}
	clear(pcm[n:])
	return n
}

// Over reports whether nothing of it is left.
func (t *Tone) Over() bool { return t.at >= t.length }

// amplitude is the peak of a sine wave of a level in dBm0.
func amplitude(level float64) float64 { return milliwatt * math.Sqrt2 * math.Pow(10, level/20) }
