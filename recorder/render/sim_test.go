package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/zaf/g711"

	"ringdown/media"
	"ringdown/recorder/format"
)

// sender is one party of a simulated call. Its audio is noise that depends on
// the sample's number only, so that any stretch of it can be found again.
type sender struct {
	side   media.Side
	start  time.Duration // of its first sample on our clock
	length time.Duration
	ppm    float64 // how much faster than ours its clock runs
	delay  time.Duration
	jitter time.Duration
	loss   float64
	dup    float64
	pt     uint8
	ssrc   uint32
	seq    uint16
	ts     uint32
	// silent reports that the sender says nothing at this time (no packets, the
	// timestamp goes on); frozen that not even the timestamp goes on.
	silent, frozen func(time.Duration) bool
	// turn, when not zero, changes SSRC, sequence and timestamp at that time.
	turn time.Duration
}

const frame = 160

// sent is one packet of the simulation and the truth about it.
type sent struct {
	format.Audio
	sample int64         // number of its first sample
	heard  time.Duration // when that sample is due on our clock
}

// noise is sample n of a side, as a G.711 byte.
func noise(side media.Side, n int64) byte {
	x := uint64(n)*0x9E3779B97F4A7C15 + uint64(side)*0xBF58476D1CE4E5B9
	x ^= x >> 29
	x *= 0x94D049BB133111EB
	return byte(x >> 40)
}

// packets plays the sender against the network; the order is that of arrival.
func (s sender) packets(rng *rand.Rand) []sent {
	var out []sent
	pace := float64(time.Second) / (Rate * (1 + s.ppm/1e6)) // our time for one of its samples
	ssrc, seq, ts, turned := s.ssrc, s.seq, s.ts, false
	for n := int64(0); ; n += frame {
		at := s.start + time.Duration(float64(n)*pace)
		if at >= s.start+s.length {
			break
		}
		if s.turn > 0 && at >= s.turn && !turned {
			ssrc, seq, ts, turned = ssrc+1, seq+20000, ts+1<<30, true
		}
		if s.frozen != nil && s.frozen(at) {
			continue
		}
		if s.silent != nil && s.silent(at) {
			ts += frame
			continue
		}
		p := sent{sample: n, heard: at + s.delay}
		p.Audio = format.Audio{Side: s.side, PT: s.pt, Seq: seq, TS: ts, SSRC: ssrc, Payload: make([]byte, frame)}
		for i := range p.Payload {
			p.Payload[i] = noise(s.side, n+int64(i))
		}
		seq++
		ts += frame
		p.At = p.heard + time.Duration(rng.Float64()*float64(s.jitter))
		if rng.Float64() < s.loss {
			continue
		}
		out = append(out, p)
		if rng.Float64() < s.dup {
			p.At += 3 * time.Millisecond
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b sent) int { return int(a.At - b.At) })
	return out
}

// recording makes the segments of a call from what its senders sent.
func recording(t testing.TB, length time.Duration, head []format.Record, streams ...[]sent) func() (*format.Reader, error) {
	t.Helper()
	var all []sent
	for _, s := range streams {
		all = append(all, s...)
	}
	slices.SortStableFunc(all, func(a, b sent) int { return int(a.At - b.At) })
	records := slices.Clone(head)
	for _, p := range all {
		records = append(records, p.Audio)
	}
	if length >= 0 {
		records = append(records, format.End{Reason: format.ReasonClosed, Duration: length})
	}
	return reader(t, records)
}

func reader(t testing.TB, records []format.Record) func() (*format.Reader, error) {
	t.Helper()
	var segments [][]byte
	var w format.Writer
	for _, r := range records {
		b, err := format.Append(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(0)
		if a, ok := r.(format.Audio); ok {
			at = a.At
		}
		if !w.Add(b, at) {
			segments = append(segments, bytes.Clone(w.Take()))
			w.Add(b, at)
		}
	}
	segments = append(segments, bytes.Clone(w.Take()))
	return func() (*format.Reader, error) {
		n := 0
		return format.NewReader(func() ([]byte, error) {
			if n == len(segments) {
				return nil, io.EOF
			}
			n++
			return segments[n-1], nil
		}), nil
	}
}

// described gives both sides the usual map.
func described() []format.Record {
	set := []media.Format{{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {PT: 8, Name: "PCMA", Clock: 8000, Channels: 1}, {PT: 13, Name: "CN", Clock: 8000, Channels: 1}}
	return []format.Record{
		format.Formats{Side: media.Caller, Set: set},
		format.Formats{Side: media.Callee, Set: set},
	}
}

// rendered runs WAV and returns the samples of each channel.
func rendered(t testing.TB, open func() (*format.Reader, error), channels string) [][]int16 {
	t.Helper()
	var out bytes.Buffer
	if err := WAV(context.Background(), &out, open, channels); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	n := int(binary.LittleEndian.Uint16(b[22:]))
	if size := int(binary.LittleEndian.Uint32(b[40:])); size != len(b)-44 {
		t.Fatalf("header says %d bytes of sound, there are %d", size, len(b)-44)
	}
	got := make([][]int16, n)
	for i := 44; i+1 < len(b); i += 2 {
		c := (i - 44) / 2 % n
		got[c] = append(got[c], int16(binary.LittleEndian.Uint16(b[i:])))
	}
	return got
}

// sound is what the channel must hold where the packet's middle sounds.
func (p sent) sound(from, n int) []int16 {
	decode := g711.DecodeUlawFrame
	if p.PT == 8 {
		decode = g711.DecodeAlawFrame
	}
	out := make([]int16, n)
	for i := range out {
		out[i] = decode(p.Payload[from+i])
	}
	return out
}

// alignment finds every third packet in a channel and returns how far the worst is
// from where it is due, in samples, and how many were not found within 100 ms.
func alignment(channel []int16, packets []sent) (worst, missing int) {
	const from, n, stride = 60, 40, 3
	for i := 0; i < len(packets); i += stride {
		p := packets[i]
		due := int(samples(p.heard)) + from
		if due+n+800 > len(channel) {
			continue // its end may be beyond the call
		}
		want := p.sound(from, n)
		off, ok := find(channel, want, due, 800)
		if !ok {
			missing++
			continue
		}
		worst = max(worst, off, -off)
	}
	return worst, missing
}

// find looks for a stretch of sound nearest to where it is due.
func find(channel, want []int16, due, reach int) (int, bool) {
	for d := range reach {
		for _, off := range [2]int{d, -d} {
			if at := due + off; at >= 0 && at+len(want) <= len(channel) && slices.Equal(channel[at:at+len(want)], want) {
				return off, true
			}
		}
	}
	return 0, false
}
