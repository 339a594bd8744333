package quality

import (
	"math"
	"testing"
	"time"
)

// TestDefaultRating: with every parameter at its default the rating is 93.2
// (G.107 7.7), and so much is left of it without the delay's part.
func TestDefaultRating(t *testing.T) {
	if r := ro - simultaneous(0) - delayed(0); math.Abs(r-93.2) > 0.05 {
		t.Errorf("R is %.3f with all defaults, want 93.2", r)
	}
	if math.Abs(ro-94.77) > 0.01 || math.Abs(simultaneous(0)-1.41) > 0.01 {
		t.Errorf("Ro %.3f, Is %.3f, want 94.77 and 1.41", ro, simultaneous(0))
	}
}

// TestMOSOfR: the pairs of G.107 annex B, table B.1, and G.109.
func TestMOSOfR(t *testing.T) {
	for r, want := range map[float64]float64{93.2: 4.41, 90: 4.34, 80: 4.03, 70: 3.60, 60: 3.10, 50: 2.58, 100: 4.5, 120: 4.5, 0: 1, -3: 1, 6: 1} {
		if got := MOS(r); math.Abs(got-want) > 0.01 {
			t.Errorf("MOS of R %g is %.3f, want %g", r, got, want)
		}
	}
}

// TestImpairmentOfLoss: Ie,eff as G.107 7.5 has it, by hand.
func TestImpairmentOfLoss(t *testing.T) {
	for _, c := range []struct {
		codec  codec
		loss   Loss
		impair float64
	}{
		{codecs["PCMU"], Loss{0, 1}, 0},
		{codecs["PCMU"], Loss{0.01, 1}, 95 * 1 / 26.1},
		{codecs["PCMU"], Loss{0.05, 1}, 95 * 5 / 30.1},
		{codecs["PCMU"], Loss{0.05, 2}, 95 * 5 / 27.6},
		{codecs["PCMU"], Loss{0.05, 6}, 95 * 5 / 27.6}, // not tested beyond 2
		{codecs["PCMU"], Loss{0.01, 4}, 95 * 1 / (0.25 + 25.1)},
		{codec{bpl: noPLC}, Loss{0.02, 1}, 95 * 2 / 6.3},
		{codecs["G729"], Loss{0, 1}, 11},
		{codecs["G729"], Loss{0.03, 1}, 11 + 84*3.0/22},
	} {
		if got := c.codec.impaired(c.loss); math.Abs(got-c.impair) > 1e-9 {
			t.Errorf("%+v with %+v: %.4f, want %.4f", c.codec, c.loss, got, c.impair)
		}
	}
}

// TestRatingOfDelay: the curve of the E-model over the delay (G.114) falls slowly
// until about 175 ms and then fast: very satisfied at 150 ms, hardly anybody at 400.
func TestRatingOfDelay(t *testing.T) {
	for delay, want := range map[time.Duration]float64{
		50 * time.Millisecond: 91.5, 100 * time.Millisecond: 90, 150 * time.Millisecond: 89, 200 * time.Millisecond: 87,
		250 * time.Millisecond: 81, 300 * time.Millisecond: 74, 400 * time.Millisecond: 63,
	} {
		r, _ := Rate("PCMU", Loss{}, delay)
		t.Logf("%s: R %.1f", delay, r.R)
		if math.Abs(r.R-want) > 3 {
			t.Errorf("R at %s is %.1f, want about %g", delay, r.R, want)
		}
		if r.MOSLQ < 4.4 || r.MOSCQ > r.MOSLQ {
			t.Errorf("at %s listening is %.2f, conversing %.2f", delay, r.MOSLQ, r.MOSCQ)
		}
	}
}

func TestRate(t *testing.T) {
	if _, ok := Rate("GSM-X", Loss{}, 0); ok {
		t.Error("a codec of which nothing is known was rated")
	}
	r, ok := Rate("PCMU", Loss{}, 0)
	if !ok || r.MOSCQ != 0 || math.Abs(r.MOSLQ-4.41) > 0.01 || ClassOf(r.R) != Best {
		t.Errorf("%+v without a known delay", r)
	}
	last := 5.0
	for _, part := range []float64{0, 0.01, 0.03, 0.1, 0.3, 1} {
		r, _ := Rate("G722", Loss{part, 1}, 0)
		if r.MOSLQ > last || r.MOSLQ < 1 {
			t.Errorf("MOS %f at %g lost, %f with less", r.MOSLQ, part, last)
		}
		last = r.MOSLQ
	}
	for r, want := range map[float64]Class{95: Best, 90: Best, 89: High, 75: Medium, 60: Low, 59.9: Poor, 0: Poor} {
		if got := ClassOf(r); got != want {
			t.Errorf("R %g is %s, want %s", r, got, want)
		}
	}
}
