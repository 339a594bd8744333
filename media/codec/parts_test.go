package codec

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// tone is a sine of a quarter of full scale.
func tone(freq, rate, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8192 * math.Sin(2*math.Pi*float64(freq)*float64(i)/float64(rate)))
	}
	return pcm
}

func rms(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(max(len(pcm), 1)))
}

func TestResamplerPassesAndStops(t *testing.T) {
	rates := []int{8000, 16000, 48000}
	for _, from := range rates {
		for _, to := range rates {
			low := min(from, to)
			for _, c := range []struct {
				freq     int
				min, max float64 // of the tone's own level, in dB
			}{
				{300, -0.1, 0.1}, {low * 34 / 80, -0.6, 0.1}, // inside the band
				{low * 58 / 80, -200, -55}, {low * 75 / 80, -200, -55}, // beyond it: must not fold back
			} {
				if c.freq >= from/2 {
					continue
				}
				r, err := NewResampler(from, to)
				if err != nil {
					t.Fatal(err)
				}
				var out []int16
				pcm := tone(c.freq, from, from/2)
				for i := 0; i < len(pcm); i += from / 100 { // as frames come
					out = r.Append(out, pcm[i:i+from/100])
				}
				if want := len(pcm) * to / from; len(out) != want || r.Len(len(pcm)) != want {
					t.Fatalf("%d to %d: %d samples, Len says %d, want %d", from, to, len(out), r.Len(len(pcm)), want)
				}
				level := 20 * math.Log10((rms(out[len(out)/4:])+1e-3)/rms(pcm))
				if level < c.min || level > c.max {
					t.Errorf("%d to %d Hz: %d Hz comes out at %.2f dB, want %.1f to %.1f", from, to, c.freq, level, c.min, c.max)
				}
			}
		}
	}
	if _, err := NewResampler(8000, 44100); err == nil {
		t.Error("44100 Hz was taken")
	}
}

// Up adds no image above the band of the source.
func TestResamplerAddsNoImage(t *testing.T) {
	r, _ := NewResampler(8000, 48000)
	out := r.Append(nil, tone(3000, 8000, 8000))
	var re, im float64
	for i, s := range out[4800:43200] { // the image of 3000 Hz is at 5000 Hz
		w := 2 * math.Pi * 5000 * float64(i) / 48000
		re += float64(s) * math.Cos(w)
		im += float64(s) * math.Sin(w)
	}
	if level := 20 * math.Log10(2*math.Hypot(re, im)/38400/8192); level > -55 {
		t.Errorf("the image at 5000 Hz is at %.1f dB", level)
	}
}

func TestResamplerAllocatesNothing(t *testing.T) {
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 16000}} {
		r, _ := NewResampler(rates[0], rates[1])
		src, dst := make([]int16, rates[0]/50), make([]int16, 0, rates[1]/50)
		if n := testing.AllocsPerRun(100, func() { dst = r.Append(dst[:0], src) }); n > 0 {
			t.Errorf("%v: %v allocations a frame", rates, n)
		}
	}
}

// A lost packet of a voice is better made up than left out, and nothing clicks.
func TestConcealment(t *testing.T) {
	for _, rate := range []int{8000, 16000} {
		c := newConcealer(rate)
		pcm := tone(150, rate, rate)
		for i, s := range tone(450, rate, rate) {
			pcm[i] += s / 2
		}
		n := rate / 50
		c.heard(append([]int16(nil), pcm[:10*n]...))
		out := make([]int16, n)
		c.conceal(out)
		var miss float64
		for i := range out {
			d := float64(out[i] - pcm[10*n+i])
			miss += d * d
		}
		if snr := 20 * math.Log10(rms(pcm[10*n:11*n])/math.Sqrt(miss/float64(n))); snr < 8 {
			t.Errorf("%d Hz: a lost vowel is made up to %.1f dB", rate, snr)
		}
		steepest := 0.0
		for i := 1; i < n; i++ {
			steepest = max(steepest, math.Abs(float64(out[i])-float64(out[i-1])))
		}
		if jump := math.Abs(float64(out[0]) - float64(pcm[10*n-1])); jump > 2*steepest {
			t.Errorf("%d Hz: it begins with a click of %.0f", rate, jump)
		}
		for range 3 { // and fades: silence after 60 ms
			c.conceal(out)
		}
		if rms(out) != 0 {
			t.Errorf("%d Hz: still %.0f after 60 ms", rate, rms(out))
		}
		back := append([]int16(nil), pcm[14*n:15*n]...)
		c.heard(back)
		if math.Abs(float64(back[0])) > 200+math.Abs(float64(pcm[14*n])) || back[n-1] != pcm[15*n-1] {
			t.Errorf("%d Hz: what comes after it is not blended in", rate)
		}
	}
}

func TestComfortNoise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	room, last := make([]int16, 8000), 0.0
	for i := range room { // the hum of a room: low frequencies
		last = 0.9*last + rnd.NormFloat64()*60
		room[i] = int16(last)
	}
	p := Hear(nil, room)
	if len(p) != 5 {
		t.Fatalf("payload of %d bytes", len(p))
	}
	var n Noise
	n.Set(p)
	made := make([]int16, 8000)
	n.Fill(made)
	if off := 20 * math.Log10(rms(made)/rms(room)); math.Abs(off) > 1.5 {
		t.Errorf("noise is %.1f dB off the room's level", off)
	}
	if was, is := colour(room), colour(made); math.Abs(was-is) > 0.1 {
		t.Errorf("noise has the colour %.2f, the room %.2f", is, was)
	}
	n.Set(nil)
	n.Set([]byte{127})
	if n.Fill(made); rms(made) != 0 {
		t.Error("-127 dB is heard")
	}
	if p := Hear(nil, make([]int16, 160)); len(p) != 1 || p[0] != 127 {
		t.Errorf("silence is described by %v", p)
	}
	n.Set([]byte{10, 254, 255, 0, 254, 0, 254, 0, 254, 0, 254, 0, 254, 0, 254}) // as wild as can be
	n.Fill(made)
	if level := rms(made); math.IsNaN(level) {
		t.Error("the filter does not hold")
	}
}

// colour is how much a sample resembles the one before.
func colour(pcm []int16) float64 {
	var a, b float64
	for i := 1; i < len(pcm); i++ {
		a += float64(pcm[i]) * float64(pcm[i-1])
		b += float64(pcm[i]) * float64(pcm[i])
	}
	return a / b
}

func TestQueue(t *testing.T) {
	const ms = int64(time.Millisecond)
	type arrival struct {
		seq uint16
		at  int64
	}
	run := func(q *Queue, in []arrival) (out []int) { // lost ones negative
		for _, a := range in {
			q.Put(Unit{Seq: a.seq, TS: uint32(a.seq) * 160, Payload: []byte{byte(a.seq)}}, a.at*ms)
			for {
				u, ok := q.Take(a.at * ms)
				if !ok {
					break
				}
				if u.Lost {
					out = append(out, -int(u.Seq))
				} else {
					if u.Payload[0] != byte(u.Seq) {
						out = append(out, 99999)
					}
					out = append(out, int(u.Seq))
				}
			}
		}
		return out
	}
	equal := func(name string, got, want []int) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
			return
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", name, got, want)
				return
			}
		}
	}
	var q Queue
	equal("in order, over the wrap", run(&q, []arrival{{65534, 0}, {65535, 20}, {0, 40}, {1, 60}}), []int{65534, 65535, 0, 1})
	q = Queue{}
	equal("a loss is told at once", run(&q, []arrival{{10, 0}, {12, 40}, {13, 60}}), []int{10, -11, 12, 13})
	q = Queue{}
	equal("late once, then waited for",
		run(&q, []arrival{{10, 0}, {12, 20}, {11, 30}, {13, 40}, {15, 60}, {14, 65}, {17, 80}, {18, 100}}),
		[]int{10, -11, 12, 13, 14, 15, -16, 17, 18})
	if q.Late != 1 || q.Twice != 0 {
		t.Errorf("%d late, %d twice", q.Late, q.Twice)
	}
	q = Queue{}
	equal("duplicates", run(&q, []arrival{{10, 0}, {10, 0}, {11, 20}, {10, 20}, {11, 40}}), []int{10, 11})
	if q.Twice != 3 {
		t.Errorf("%d twice, want 3", q.Twice)
	}
	q = Queue{}
	equal("a new beginning", run(&q, []arrival{{10, 0}, {11, 20}, {5000, 40}, {5001, 60}, {3, 80}, {4, 100}}), []int{10, 11, 5000, 5001, 3, 4})
}

// Whatever comes, in whatever order: nothing twice, nothing backwards, and never
// longer than it may.
func TestQueueAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var q Queue
		type arrival struct {
			seq uint16
			at  int64
		}
		var in []arrival
		for i := range 300 {
			if rnd.Float64() < 0.05 {
				continue
			}
			in = append(in, arrival{uint16(65400 + i), int64(i)*20e6 + int64(rnd.ExpFloat64()*15e6)})
		}
		for i := 1; i < len(in); i++ { // by arrival
			for k := i; k > 0 && in[k].at < in[k-1].at; k-- {
				in[k], in[k-1] = in[k-1], in[k]
			}
		}
		last, began, got := uint16(0), false, 0
		for _, a := range in {
			q.Put(Unit{Seq: a.seq, Payload: []byte{1}}, a.at)
			for {
				u, ok := q.Take(a.at)
				if !ok {
					break
				}
				if began && u.Seq != last+1 {
					t.Fatalf("%d after %d", u.Seq, last)
				}
				if last, began = u.Seq, true; !u.Lost {
					got++
				}
			}
		}
		if total := got + int(q.Late) + int(q.Twice) + q.held; total != len(in) {
			t.Fatalf("%d of %d packets are accounted for", total, len(in))
		}
	}
}
