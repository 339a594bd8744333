package render

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
	"ringdown/recorder/format"
)

// One packet after another of the same SSRC: does the second go on with the
// count of the first?
func TestTrackerTellsAJumpFromAGap(t *testing.T) {
	const frameMS = 20
	for _, c := range []struct {
		name    string
		seq, ts int           // difference to the packet before
		after   time.Duration // time between their arrivals
		same    bool
	}{
		{"next", 1, 160, frameMS * time.Millisecond, true},
		{"duplicate", 0, 0, time.Millisecond, true},
		{"overtaken", -3, -480, time.Millisecond, true},
		{"fifty lost", 51, 51 * 160, 51 * frameMS * time.Millisecond, true},
		{"ten seconds of silence suppressed", 1, 80000, 10 * time.Second, true},
		{"stall of five seconds", 1, 160, 5 * time.Second, true},
		{"timestamp stood still for a minute", 1, 160, time.Minute, true},
		{"timestamp began anew", 1, -1 << 20, frameMS * time.Millisecond, false},
		{"timestamp leapt a minute", 1, 480000, frameMS * time.Millisecond, false},
		{"timestamp leapt by half of its range", 1, 1 << 30, frameMS * time.Millisecond, false},
		{"sequence began anew", -20000, 160, frameMS * time.Millisecond, false},
		{"sequence leapt", 4000, 160, frameMS * time.Millisecond, false},
		{"timestamp went back with the sequence going on", 1, -8000 * 5, 3 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tr tracker
			first := format.Audio{SSRC: 5, Seq: 65530, TS: 1<<32 - 100, At: time.Hour}
			a, _ := tr.place(first, Rate)
			second := format.Audio{SSRC: 5, Seq: first.Seq + uint16(c.seq), TS: first.TS + uint32(c.ts), At: first.At + c.after}
			b, _ := tr.place(second, Rate)
			if (a.run == b.run) != c.same {
				t.Fatalf("places %+v and %+v", a, b)
			}
			if c.same && (b.seq-a.seq != int64(c.seq) || b.ts-a.ts != int64(c.ts)) {
				t.Errorf("places %+v and %+v", a, b)
			}
		})
	}
}

// Two senders at a time (a fork, a conference) keep a run each.
func TestTrackerKeepsSendersApart(t *testing.T) {
	var tr tracker
	runs := map[uint32]int{}
	for i := range 1000 {
		ssrc := uint32(i % 3)
		p, ok := tr.place(format.Audio{SSRC: ssrc, Seq: uint16(i / 3), TS: uint32(i / 3 * 160), At: time.Duration(i/3) * 20 * time.Millisecond}, Rate)
		if run, seen := runs[ssrc]; !ok || seen && run != p.run {
			t.Fatalf("packet %d is in run %d, its sender's was %d", i, p.run, run)
		}
		runs[ssrc] = p.run
	}
	if tr.runs != 3 {
		t.Errorf("%d runs for three senders", tr.runs)
	}
	if p, _ := tr.place(format.Audio{SSRC: 1, Seq: 400, TS: 400 * 160, At: 8 * time.Second}, 16000); p.run != 3 {
		t.Errorf("another clock rate goes on in run %d", p.run)
	}
}

// The slope of a clock is found through jitter, and not invented for a short run.
func TestClockFindsTheDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	build := func(length time.Duration, ppm float64, jitter time.Duration) *clock {
		var clocks []*clock
		for n := int64(0); ; n++ {
			at := time.Duration(float64(n) * 20e6 * (1 + ppm/1e6))
			if at > length {
				clocks[0].settle()
				return clocks[0]
			}
			arrival := at + time.Duration(rng.Float64()*float64(jitter))
			clocks = learn(clocks, place{seq: n, ts: n * 160}, arrival, Rate)
		}
	}
	for _, ppm := range []float64{-200, -30, 0, 30, 200} {
		c := build(5*time.Minute, ppm, 60*time.Millisecond)
		if got := c.slope * 1e6; got < ppm-10 || got > ppm+10 {
			t.Errorf("%.0f ppm: found %.1f", ppm, got)
		}
	}
	if c := build(10*time.Second, 200, 60*time.Millisecond); c.slope != 0 {
		t.Errorf("a slope of %.0f ppm out of ten seconds", c.slope*1e6)
	}
	if c := build(5*time.Minute, 5000, 0); c.slope != 0 {
		t.Errorf("a telephone that is wrong by %.0f ppm", c.slope*1e6)
	}
}

// A clock never says that something was heard after it arrived, nor long before
// the network could have held it.
func TestHeardIsNeverAfterArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var clocks []*clock
		jitter := rapid.IntRange(0, 100).Draw(t, "jitter ms")
		type packet struct {
			ts int64
			at time.Duration
		}
		var sent []packet
		at := time.Duration(0)
		for n := range rapid.IntRange(1, 2000).Draw(t, "packets") {
			delay := time.Duration((n*7919)%(jitter+1)) * time.Millisecond
			p := packet{int64(n) * 160, max(at, time.Duration(n)*20*time.Millisecond+delay)}
			at = p.at
			sent = append(sent, p)
			clocks = learn(clocks, place{seq: int64(n), ts: p.ts}, p.at, Rate)
		}
		clocks[0].settle()
		for _, p := range sent {
			early := p.at - clocks[0].heard(p.ts, p.at)
			// The slope is a guess; over a window it moves a millisecond.
			if early < -2*time.Millisecond || early > time.Duration(jitter+5)*time.Millisecond {
				t.Fatalf("heard %v before it arrived, with a jitter of %d ms", early, jitter)
			}
		}
	})
}

// Drift is corrected by a sample now and then: between two corrections the
// sound is untouched, and no packet is changed by more than one sample.
func TestDriftCostsOneSampleAPacketAtMost(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		s := sender{side: media.Caller, length: 2 * time.Minute, ppm: ppm, ssrc: 1}
		packets := s.packets(rand.New(rand.NewPCG(1, 1)))
		channel := rendered(t, recording(t, 2*time.Minute, described(), packets), Dual)[0]
		off, corrections := 0, 0
		for _, p := range packets[:len(packets)-10] {
			want := p.sound(10, 140)
			got, ok := find(channel, want, int(p.sample)+10+off, 3)
			if !ok || got > 1 || got < -1 {
				t.Fatalf("%v ppm: packet at sample %d moved by %d (found %v)", ppm, p.sample, got, ok)
			}
			if got != 0 {
				corrections++
				off += got
			}
		}
		// 200 ppm of two minutes is 192 samples.
		if corrections < 150 || corrections > 230 {
			t.Errorf("%v ppm: %d corrections", ppm, corrections)
		}
	}
}

func TestCodecs(t *testing.T) {
	var f formats
	f.set(format.Formats{Set: []media.Format{
		{PT: 96, Name: "pcma", Clock: 8000, Channels: 1}, {PT: 97, Name: "OPUS", Clock: 48000, Channels: 2}, {PT: 98, Name: "CN", Clock: 8000},
		{PT: 99, Name: "PCMU", Clock: 8000, Channels: 2}, {PT: 100}, {PT: 200, Name: "X"},
	}})
	f.set(format.Formats{More: true, Set: []media.Format{{PT: 101, Name: "G722"}}})
	for _, c := range []struct {
		pt      uint8
		name    string
		clock   int
		decodes bool
		quiet   bool
	}{
		{0, "PCMU", 8000, true, false}, {8, "PCMA", 8000, true, false}, {13, "CN", 8000, true, true},
		{96, "PCMA", 8000, true, false}, {97, "OPUS", 48000, false, false}, {98, "CN", 8000, true, true},
		{99, "PCMU/8000/2", 8000, false, false}, {100, "payload type 100", 8000, false, false},
		{101, "G722", 8000, false, false}, {102, "payload type 102", 8000, false, false},
	} {
		got := f.codec(c.pt)
		if got.name != c.name || got.clock != c.clock || (got.decode != nil) != c.decodes || got.quiet != c.quiet {
			t.Errorf("payload type %d: %+v", c.pt, got)
		}
	}
	f.set(format.Formats{})
	if got := f.codec(97); got.name != "payload type 97" {
		t.Errorf("after a new map payload type 97 is still %s", got.name)
	}
}

func TestSamples(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		0: 0, 62 * time.Microsecond: 0, 63 * time.Microsecond: 1, 125 * time.Microsecond: 1, time.Second: 8000,
		time.Hour + 125*time.Microsecond: 3600*8000 + 1, 1<<48*time.Microsecond - time.Microsecond: 2251799813685,
	} {
		if got := samples(d); got != want {
			t.Errorf("%v: %d samples, want %d", d, got, want)
		}
	}
}

// A malformed segment is passed over, heard as silence, and told at the end.
func TestMalformedSegments(t *testing.T) {
	packets := sender{side: media.Caller, length: 10 * time.Second, ssrc: 1}.packets(rand.New(rand.NewPCG(1, 1)))
	whole := recording(t, 10*time.Second, described(), packets)
	open := func() (*format.Reader, error) {
		r, err := whole()
		n := 0
		return format.NewReader(func() ([]byte, error) {
			plain, err := segmentOf(r)
			if n++; n == 5 && err == nil {
				plain = make([]byte, format.Plain)
			}
			return plain, err
		}), err
	}
	var out bytes.Buffer
	err := WAV(context.Background(), &out, open, Dual)
	if !errors.Is(err, format.ErrRecord) || out.Len() != 44+10*Rate*4 {
		t.Errorf("%v after %d bytes", err, out.Len())
	}
}

// segmentOf packs the next records of a reader into a segment of their own.
func segmentOf(r *format.Reader) ([]byte, error) {
	var w format.Writer
	for range 10 {
		rec, err := r.Next()
		if err == io.EOF && !w.Empty() {
			break
		}
		if err != nil {
			return nil, err
		}
		if _, head := rec.(format.Head); head {
			continue
		}
		b, err := format.Append(nil, rec)
		if err != nil {
			return nil, err
		}
		w.Add(b, 0)
	}
	return bytes.Clone(w.Take()), nil
}

// Errors of the source come out of either pass.
func TestSourceErrorsComeOut(t *testing.T) {
	gone := errors.New("disk is gone")
	good := recording(t, time.Second, described())
	for fails := range 2 {
		passes := 0
		err := WAV(context.Background(), io.Discard, func() (*format.Reader, error) {
			if passes++; passes > fails {
				return nil, gone
			}
			return good()
		}, Dual)
		if !errors.Is(err, gone) {
			t.Errorf("pass %d: %v", fails+1, err)
		}
	}
	reader := format.NewReader(func() ([]byte, error) { return nil, gone })
	if err := WAV(context.Background(), io.Discard, func() (*format.Reader, error) { return reader, nil }, Mono); !errors.Is(err, gone) {
		t.Errorf("while reading: %v", err)
	}
}

// Whatever the records say, the output is as long as END says and nothing panics.
func TestAnyRecordsRender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(0, 5_000_000).Draw(t, "length µs")) * time.Microsecond
		records := described()
		for range rapid.IntRange(0, 60).Draw(t, "packets") {
			records = append(records, format.Audio{
				Side: media.Side(rapid.IntRange(1, 2).Draw(t, "side")), PT: rapid.SampledFrom([]uint8{0, 8, 13}).Draw(t, "pt"),
				Seq: rapid.Uint16().Draw(t, "seq"), TS: rapid.Uint32().Draw(t, "ts"), SSRC: rapid.Uint32Range(0, 2).Draw(t, "ssrc"),
				At:      time.Duration(rapid.IntRange(0, 20_000_000).Draw(t, "at µs")) * time.Microsecond,
				Payload: rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "payload"),
			})
		}
		records = append(records, format.End{Duration: length})
		var w bytes.Buffer
		if err := WAV(context.Background(), &w, readerOf(records), Dual); err != nil {
			t.Fatal(err)
		}
		if got := int64(w.Len()-44) / 4; got != samples(length) {
			t.Fatalf("%d samples for %v", got, length)
		}
	})
}

// readerOf puts every record into a segment of its own.
func readerOf(records []format.Record) func() (*format.Reader, error) {
	return func() (*format.Reader, error) {
		left := records
		return format.NewReader(func() ([]byte, error) {
			if len(left) == 0 {
				return nil, io.EOF
			}
			var w format.Writer
			b, err := format.Append(nil, left[0])
			if err != nil {
				return nil, err
			}
			left = left[1:]
			w.Add(b, 0)
			return bytes.Clone(w.Take()), nil
		}), nil
	}
}
