//go:build interop

package interop

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/thesyncim/gopus/container/ogg"

	"ringdown/media"
	"ringdown/media/codec"
)

// words is a voice at a rate, raw and as samples.
func words(t *testing.T, dir string, hz int) (file string, pcm []int16) {
	t.Helper()
	speak(t, dir, "words", callerText, "en+m1", 0)
	file = filepath.Join(dir, "words-"+strconv.Itoa(hz)+".raw")
	must(t, "sox", filepath.Join(dir, "words-22k.wav"), "-r", strconv.Itoa(hz), "-c", "1", "-b", "16", "-e", "signed", "-L", file, "vol", "0.7")
	return file, readRaw(t, file)
}

func readRaw(t *testing.T, file string) []int16 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return deinterleave(b, 1)[0]
}

// TestG722AgainstFFmpeg: byte for byte what ffmpeg encodes, sample for sample what
// it decodes.
func TestG722AgainstFFmpeg(t *testing.T) {
	dir := t.TempDir()
	raw, pcm := words(t, dir, 16000)
	theirs, back := filepath.Join(dir, "theirs.g722"), filepath.Join(dir, "back.raw")
	must(t, "ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", raw, "-c:a", "g722", "-f", "g722", theirs)
	must(t, "ffmpeg", "-v", "error", "-f", "g722", "-i", theirs, "-f", "s16le", back)
	coded, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	f := media.Format{Name: "G722", Clock: 8000, Channels: 1}
	enc, _ := codec.NewEncoder(f, 16000)
	dec, err := codec.NewDecoder(f, 16000)
	if err != nil {
		t.Fatal(err)
	}
	if ours := enc.Encode(nil, pcm[:len(pcm)/2*2]); !bytes.Equal(ours, coded[:len(ours)]) {
		t.Errorf("%d bytes of ours are not the first of its %d", len(ours), len(coded))
	}
	want, buf := readRaw(t, back), make([]int16, 1920)
	for i := 0; i+160 <= len(coded); i += 160 {
		n, err := dec.Decode(buf, coded[i:i+160])
		if err != nil {
			t.Fatal(err)
		}
		for k, s := range buf[:n] {
			if s != want[2*i+k] {
				t.Fatalf("sample %d is %d, ffmpeg's %d", 2*i+k, s, want[2*i+k])
			}
		}
	}
	t.Logf("%d bytes, %d samples: the same", len(coded), len(want))
}

// TestOpusAgainstLibopus: opusdec understands what we encode about as well as what
// opusenc does at the same bit rate, and we decode what opusenc encodes as opusdec does.
func TestOpusAgainstLibopus(t *testing.T) {
	f := media.Format{Name: "OPUS", Clock: 48000, Channels: 2}
	for _, c := range []struct{ hz, bitrate int }{{8000, 24000}, {16000, 32000}, {48000, 48000}} {
		t.Run(strconv.Itoa(c.hz), func(t *testing.T) {
			dir := t.TempDir()
			raw, pcm := words(t, dir, c.hz)
			enc, err := codec.NewEncoder(f, c.hz)
			if err != nil {
				t.Fatal(err)
			}
			var ours bytes.Buffer
			w, err := ogg.NewWriter(&ours, uint32(c.hz), 1)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i+c.hz/50 <= len(pcm); i += c.hz / 50 {
				if err := w.WritePacket(enc.Encode(nil, pcm[i:i+c.hz/50]), 960); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			mine, theirs := filepath.Join(dir, "ours.opus"), filepath.Join(dir, "theirs.opus")
			if err := os.WriteFile(mine, ours.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			must(t, "opusenc", "--quiet", "--speech", "--framesize", "20", "--bitrate", strconv.Itoa(c.bitrate/1000),
				"--raw", "--raw-rate", strconv.Itoa(c.hz), "--raw-chan", "1", raw, theirs)
			ofOurs, ofTheirs := opusdec(t, mine), opusdec(t, theirs)
			_, want := words(t, dir, 48000)
			a, b := level(t, want, ofOurs), level(t, want, ofTheirs)
			t.Logf("%d bit/s: decoded by opusdec, ours has a segmental SNR of %.1f dB, opusenc's %.1f dB", c.bitrate, a, b)
			// At 8000 Hz opusenc chooses the mode for music, which keeps the wave better
			// and a voice no better.
			if a < b-4.5 || a < 12 {
				t.Errorf("ours is %.1f dB, opusenc's %.1f dB", a, b)
			}
			again := decodeOgg(t, f, theirs)
			if snr := level(t, ofTheirs, again); snr < 30 {
				t.Errorf("what opusenc wrote we decode otherwise than opusdec: %.1f dB", snr)
			} else {
				t.Logf("what opusenc wrote we decode as opusdec does: %.1f dB", snr)
			}
		})
	}
}

func opusdec(t *testing.T, file string) []int16 {
	t.Helper()
	must(t, "opusdec", "--quiet", "--rate", "48000", "--no-dither", "--force-wav", file, file+".wav")
	must(t, "sox", file+".wav", "-c", "1", "-b", "16", "-e", "signed", "-L", file+".raw")
	return readRaw(t, file+".raw")
}

func decodeOgg(t *testing.T, f media.Format, file string) (pcm []int16) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := ogg.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := codec.NewDecoder(f, 48000)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]int16, 5760)
	for {
		p, _, err := r.ReadPacket()
		if errors.Is(err, io.EOF) {
			return pcm
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := dec.Decode(buf, p)
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, buf[:n]...)
	}
}

// level is the mean signal to noise ratio of 20 ms pieces that are not silent, in
// dB, at 48000 Hz, once out lies where it fits want best.
func level(t *testing.T, want, out []int16) float64 {
	t.Helper()
	best, shift := 0.0, 0
	for d := -1500; d <= 1500; d++ {
		sum := 0.0
		for i := 48000; i < 48000*2; i += 3 {
			sum += float64(want[i]) * float64(out[i+d])
		}
		if sum > best {
			best, shift = sum, d
		}
	}
	total, pieces := 0.0, 0
	for i := 9600; i+960 <= len(want) && i+960+shift <= len(out); i += 960 {
		var signal, noise float64
		for k := range 960 {
			x, y := float64(want[i+k]), float64(out[i+shift+k])
			signal += x * x
			noise += (x - y) * (x - y)
		}
		if signal > 960*200*200 {
			total += min(max(10*math.Log10(signal/(noise+1)), -10), 60)
			pieces++
		}
	}
	if pieces < 50 {
		t.Fatalf("only %d pieces to compare", pieces)
	}
	return total / float64(pieces)
}
