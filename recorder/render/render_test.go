package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
	"ringdown/recorder/format"
)

const within = Rate * 20 / 1000 // 20 ms

// check renders a call and holds both channels against the truth.
func check(t *testing.T, length time.Duration, lossless bool, senders ...sender) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	streams := make([][]sent, len(senders))
	for i, s := range senders {
		streams[i] = s.packets(rng)
	}
	got := rendered(t, recording(t, length, described(), streams...), Dual)
	for c, channel := range got {
		if int64(len(channel)) != samples(length) {
			t.Errorf("channel %d has %d samples, the call %d", c+1, len(channel), samples(length))
		}
	}
	for i, s := range senders {
		worst, missing := alignment(got[index(s.side)], streams[i])
		t.Logf("%v: worst %.1f ms of %d packets, %d missing", s.side, float64(worst)/8, len(streams[i]), missing)
		if worst > within {
			t.Errorf("%v: a packet is %d samples off", s.side, worst)
		}
		if lossless && missing > 0 || missing > len(streams[i])/150 {
			t.Errorf("%v: %d of %d packets are not where they belong", s.side, missing, len(streams[i]))
		}
	}
}

func TestPlacesBothSides(t *testing.T) {
	const length = 2 * time.Minute
	base := func(change func(caller, callee *sender)) []sender {
		caller := sender{side: media.Caller, start: 100 * time.Millisecond, length: length, delay: 30 * time.Millisecond, ssrc: 1, seq: 100, ts: 5000}
		callee := sender{side: media.Callee, start: 2 * time.Second, length: length, delay: 50 * time.Millisecond, ssrc: 2, pt: 8}
		change(&caller, &callee)
		return []sender{caller, callee}
	}
	for _, c := range []struct {
		name     string
		lossless bool
		change   func(caller, callee *sender)
	}{
		{"plain", true, func(caller, callee *sender) {}},
		{"sequence and timestamp wrap", true, func(caller, callee *sender) { caller.seq, caller.ts = 65000, 1<<32-80000 }},
		{"clocks 200 ppm apart from ours", true, func(caller, callee *sender) { caller.ppm, callee.ppm = 200, -200 }},
		{"loss of 20 %", true, func(caller, callee *sender) { caller.loss, callee.loss = .2, .05 }},
		{"jitter of 80 ms, which reorders", true, func(caller, callee *sender) {
			caller.jitter, callee.jitter = 80*time.Millisecond, 40*time.Millisecond
		}},
		{"duplicates", true, func(caller, callee *sender) { caller.dup, callee.dup = .05, .5 }},
		{"late start", true, func(caller, callee *sender) { callee.start = 45 * time.Second }},
		{"new SSRC in the middle", false, func(caller, callee *sender) { caller.turn = 40 * time.Second }},
		{"silence suppression", true, func(caller, callee *sender) {
			caller.silent = func(at time.Duration) bool { return at/(7*time.Second)%2 == 1 }
		}},
		{"one side silent for a minute", true, func(caller, callee *sender) {
			callee.silent = func(at time.Duration) bool { return at > 20*time.Second && at < 80*time.Second }
		}},
		{"hold with a timestamp that stands still", false, func(caller, callee *sender) {
			caller.frozen = func(at time.Duration) bool { return at > 30*time.Second && at < 50*time.Second }
		}},
		{"all at once", false, func(caller, callee *sender) {
			caller.ppm, caller.jitter, caller.loss, caller.dup = 150, 60*time.Millisecond, .05, .05
			callee.ppm, callee.jitter, callee.loss = -150, 80*time.Millisecond, .1
			callee.seq, callee.ts, callee.turn = 65500, 1<<32-1000, 70*time.Second
		}},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, length, c.lossless, base(c.change)...) })
	}
}

func TestPlacesAnyCall(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(side media.Side) sender {
			ms := func(name string, most int) time.Duration {
				return time.Duration(rapid.IntRange(0, most).Draw(rt, name)) * time.Millisecond
			}
			return sender{
				side: side, length: 30 * time.Second, ssrc: uint32(side),
				start: ms("start", 5000), delay: ms("delay", 200), jitter: ms("jitter", 80),
				ppm:  float64(rapid.IntRange(-200, 200).Draw(rt, "ppm")),
				loss: float64(rapid.IntRange(0, 20).Draw(rt, "loss")) / 100,
				dup:  float64(rapid.IntRange(0, 5).Draw(rt, "dup")) / 100,
				seq:  rapid.Uint16().Draw(rt, "seq"), ts: rapid.Uint32().Draw(rt, "ts"),
			}
		}
		length := time.Duration(rapid.IntRange(1, 25_000_000).Draw(rt, "length µs")) * time.Microsecond
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		caller, callee := draw(media.Caller).packets(rng), draw(media.Callee).packets(rng)
		got := rendered(t, recording(t, length, described(), caller, callee), Dual)
		for c, packets := range [][]sent{caller, callee} {
			if int64(len(got[c])) != samples(length) {
				rt.Fatalf("%d samples for a call of %v", len(got[c]), length)
			}
			if worst, missing := alignment(got[c], packets); worst > within || missing > 0 {
				rt.Fatalf("channel %d: worst %d samples, %d of %d missing", c+1, worst, missing, len(packets))
			}
		}
	})
}

// A stall of the network delays packets but not speech: what comes in a burst
// belongs where it was spoken.
func TestBurstAfterAStall(t *testing.T) {
	s := sender{side: media.Caller, length: 30 * time.Second, ssrc: 1}
	packets := s.packets(rand.New(rand.NewPCG(1, 1)))
	for i, p := range packets {
		if p.At > 10*time.Second && p.At < 13*time.Second {
			packets[i].At = 13 * time.Second
		}
	}
	got := rendered(t, recording(t, 30*time.Second, described(), packets), Dual)
	if worst, missing := alignment(got[0], packets); worst > within || missing > 0 {
		t.Errorf("worst %d samples, %d missing", worst, missing)
	}
}

// A sender that spoke before the recording began, and whose first packet came
// late, is in its place from the first sample on: nothing is moved there bit by
// bit, which would bend the sound of the first seconds.
func TestSpokenBeforeTheBeginning(t *testing.T) {
	const early = 30 * time.Millisecond
	packets := sender{side: media.Caller, start: -early, length: 5 * time.Second, ssrc: 1}.packets(rand.New(rand.NewPCG(1, 1)))
	packets = packets[1:] // nobody listened yet
	packets[0].At = time.Millisecond
	got := rendered(t, recording(t, 4*time.Second, described(), packets), Dual)[0]
	var want []int16
	for _, p := range packets {
		want = append(want, p.sound(0, frame)...)
	}
	want = want[samples(early)-frame:] // what is due at time zero
	for i, v := range got {
		if v != want[i] {
			t.Fatalf("sample %d is not what was spoken then", i)
		}
	}
}

// A sender that hiccups, and is a few milliseconds late from then on, is left
// where it was: to follow it would stretch its sound for seconds.
func TestHiccupDoesNotBendTheSound(t *testing.T) {
	packets := sender{side: media.Caller, length: 20 * time.Second, ssrc: 1}.packets(rand.New(rand.NewPCG(1, 1)))
	var want []int16
	for i, p := range packets {
		want = append(want, p.sound(0, frame)...)
		if p.At > 2300*time.Millisecond {
			packets[i].At += 18 * time.Millisecond
		}
	}
	got := rendered(t, recording(t, 20*time.Second, described(), packets), Dual)[0]
	for i, v := range got {
		if v != want[i] {
			t.Fatalf("sample %d is not what was spoken then", i)
		}
	}
}

// What is nowhere in the recording is silence, and nothing of one side is heard
// on the other's channel.
func TestSilenceIsSilence(t *testing.T) {
	s := sender{side: media.Callee, start: 3 * time.Second, length: 2 * time.Second, ssrc: 1}
	got := rendered(t, recording(t, 8*time.Second, described(), s.packets(rand.New(rand.NewPCG(1, 1)))), Dual)
	loud := func(from, to time.Duration, channel []int16) (n int) {
		for _, v := range channel[samples(from):samples(to)] {
			if v != 0 {
				n++
			}
		}
		return n
	}
	if n := loud(0, 8*time.Second, got[0]); n > 0 {
		t.Errorf("caller said nothing and has %d samples", n)
	}
	if a, b := loud(0, 3*time.Second, got[1]), loud(5*time.Second, 8*time.Second, got[1]); a+b > 0 {
		t.Errorf("callee: %d samples before it began, %d after it ended", a, b)
	}
	if n := loud(3*time.Second, 5*time.Second, got[1]); n < 15000 {
		t.Errorf("callee: only %d samples of two seconds", n)
	}
}

// Every second packet is comfort noise with a level that must not be heard.
func TestComfortNoiseIsSilent(t *testing.T) {
	packets := sender{side: media.Caller, length: 2 * time.Second, ssrc: 1}.packets(rand.New(rand.NewPCG(1, 1)))
	for i := range packets {
		if i >= 50 {
			packets[i].PT, packets[i].Payload = 13, []byte{0x23}
		}
	}
	got := rendered(t, recording(t, 2*time.Second, described(), packets), Dual)
	for i, v := range got[0][Rate:] {
		if v != 0 {
			t.Fatalf("sample %d is %d", Rate+i, v)
		}
	}
}

func TestMonoIsTheSumOfBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	a := sender{side: media.Caller, length: time.Second, ssrc: 1}.packets(rng)
	b := sender{side: media.Callee, length: time.Second, ssrc: 2}.packets(rng)
	open := recording(t, time.Second, described(), a, b)
	dual, mono := rendered(t, open, Dual), rendered(t, open, Mono)
	if len(mono) != 1 || len(mono[0]) != len(dual[0]) {
		t.Fatalf("%d channels", len(mono))
	}
	clipped := 0
	for i, v := range mono[0] {
		sum := int(dual[0][i]) + int(dual[1][i])
		if sum > 32767 || sum < -32768 {
			clipped++
			sum = max(min(sum, 32767), -32768)
		}
		if int(v) != sum {
			t.Fatalf("sample %d is %d, the sum %d", i, v, sum)
		}
	}
	if clipped == 0 {
		t.Error("the noise never clips: the test shows too little")
	}
}

func TestCodecErrorNamesSideAndCodec(t *testing.T) {
	g729 := format.Formats{Side: media.Callee, Set: []media.Format{{PT: 18, Name: "G729", Clock: 8000, Channels: 1}}}
	audio := func(side media.Side, pt uint8) format.Record {
		return format.Audio{Side: side, PT: pt, Payload: []byte{1}}
	}
	end := format.End{Duration: time.Second}
	for _, c := range []struct {
		name    string
		records []format.Record
		want    string
	}{
		{"G729", []format.Record{g729, audio(media.Callee, 18), audio(media.Callee, 18), end},
			"callee spoke G729: kept in the file, not decodable to WAV"},
		{"wide PCMU", []format.Record{format.Formats{Side: media.Caller, Set: []media.Format{{PT: 96, Name: "PCMU", Clock: 16000}}}, audio(media.Caller, 96), end},
			"caller spoke PCMU/16000/1: kept in the file, not decodable to WAV"},
		{"no description", []format.Record{audio(media.Caller, 97), end},
			"caller spoke payload type 97: kept in the file, not decodable to WAV"},
		{"both", []format.Record{g729, audio(media.Callee, 18), audio(media.Caller, 97), end},
			"callee spoke G729: kept in the file, not decodable to WAV\ncaller spoke payload type 97: kept in the file, not decodable to WAV"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := WAV(context.Background(), &out, reader(t, c.records), Dual)
			var codec *CodecError
			if !errors.As(err, &codec) || err.Error() != c.want {
				t.Errorf("error is %v", err)
			}
			if out.Len() > 0 {
				t.Errorf("%d bytes written all the same", out.Len())
			}
		})
	}
}

// A described codec that never spoke is no reason to refuse.
func TestUnusedCodecsDoNotMatter(t *testing.T) {
	head := append(described(), format.Formats{Side: media.Caller, More: true, Set: []media.Format{{PT: 18, Name: "G729"}}})
	got := rendered(t, recording(t, time.Second, head, sender{side: media.Caller, length: time.Second, ssrc: 1}.packets(rand.New(rand.NewPCG(1, 1)))), Dual)
	if len(got[0]) != Rate {
		t.Errorf("%d samples", len(got[0]))
	}
}

func TestUnfinishedIsRefused(t *testing.T) {
	err := WAV(context.Background(), &bytes.Buffer{}, recording(t, -1, described()), Dual)
	if !errors.Is(err, ErrUnfinished) {
		t.Errorf("error is %v", err)
	}
	if err := WAV(context.Background(), &bytes.Buffer{}, recording(t, 0, described()), "stereo"); err == nil {
		t.Error("channels \"stereo\" accepted")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WAV(ctx, &bytes.Buffer{}, recording(t, time.Hour, described()), Dual); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// broken accepts n writes.
type broken struct{ n int }

func (b *broken) Write(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriterErrorsComeOut(t *testing.T) {
	for n := range 3 {
		err := WAV(context.Background(), &broken{n}, recording(t, time.Minute, described()), Dual)
		if err == nil || err.Error() != "wav: disk full" {
			t.Errorf("after %d writes: %v", n, err)
		}
	}
}

func TestWAVHeader(t *testing.T) {
	le := binary.LittleEndian
	small := wavHeader(2, 8000)
	if len(small) != 44 || string(small[:4]) != "RIFF" || le.Uint32(small[4:]) != 36+32000 || le.Uint32(small[28:]) != 32000 {
		t.Errorf("small header %q", small)
	}
	const total = 40 * 3600 * Rate // 40 hours: 4.6 GB
	big := wavHeader(2, total)
	if string(big[:4]) != "RF64" || le.Uint64(big[20:]) != uint64(len(big)-8)+total*4 ||
		le.Uint64(big[28:]) != total*4 || le.Uint64(big[36:]) != total || string(big[len(big)-8:]) != "data\xff\xff\xff\xff" {
		t.Errorf("big header %q", big)
	}
}

// A party that starts its count over with each packet must not cost memory
// without end.
func TestRunsAreBounded(t *testing.T) {
	var tr tracker
	for i := range 2 * maxRuns {
		_, ok := tr.place(format.Audio{SSRC: uint32(i)}, Rate)
		if ok != (i < maxRuns) {
			t.Fatalf("packet %d placed: %v", i, ok)
		}
	}
	if len(tr.streams) > maxStreams {
		t.Errorf("%d streams remembered", len(tr.streams))
	}
}

// A 4 hour call must not be held in memory: what the lanes hold stays small
// when one side is silent throughout.
func TestMemoryIsBounded(t *testing.T) {
	var lanes [2]*lane
	for i := range lanes {
		lanes[i] = &lane{}
	}
	m := newMixer(&broken{1 << 30}, Dual, samples(4*time.Hour))
	most := 0
	for at := time.Duration(0); at < 4*time.Hour; at += time.Minute {
		lanes[0].silence(samples(at)) // this side has sound, the other has not
		if err := m.advance(context.Background(), lanes, at); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(lanes[0].out), len(lanes[1].out))
	}
	if most > Rate*11 {
		t.Errorf("a lane held %d s of sound", most/Rate)
	}
}

func BenchmarkWAV(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	caller := sender{side: media.Caller, length: time.Minute, ssrc: 1, jitter: 20 * time.Millisecond}.packets(rng)
	callee := sender{side: media.Callee, length: time.Minute, ssrc: 2, pt: 8, ppm: 50}.packets(rng)
	open := recording(b, time.Minute, described(), caller, callee)
	b.ReportAllocs()
	for b.Loop() {
		if err := WAV(context.Background(), &broken{1 << 30}, open, Dual); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/minute")
}
