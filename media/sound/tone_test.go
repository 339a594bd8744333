package sound

import (
	"math"
	"testing"
	"time"
)

// share is how much of the energy lies at hz.
func share(s []int16, hz float64) float64 {
	var re, im, all float64
	for i, v := range s {
		x := float64(v)
		re += x * math.Cos(2*math.Pi*hz*float64(i)/ToneRate)
		im += x * math.Sin(2*math.Pi*hz*float64(i)/ToneRate)
		all += x * x
	}
	return 2 * (re*re + im*im) / (all * float64(len(s)))
}

func TestTones(t *testing.T) {
	var l Library
	at := func(s *Sound, from, to time.Duration) []int16 {
		return s.At(ToneRate)[from*ToneRate/time.Second : to*ToneRate/time.Second]
	}
	for _, c := range []struct {
		name   string
		sound  *Sound
		length time.Duration
		on     [][2]time.Duration // between them silence
		hz     []float64
	}{
		{"de", l.Ringback("de"), 5 * time.Second, [][2]time.Duration{{0, time.Second}}, []float64{425}},
		{"eu", l.Ringback("eu"), 5 * time.Second, [][2]time.Duration{{0, time.Second}}, []float64{425}},
		{"gb", l.Ringback("gb"), 3 * time.Second, [][2]time.Duration{{0, 400 * ms}, {600 * ms, time.Second}}, []float64{400, 450}},
		{"us", l.Ringback("us"), 6 * time.Second, [][2]time.Duration{{0, 2 * time.Second}}, []float64{440, 480}},
		{"beep", l.Beep(), 200 * ms, [][2]time.Duration{{0, 200 * ms}}, []float64{1400}},
	} {
		if c.sound.Length() != c.length {
			t.Errorf("%s: %s, want %s", c.name, c.sound.Length(), c.length)
		}
		before := time.Duration(0)
		for _, on := range c.on {
			if loudest(at(c.sound, before, on[0])) != 0 {
				t.Errorf("%s sounds before %s", c.name, on[0])
			}
			all := 0.0
			for _, hz := range c.hz {
				s := share(at(c.sound, on[0], on[1]), hz)
				all += s
				if s < 0.9/float64(len(c.hz)) {
					t.Errorf("%s has %.2f of its energy at %v Hz", c.name, s, hz)
				}
			}
			if all < 0.95 {
				t.Errorf("%s has %.2f of its energy where it belongs", c.name, all)
			}
			before = on[1]
		}
		if loudest(at(c.sound, before, c.length)) != 0 {
			t.Errorf("%s sounds behind %s", c.name, before)
		}
	}
	once, again := l.Ringback("de"), l.Ringback("de")
	if l.Ringback("xx") != nil || l.Ringback("") != nil || once != again {
		t.Error("a country that is not known has a tone, or a tone is made twice")
	}
}

// Every tone is a whole number of frames, so that it loops without a seam, and
// none comes near the level that clips.
func TestEveryToneFits(t *testing.T) {
	var l Library
	for country := range ringbacks {
		if s := l.Ringback(country); s.Length()%(5*ms) != 0 || loudest(s.At(ToneRate)) > 16000 {
			t.Errorf("%s: %s, peak %d", country, s.Length(), loudest(s.At(ToneRate)))
		}
	}
}
