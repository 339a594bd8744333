package codec

import (
	"encoding/hex"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/zaf/g711"

	"ringdown/media"
)

var (
	fPCMU = media.Format{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}
	fPCMA = media.Format{PT: 8, Name: "PCMA", Clock: 8000, Channels: 1}
	fG722 = media.Format{PT: 9, Name: "G722", Clock: 8000, Channels: 1}
	fOpus = media.Format{PT: 111, Name: "OPUS", Clock: 48000, Channels: 2}
	all   = []media.Format{fPCMU, fPCMA, fG722, fOpus}
)

func TestKnown(t *testing.T) {
	for _, f := range all {
		if !Known(f) || Rate(f) == 0 {
			t.Errorf("%s is not known", f.Name)
		}
	}
	for _, f := range []media.Format{
		{Name: "G729", Clock: 8000, Channels: 1}, {Name: "PCMU", Clock: 16000, Channels: 1}, {Name: "PCMA", Clock: 8000, Channels: 2},
		{Name: "OPUS", Clock: 8000, Channels: 1}, {Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}, {},
	} {
		if Known(f) || Rate(f) != 0 {
			t.Errorf("%s/%d/%d is known", f.Name, f.Clock, f.Channels)
		}
		if _, err := NewDecoder(f, 8000); !errors.Is(err, ErrUnknown) {
			t.Errorf("decoder of %s/%d/%d: %v", f.Name, f.Clock, f.Channels, err)
		}
		if _, err := NewEncoder(f, 8000); !errors.Is(err, ErrUnknown) {
			t.Errorf("encoder of %s/%d/%d: %v", f.Name, f.Clock, f.Channels, err)
		}
	}
}

// Each sample has the code that the library gives it, by our shorter table.
func TestG711Tables(t *testing.T) {
	u, a := muLawCode(), aLawCode()
	for s := -32768; s <= 32767; s++ {
		i := uint16(int16(s)) >> 2
		if got, want := u[i], g711.EncodeUlawFrame(int16(s)); got != want {
			t.Fatalf("PCMU of %d is %d, want %d", s, got, want)
		}
		if got, want := a[i], g711.EncodeAlawFrame(int16(s)); got != want {
			t.Fatalf("PCMA of %d is %d, want %d", s, got, want)
		}
	}
	for i := range 256 {
		if MuLaw()[i] != g711.DecodeUlawFrame(uint8(i)) || ALaw()[i] != g711.DecodeAlawFrame(uint8(i)) {
			t.Fatalf("byte %d is decoded to another sample", i)
		}
	}
}

// What another implementation (ffmpeg) makes of the same samples: a ramp of
// tones, loud enough to reach every table. bench/interop has it at length.
func TestG722IsBitExact(t *testing.T) {
	pcm := make([]int16, 480)
	for i := range pcm {
		x := float64(i) / 16000
		pcm[i] = int16(15000*math.Sin(2*math.Pi*(300+9000*x)*x) + 9000*math.Sin(2*math.Pi*5100*x))
	}
	const code = "b716882084a0a02023a626a6a527aa2d36be1911900e8c8d0c8e5316be3736ae2ceca92cee7037bf5c539451cf9313d65d1df87071ab2f71ee35f8fa18d5544f951454db3ffbf132ef6f74b075debe15d2d712d65c58b97473ae31f1f17b9edf539852539e5bbbf433f2ed74b27cdb9e53d4d514da743cae7173f2375bf91295d755dc7b5fab37f3b0fa9cfe4e9b5851f979faab39f27316ff59cebf1857ed79f3ef1eb57c529c53d8fa3ff7ec35b4f4d49958cff41afbee39f27255be1753f81a5e6b1eef3718dc5ad1fb18ffec34747252bd1a52bbdefa6b3eb8f350da5ed3b13cf8ec7adaf8119a3b566e76fab318"
	got := newG722Encoder().Encode(nil, pcm)
	if hex.EncodeToString(got) != code {
		t.Errorf("encoded to\n%x\nwant\n%s", got, code)
	}
}

// roundTrip codes pcm, at the codec's own rate, in frames.
func roundTrip(t *testing.T, f media.Format, rate int, frame time.Duration, pcm []int16) []int16 {
	t.Helper()
	enc, err := NewEncoder(f, rate)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder(f, rate)
	if err != nil {
		t.Fatal(err)
	}
	if enc.Rate() != rate || dec.Rate() != rate {
		t.Fatalf("%s works at %d and %d Hz, want %d", f.Name, enc.Rate(), dec.Rate(), rate)
	}
	size := samples(frame, rate)
	var out []int16
	buf := make([]int16, samples(MaxFrame, rate))
	var payload []byte
	for i := 0; i+size <= len(pcm); i += size {
		payload = enc.Encode(payload[:0], pcm[i:i+size])
		n, err := dec.Decode(buf, payload)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if n != size {
			t.Fatalf("%s: %d samples of %d came back", f.Name, n, size)
		}
		out = append(out, buf[:n]...)
	}
	return out
}

func TestCodecsKeepTheVoice(t *testing.T) {
	for _, c := range []struct {
		f     media.Format
		rate  int
		floor float64
	}{
		{fPCMU, 8000, 30}, {fPCMA, 8000, 30}, {fG722, 16000, 16},
		{fOpus, 8000, 5}, {fOpus, 16000, 5}, {fOpus, 48000, 5},
	} {
		pcm := voice(c.rate, 3)
		for _, frame := range []time.Duration{10, 20, 40, 60} {
			snr, shift := segmental(pcm, roundTrip(t, c.f, c.rate, frame*time.Millisecond, pcm), c.rate)
			t.Logf("%-4s at %5d Hz, %d ms: segmental SNR %.1f dB, delay %.2f ms", c.f.Name, c.rate, frame, snr, float64(shift)*1000/float64(c.rate))
			if snr < c.floor {
				t.Errorf("%s at %d Hz in %d ms: segmental SNR %.1f dB, want %.0f", c.f.Name, c.rate, frame, snr, c.floor)
			}
		}
	}
}

// A reset makes a codec as good as new: it codes the same stream to the same bytes.
func TestResetBeginsAnew(t *testing.T) {
	for _, f := range all {
		enc, _ := NewEncoder(f, Rate(f))
		dec, _ := NewDecoder(f, Rate(f))
		pcm := voice(Rate(f), 1)
		size := Rate(f) / 50
		buf := make([]int16, samples(MaxFrame, Rate(f)))
		run := func() (all []byte, last int16) {
			for i := 0; i+size <= len(pcm)/4; i += size {
				p := enc.Encode(nil, pcm[i:i+size])
				n, err := dec.Decode(buf, p)
				if err != nil {
					t.Fatal(err)
				}
				all, last = append(all, p...), buf[n-1]
			}
			return all, last
		}
		first, end := run()
		enc.Reset()
		dec.Reset()
		second, again := run()
		if string(first) != string(second) || end != again {
			t.Errorf("%s: another stream after Reset", f.Name)
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	for _, f := range all {
		rate := Rate(f)
		enc, _ := NewEncoder(f, rate)
		dec, _ := NewDecoder(f, rate)
		pcm, size := voice(rate, 1), rate/50
		buf, payload, i := make([]int16, samples(MaxFrame, rate)), make([]byte, 0, maxOpus), 0
		lost := false
		if n := testing.AllocsPerRun(200, func() {
			payload = enc.Encode(payload[:0], pcm[i:i+size])
			i = (i + size) % (len(pcm) - size)
			// What Opus makes up costs memory inside its library, a few kB a lost packet.
			if lost = !lost; lost && f.Name != "OPUS" {
				dec.Conceal(buf[:size])
			} else if _, err := dec.Decode(buf, payload); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s allocates %v times a frame", f.Name, n)
		}
	}
}

func TestBadPayloads(t *testing.T) {
	for _, f := range all {
		dec, _ := NewDecoder(f, Rate(f))
		buf := make([]int16, samples(MaxFrame, Rate(f)))
		if _, err := dec.Decode(buf, make([]byte, 4000)); err == nil {
			t.Errorf("%s: 4000 bytes were decoded", f.Name)
		}
		if _, err := dec.Decode(buf[:10], make([]byte, 160)); err == nil {
			t.Errorf("%s: wrote into 10 samples", f.Name)
		}
	}
	dec, _ := NewDecoder(fOpus, 48000)
	if _, err := dec.Decode(make([]int16, 5760), nil); !errors.Is(err, errOpus) {
		t.Errorf("an empty Opus payload: %v", err)
	}
}

func TestOpusHeedsItsReceiver(t *testing.T) {
	size := func(params string) (bytes, packets int) {
		f := fOpus
		f.Params = params
		enc, err := NewEncoder(f, 48000)
		if err != nil {
			t.Fatal(err)
		}
		pcm := voice(48000, 2)
		clear(pcm[len(pcm)/2:])
		for i := 0; i+960 <= len(pcm); i += 960 {
			if p := enc.Encode(nil, pcm[i:i+960]); len(p) > 0 {
				bytes, packets = bytes+len(p), packets+1
			}
		}
		return bytes, packets
	}
	plain, packets := size("")
	if packets != 100 {
		t.Errorf("%d of 100 packets are sent without DTX", packets)
	}
	if small, _ := size("maxaveragebitrate=8000"); small > plain/2 {
		t.Errorf("%d bytes at 8 kbit/s, %d at our own rate", small, plain)
	}
	if _, few := size("maxplaybackrate=16000; usedtx=1"); few > 85 {
		t.Errorf("%d of 100 packets are sent with DTX, half is silence", few)
	}
	if fec, _ := size("useinbandfec=1;maxplaybackrate=16000"); fec == 0 {
		t.Error("nothing is sent with FEC")
	}
}
