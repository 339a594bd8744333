package digits

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

// pair is a key as a phone of some quality makes it.
type pair struct {
	key        media.Digit
	low, high  float64 // dBm0
	off1, off2 float64 // of the frequencies, as a ratio
	length     time.Duration
	pause      time.Duration
	overNoise  float64 // dB; 0: no noise
}

func synthesize(r *rand.Rand, lead time.Duration, pairs ...pair) []int16 {
	out := make([]float64, samples(lead))
	for _, p := range pairs {
		at := place[p.key]
		phase1, phase2 := r.Float64()*7, r.Float64()*7
		w1 := 2 * math.Pi * rows[at[0]] * (1 + p.off1) / Rate
		w2 := 2 * math.Pi * columns[at[1]] * (1 + p.off2) / Rate
		a1, a2 := amplitude(p.low), amplitude(p.high)
		noise := 0.0
		if p.overNoise > 0 {
			noise = math.Sqrt((a1*a1 + a2*a2) / 2 * math.Pow(10, -p.overNoise/10))
		}
		total := samples(p.length + p.pause)
		for i := range total {
			v := noise * r.NormFloat64()
			if i < samples(p.length) {
				v += a1*math.Sin(phase1+w1*float64(i)) + a2*math.Sin(phase2+w2*float64(i))
			}
			out = append(out, v)
		}
	}
	pcm := make([]int16, len(out))
	for i, v := range out {
		pcm[i] = int16(max(-32768, min(32767, math.Round(v))))
	}
	return pcm
}

func samples(d time.Duration) int { return int(d * Rate / time.Second) }

// listen is what a detector hears, in pieces of 20 ms: keys, and a dot for each end.
func listen(pcm []int16) string {
	var d Detector
	var s strings.Builder
	say := func(changes []Change) {
		for _, c := range changes {
			if c.Ended {
				s.WriteByte('.')
			} else {
				k, _ := c.Digit.Key()
				s.WriteByte(k)
			}
		}
	}
	for len(pcm) > 0 {
		n := min(160, len(pcm))
		say(d.Hear(nil, pcm[:n]))
		pcm = pcm[n:]
	}
	say(d.Reset(nil))
	return s.String()
}

// TestDetectorHearsWhatItMust and nothing else: the figures of ITU-T Q.24 and
// Bellcore TR-TSY-000181, each key, at several offsets against our windows.
func TestDetectorHearsWhatItMust(t *testing.T) {
	ms := time.Millisecond
	good := pair{low: -9, high: -7, length: 50 * ms, pause: 50 * ms}
	vary := func(f func(*pair)) pair { p := good; f(&p); return p }
	must := map[string]pair{
		"as phones do":               good,
		"40 ms":                      vary(func(p *pair) { p.length, p.pause = 40*ms, 40*ms }),
		"2 s":                        vary(func(p *pair) { p.length = 2 * time.Second }),
		"loud":                       vary(func(p *pair) { p.low, p.high = -3, -3 }),
		"-25 dBm0":                   vary(func(p *pair) { p.low, p.high = -25, -25 }),
		"-36 dBm0":                   vary(func(p *pair) { p.low, p.high = -36, -36 }),
		"column 4 dB over row":       vary(func(p *pair) { p.low, p.high = -11, -7 }),
		"row 8 dB over column":       vary(func(p *pair) { p.low, p.high = -7, -15 }),
		"both 1.5 % high":            vary(func(p *pair) { p.off1, p.off2 = .015, .015 }),
		"both 1.5 % low":             vary(func(p *pair) { p.off1, p.off2 = -.015, -.015 }),
		"row 1.5 % high, column low": vary(func(p *pair) { p.off1, p.off2 = .015, -.015 }),
		"noise at 15 dB":             vary(func(p *pair) { p.overNoise = 15 }),
		"noise at 18 dB, 1 % off":    vary(func(p *pair) { p.overNoise, p.off1, p.off2 = 18, .01, -.01 }),
	}
	mustNot := map[string]pair{
		"23 ms":                 vary(func(p *pair) { p.length = 23 * ms }),
		"-45 dBm0":              vary(func(p *pair) { p.low, p.high = -45, -45 }),
		"row 3.5 % high":        vary(func(p *pair) { p.off1 = .035 }),
		"row 3.5 % low":         vary(func(p *pair) { p.off1 = -.035 }),
		"column 3.5 % high":     vary(func(p *pair) { p.off2 = .035 }),
		"column 3.5 % low":      vary(func(p *pair) { p.off2 = -.035 }),
		"column 12 dB over row": vary(func(p *pair) { p.low, p.high = -19, -7 }),
		"row 14 dB over column": vary(func(p *pair) { p.low, p.high = -7, -21 }),
		"one tone":              vary(func(p *pair) { p.high = -80 }),
		"noise at 0 dB":         vary(func(p *pair) { p.overNoise = .001 }),
	}
	try := func(name string, p pair, want func(media.Digit) string) {
		r, wrong := rand.New(rand.NewPCG(1, 2)), 0 // of its own: maps have no order
		for key := media.Digit(0); key <= media.KeyD; key++ {
			for offset := range 10 {
				p.key = key
				if got := listen(synthesize(r, time.Duration(offset)*700*time.Microsecond+60*ms, p, p)); got != want(key) {
					if wrong++; wrong < 4 {
						t.Errorf("%s: key %d heard as %q", name, key, got)
					}
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of 160 wrong", name, wrong)
		}
	}
	for name, p := range must {
		try(name, p, func(e media.Digit) string { k, _ := e.Key(); return fmt.Sprintf("%c.%c.", k, k) })
	}
	for name, p := range mustNot {
		try("must not: "+name, p, func(media.Digit) string { return "" })
	}
}

// TestBreakIsNoEnd: a break of 10 ms in the middle of a key leaves it one key.
func TestBreakIsNoEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for key := media.Digit(0); key <= media.KeyD; key++ {
		for offset := range 20 {
			pcm := synthesize(r, time.Duration(offset)*400*time.Microsecond, pair{key: key, low: -9, high: -7, length: 120 * time.Millisecond, pause: 100 * time.Millisecond})
			from := samples(60*time.Millisecond) + offset*3
			clear(pcm[from : from+samples(10*time.Millisecond)])
			if got := listen(pcm); len(got) != 2 {
				t.Errorf("key %d, offset %d: %q", key, offset, got)
			}
		}
	}
}

// TestDurationIsMeasured to within two windows.
func TestDurationIsMeasured(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, want := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		var d Detector
		all := d.Hear(nil, synthesize(r, 30*time.Millisecond, pair{key: 8, low: -9, high: -7, length: want, pause: 100 * time.Millisecond}))
		if len(all) != 2 || (all[1].Duration-want).Abs() > 15*time.Millisecond {
			t.Errorf("%v: %v", want, all)
		}
	}
}

// TestWhatWeMakeWeHear: our own tones, also through G.711 as the recorder and
// phones see them.
func TestWhatWeMakeWeHear(t *testing.T) {
	for key := media.Digit(0); key <= media.KeyD; key++ {
		tone := NewTone(media.Press{Digit: key, For: 60 * time.Millisecond}, Rate)
		pcm := make([]int16, 1600)
		n := tone.Read(pcm[100:])
		if n != 480 || !tone.Over() {
			t.Fatalf("a key of 60 ms has %d samples", n)
		}
		k, _ := key.Key()
		if got := listen(pcm); got != string(k)+"." {
			t.Errorf("key %c is heard as %q", k, got)
		}
	}
	if tone := NewTone(media.Press{Digit: media.Flash}, Rate); !tone.Over() {
		t.Error("a flash has a sound")
	}
}

// TestTalkOff: sound like that of voices, minutes of it, is no key: pulses
// through formants that wander, at the pitches of men, women and children, also
// with harmonics that fall on the tones, and whistles and music.
func TestTalkOff(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const minutes = 30
	var d Detector
	heard := 0
	for range minutes * 60 {
		for _, c := range d.Hear(nil, babble(r, Rate)) {
			if !c.Ended {
				heard++
			}
		}
	}
	t.Logf("%d keys heard in %d minutes", heard, minutes)
	if heard > minutes/10 { // the customary limit for the tapes of Bellcore and Mitel is one in three
		t.Errorf("%d keys heard in %d minutes of voices", heard, minutes)
	}
	for f := 300.0; f < 1700; f += 7 { // two whistles a musical interval apart
		for _, ratio := range []float64{1.5, 1.732, 1.25, 2} {
			if got := listen(chord(f, f*ratio, f*ratio*1.5)); got != "" {
				t.Errorf("a chord on %g Hz is %q", f, got)
			}
		}
	}
}

// babble is n samples of something like speech.
func babble(r *rand.Rand, n int) []int16 {
	out := make([]int16, 0, n)
	for len(out) < n {
		syllable := min(n-len(out), samples(time.Duration(80+r.IntN(240))*time.Millisecond))
		pitch := 80 + 320*r.Float64()
		glide := (r.Float64() - .5) * pitch / 4
		level := 1500 + 9000*r.Float64()
		voiced := r.IntN(5) > 0
		var f [3]formant
		for i, c := range [3]float64{250 + 600*r.Float64(), 800 + 1600*r.Float64(), 2200 + 1000*r.Float64()} {
			f[i] = newFormant(c, 50+80*r.Float64())
		}
		phase := 0.0
		for i := range syllable {
			x := r.NormFloat64() * .05
			phase += (pitch + glide*float64(i)/float64(syllable)) / Rate
			if voiced && phase >= 1 {
				phase--
				x += 1
			}
			v := f[0].step(x) + .7*f[1].step(x) + .4*f[2].step(x)
			env := math.Sin(math.Pi * float64(i) / float64(syllable))
			out = append(out, int16(max(-32000, min(32000, level*env*v))))
		}
	}
	return out
}

// formant is a resonance.
type formant struct{ a, b, c, y1, y2 float64 }

func newFormant(hz, width float64) formant {
	radius := math.Exp(-math.Pi * width / Rate)
	return formant{a: 2 * radius * math.Cos(2*math.Pi*hz/Rate), b: -radius * radius, c: 1 - radius*radius}
}

func (f *formant) step(x float64) float64 {
	y := 3*f.c*x + f.a*f.y1 + f.b*f.y2
	f.y1, f.y2 = y, f.y1
	return y
}

// chord is half a second of three tones with overtones, as an organ plays.
func chord(hz ...float64) []int16 {
	out := make([]int16, Rate/2)
	for i := range out {
		v := 0.0
		for _, f := range hz {
			for k := 1.0; k <= 3; k++ {
				v += 2500 / (k * k) * math.Sin(2*math.Pi*f*k*float64(i)/Rate)
			}
		}
		out[i] = int16(v)
	}
	return out
}

func TestDetectorAllocatesNothing(t *testing.T) {
	pcm := synthesize(rand.New(rand.NewPCG(1, 2)), 0, pair{key: 5, low: -9, high: -7, length: time.Second})
	var d Detector
	var buf [8]Change
	if n := testing.AllocsPerRun(10, func() { d.Hear(buf[:0], pcm) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDetector(b *testing.B) {
	b.ReportAllocs()
	pcm := babble(rand.New(rand.NewPCG(1, 2)), 160)
	var d Detector
	var buf [8]Change
	for b.Loop() {
		d.Hear(buf[:0], pcm)
	}
}
