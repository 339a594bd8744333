package sound

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

func sine(rate int, hz, amplitude float64, length time.Duration) []int16 {
	s := make([]int16, int(length*time.Duration(rate)/time.Second))
	for i := range s {
		s[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return s
}

// snr is the level in dB of want over what got has else, the ends left out.
func snr(want, got []int16) float64 {
	n := min(len(want), len(got))
	edge := n / 10
	var signal, noise float64
	for i := edge; i < n-edge; i++ {
		d := float64(want[i]) - float64(got[i])
		signal += float64(want[i]) * float64(want[i])
		noise += d * d
	}
	return 10 * math.Log10(signal/max(noise, 1e-9))
}

func TestResample(t *testing.T) {
	for _, from := range rates {
		for _, to := range []int{8000, 16000, 48000} {
			hz := 1000.0
			got := Resample(sine(from, hz, 12000, 500*time.Millisecond), from, to)
			want := sine(to, hz, 12000, 500*time.Millisecond)
			if d := len(got) - len(want); d < -4 || d > 1 { // 11025 Hz has no whole number in it
				t.Errorf("%d to %d: %d samples, want %d", from, to, len(got), len(want))
			}
			if db := snr(want, got); db < 60 {
				t.Errorf("%d to %d: %.0f dB", from, to, db)
			}
		}
	}
	above := Resample(sine(48000, 5000, 12000, 500*time.Millisecond), 48000, 8000)
	if peak := loudest(above[400:3600]); peak > 12 { // 60 dB down
		t.Errorf("5 kHz is folded into 8000 Hz at %d", peak)
	}
	flat := Resample(slices.Repeat([]int16{1000}, 4410), 44100, 8000)
	if m := flat[400]; m < 999 || m > 1001 {
		t.Errorf("a constant 1000 became %d", m)
	}
}

func loudest(s []int16) (peak int16) {
	for _, v := range s {
		peak = max(peak, v, -v)
	}
	return peak
}

func TestResampleClipsAtFullScale(t *testing.T) {
	square := slices.Repeat(append(slices.Repeat([]int16{32767}, 20), slices.Repeat([]int16{-32768}, 20)...), 50)
	out := Resample(square, 8000, 16000) // overshoots by a tenth at each edge
	for i := 200; i < len(out)-200; i++ {
		if d := int(out[i]) - int(out[i-1]); d > 60000 || d < -60000 {
			t.Fatalf("sample %d wraps: %d then %d", i, out[i-1], out[i])
		}
	}
}

func TestSoundAtIsMadeOnce(t *testing.T) {
	s := New(16000, sine(16000, 440, 8000, 200*time.Millisecond))
	a, b := s.At(8000), s.At(8000)
	if &a[0] != &b[0] || len(a) != 1600 || s.Length() != 200*time.Millisecond {
		t.Errorf("%d samples, the same %v, %s", len(a), &a[0] == &b[0], s.Length())
	}
}

func TestAsEncodesEachFrameOnce(t *testing.T) {
	s := New(8000, sine(8000, 440, 8000, 50*time.Millisecond))
	calls, made := 0, 0
	encoder := func() (func([]byte, []int16) []byte, error) {
		made++
		return func(dst []byte, frame []int16) []byte {
			calls++
			return append(dst, byte(calls), byte(len(frame)), byte(frame[159]))
		}, nil
	}
	e, err := s.As("X", 8000, encoder)
	if err != nil || e.Frames() != 3 || calls != 0 {
		t.Fatalf("%d frames after %d calls, %v", e.Frames(), calls, err)
	}
	if _, ok := e.Frame(1); ok || calls != 0 {
		t.Errorf("frame 1 is there after %d calls", calls)
	}
	frame := func(i int) []byte {
		f, ok := e.Frame(i)
		if !ok {
			t.Fatalf("frame %d is not there", i)
		}
		return f
	}
	frame(0)
	if f := frame(1); f[0] != 2 || calls != 2 {
		t.Errorf("frame 1 is %v after %d calls", f, calls)
	}
	if f := frame(2); !slices.Equal(f, []byte{3, 160, 0}) {
		t.Errorf("the last frame is %v", f)
	}
	if _, ok := e.Frame(3); ok {
		t.Error("there is a frame behind the last")
	}
	again, _ := s.As("X", 8000, encoder)
	first, _ := again.Frame(0)
	if again != e || first[0] != 1 || calls != 3 || made != 1 {
		t.Errorf("encoded again: %d frames, %d encoders", calls, made)
	}
	if _ = append(first, 99); frame(1)[0] != 2 {
		t.Error("appending to a frame changes the next")
	}
	if other, _ := s.As("Y", 8000, encoder); other == e || made != 2 {
		t.Error("two codecs share their frames")
	}
	broken := errors.New("broken")
	if _, err := s.As("Z", 8000, func() (func([]byte, []int16) []byte, error) { return nil, broken }); err != broken {
		t.Errorf("error: %v", err)
	}
	if _, err := s.As("Z", 8000, encoder); err != nil {
		t.Errorf("an error was kept: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() { e.Frame(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// However many forms are asked for, few are kept, and those stay shared.
func TestAsKeepsFewForms(t *testing.T) {
	s := New(8000, sine(8000, 440, 8000, time.Second))
	encoder := func() (func([]byte, []int16) []byte, error) {
		return func(dst []byte, _ []int16) []byte { return append(dst, 1) }, nil
	}
	kept := 0
	for i := range 100 {
		if _, err := s.As(fmt.Sprint(i), 8000, encoder); err == nil {
			kept++
		} else if err != ErrForms {
			t.Fatal(err)
		}
	}
	a, errA := s.As("0", 8000, encoder)
	b, errB := s.As("0", 8000, encoder)
	if kept != MostForms || a == nil || a != b || errA != nil || errB != nil {
		t.Errorf("%d forms are kept, %v %v", kept, errA, errB)
	}
}

func TestAsSharedByMany(t *testing.T) {
	s := New(8000, sine(8000, 440, 8000, time.Second))
	e, err := s.As("X", 8000, func() (func([]byte, []int16) []byte, error) {
		n := 0
		return func(dst []byte, _ []int16) []byte { n++; return append(dst, byte(n)) }, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range e.Frames() {
				if f, ok := e.Frame(i); !ok || len(f) != 1 || f[0] != byte(i+1) {
					t.Errorf("frame %d is %v", i, f)
				}
			}
		})
	}
	all.Wait()
}

func TestPlayer(t *testing.T) {
	s := New(8000, []int16{1, 2, 3, 4, 5})
	buf := make([]int16, 3)
	once := Play(s, 8000, false)
	if n := once.Next(buf); n != 3 || once.Over() {
		t.Errorf("first: %d %v", n, buf)
	}
	if n := once.Next(buf); n != 2 || !once.Over() || !slices.Equal(buf, []int16{4, 5, 0}) {
		t.Errorf("last: %d %v", n, buf)
	}
	if n := once.Next(buf); n != 0 || !slices.Equal(buf, []int16{0, 0, 0}) {
		t.Errorf("behind the end: %d %v", n, buf)
	}
	round := Play(s, 8000, true)
	var all []int16
	for range 4 {
		round.Next(buf)
		all = append(all, buf...)
	}
	if !slices.Equal(all, []int16{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2}) || round.Over() {
		t.Errorf("round: %v", all)
	}
	var zero Player
	if !zero.Over() || zero.Next(buf) != 0 {
		t.Error("the zero Player plays")
	}
	long := New(8000, sine(8000, 440, 8000, 100*time.Millisecond))
	p := Play(long, 8000, false)
	half := make([]int16, 400)
	p.Next(half)
	p.Retune(16000)
	if p.Next(half); !slices.Equal(half, long.At(16000)[800:1200]) {
		t.Error("at another rate it goes on at another place")
	}
	if n := testing.AllocsPerRun(100, func() { round.Next(buf) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBedDucksUnderTalk(t *testing.T) {
	music := slices.Repeat([]int16{8000}, 160)
	quiet, loud := make([]int16, 160), slices.Repeat([]int16{2000, -2000}, 80)
	var b Bed
	mix := func(talk []int16) []int16 { out := slices.Clone(talk); b.Mix(out, music); return out }
	if out := mix(quiet); out[0] != 8000 || out[159] != 8000 {
		t.Errorf("alone: %d %d", out[0], out[159])
	}
	mix(loud)
	mix(loud)
	if out := mix(loud); out[158] != 2000+2000 {
		t.Errorf("under talk: %d, want 12 dB down", out[158]-2000)
	}
	for range 21 {
		mix(quiet)
	}
	if out := mix(quiet); out[159] != 8000 {
		t.Errorf("after talk: %d", out[159])
	}
	b = Bed{Steady: true}
	mix(loud)
	if out := mix(loud); out[158] != 10000 {
		t.Errorf("steady: %d", out[158])
	}
}

func TestBedNeitherWrapsNorSteps(t *testing.T) {
	var b Bed
	talk := slices.Repeat([]int16{32767, -32768}, 80)
	b.Mix(talk, slices.Repeat([]int16{32767, -32768}, 80))
	for i := 0; i < len(talk); i += 2 {
		if talk[i] != 32767 || talk[i+1] != -32768 {
			t.Fatalf("sample %d wraps: %d %d", i, talk[i], talk[i+1])
		}
	}
	b = Bed{}
	music := slices.Repeat([]int16{30000}, 160)
	last := int16(30000)
	for frame := range 40 {
		talk := make([]int16, 160)
		if frame%3 == 0 {
			talk = slices.Repeat([]int16{200, -200}, 80)
		}
		before := slices.Clone(talk)
		b.Mix(talk, music)
		for i := range talk {
			now := talk[i] - before[i]
			if d := int(now) - int(last); d > 120 || d < -120 {
				t.Fatalf("frame %d sample %d: level steps from %d to %d", frame, i, last, now)
			}
			last = now
		}
	}
	b.Mix(nil, nil)
	b.Mix(make([]int16, 10), make([]int16, 5))
}

func BenchmarkMix(b *testing.B) {
	var bed Bed
	talk, music := make([]int16, 160), slices.Repeat([]int16{8000}, 160)
	b.ReportAllocs()
	for b.Loop() {
		bed.Mix(talk, music)
	}
}
