package siptest

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestMatchFindsTheDelay(t *testing.T) {
	for name, s := range map[string]Source{"noise": Noise(3), "tune": Tune(3)} {
		signal := s.Render(200)
		for _, delay := range []int{-5000, -1, 0, 1, 777, 16000} {
			heard := make([]int16, len(signal)+20000)
			for i := range signal {
				if at := i + delay; at >= 0 {
					heard[at] = signal[i] / 3
				}
			}
			heard = PCMA.Decode(nil, PCMA.Encode(nil, heard))
			if m := Match(heard, signal); m.Delay != delay || m.Correlation < 0.98 {
				t.Errorf("%s at %d: %+v", name, delay, m)
			}
		}
	}
}

func TestMatchTellsSignalsApart(t *testing.T) {
	all := map[string][]int16{
		"tune 1": Tune(1).Render(250), "tune 2": Tune(2).Render(250), "noise": Noise(1).Render(250),
		"tone 440": Tone(440).Render(250), "tone 1000": Tone(1000).Render(250), "silence": make([]int16, 40000),
	}
	for a, x := range all {
		for b, y := range all {
			got := Match(x, y).Correlation
			if a == b && a != "silence" && got < 0.999 {
				t.Errorf("%s is like itself by %.3f", a, got)
			}
			if a != b && got > 0.5 {
				t.Errorf("%s is like %s by %.3f", a, b, got)
			}
		}
	}
	if m := Match(nil, all["noise"]); m != (Likeness{}) {
		t.Errorf("nothing heard: %+v", m)
	}
}

func TestSamples(t *testing.T) {
	s := make([]int16, 200)
	for i := range s {
		s[i] = int16(i + 1)
	}
	out := Samples(s).Render(3)
	for i, v := range out {
		want := int16(0)
		if i < len(s) {
			want = s[i]
		}
		if v != want {
			t.Fatalf("sample %d = %d, want %d", i, v, want)
		}
	}
}

func TestG711(t *testing.T) {
	for _, c := range []Codec{PCMU, PCMA} {
		for v := -32000; v <= 32000; v += 7 {
			got := int(c.Decode(nil, c.Encode(nil, []int16{int16(v)}))[0])
			if diff := max(got-v, v-got); diff > 16+max(v, -v)/16 {
				t.Fatalf("%v: %d became %d", c, v, got)
			}
		}
	}
}

// packet makes an RTP packet with one byte repeated.
func packet(pt byte, seq uint16, ts, ssrc uint32, fill byte) []byte {
	b := make([]byte, 12+FrameSize)
	b[0], b[1] = 0x80, pt
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range b[12:] {
		b[12+i] = fill
	}
	return b
}

func TestRecorderPlacesByRTPTime(t *testing.T) {
	start := time.Unix(1000, 0)
	d := &Dialog{p: &Phone{}, stream: &stream{}}
	r := &d.stream.heard
	at := func(n int) time.Time { return start.Add(time.Duration(n) * Frame) }
	r.packet(at(0), packet(0, 65535, 0xffffffff-159, 1, 0x10)) // wraps next
	r.packet(at(2), packet(0, 1, 160, 1, 0x30))
	r.packet(at(2), packet(0, 0, 0, 1, 0x20)) // late
	r.packet(at(3), packet(0, 0, 0, 1, 0x20)) // twice
	r.packet(at(4), packet(0, 3, 480, 1, 0x40))
	r.packet(at(5), packet(DTMF, 4, 640, 1, 0))
	r.packet(at(5), []byte{0x80, 0})
	r.packet(at(10), packet(8, 9, 9, 2, 0x50)) // another source: the clock says where
	h := d.Heard()
	if h.Packets != 5 || h.Duplicates != 1 || h.Reordered != 1 || h.Missing != 1 || h.Sources != 2 || h.Others != 1 || h.Malformed != 1 {
		t.Errorf("%d packets, %d duplicates, %d reordered, %d missing, %d sources, %d others, %d malformed",
			h.Packets, h.Duplicates, h.Reordered, h.Missing, h.Sources, h.Others, h.Malformed)
	}
	if h.Gap != 6*Frame || !h.First.Equal(at(0)) || !h.Last.Equal(at(10)) {
		t.Errorf("gap %v, from %v to %v", h.Gap, h.First, h.Last)
	}
	want := []byte{0x10, 0x20, 0x30, 0, 0x40, 0, 0, 0, 0, 0, 0x50}
	if len(h.Samples) != len(want)*FrameSize {
		t.Fatalf("%d samples", len(h.Samples))
	}
	for n, fill := range want {
		var sample int16
		switch {
		case fill == 0x50:
			sample = PCMA.Decode(nil, []byte{fill})[0]
		case fill != 0:
			sample = PCMU.Decode(nil, []byte{fill})[0]
		}
		if h.Samples[n*FrameSize] != sample || h.Samples[(n+1)*FrameSize-1] != sample {
			t.Errorf("frame %d = %d, want %d", n, h.Samples[n*FrameSize], sample)
		}
	}
}

func TestRTPPayload(t *testing.T) {
	base := packet(0, 1, 1, 1, 7)
	with := func(first byte, tail ...byte) []byte {
		b := append([]byte(nil), base...)
		b[0] = first
		return append(b, tail...)
	}
	for name, c := range map[string]struct {
		b    []byte
		size int
	}{
		"plain":             {base, 160},
		"one CSRC":          {with(0x81), 156},
		"padding":           {with(0xa0, 0, 0, 3), 160},
		"padding lies":      {with(0xa0, 255), -1},
		"extension lies":    {with(0x90), -1},
		"version 1":         {with(0x40), -1},
		"short":             {base[:11], -1},
		"extension cut off": {base[:12:12], 0},
	} {
		p, ok := rtpPayload(c.b)
		if ok != (c.size >= 0) || ok && len(p) != c.size {
			t.Errorf("%s: %d bytes, %v", name, len(p), ok)
		}
	}
}

func FuzzRTPPayload(f *testing.F) {
	f.Add(packet(0, 1, 1, 1, 7))
	f.Add([]byte{0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r recorder
		r.packet(time.Unix(0, 0), b)
		if p, ok := rtpPayload(b); ok && len(p) > len(b)-12 {
			t.Fatal("payload longer than the packet")
		}
	})
}
