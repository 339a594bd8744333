package sound

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wav writes a file of one format; extra chunks stand before the data.
type wav struct {
	coding, channels, rate, bits int
	data                         []byte
	extra                        []byte
}

func chunk(name string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func (w wav) format() []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(w.coding))
	b = binary.LittleEndian.AppendUint16(b, uint16(w.channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.rate*w.channels*w.bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(w.channels*w.bits/8))
	return binary.LittleEndian.AppendUint16(b, uint16(w.bits))
}

func riff(chunks ...[]byte) []byte {
	return chunk("RIFF", append([]byte("WAVE"), slices.Concat(chunks...)...))
}

func (w wav) bytes() []byte {
	return riff(chunk("fmt ", w.format()), w.extra, chunk("data", w.data))
}

func pcm(samples ...int16) (b []byte) {
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func TestReadWAV(t *testing.T) {
	mono := wav{wavPCM, 1, 8000, 16, pcm(1, -2, 32767, -32768), nil}
	extensible := append(mono.format(), slices.Concat(binary.LittleEndian.AppendUint16(nil, 22), make([]byte, 6), []byte{1, 0}, make([]byte, 14))...)
	binary.LittleEndian.PutUint16(extensible, wavExtensible)
	streamed := mono.bytes()
	copy(streamed[len(streamed)-12:], "\xff\xff\xff\xff")
	odd := mono
	odd.extra = chunk("LIST", []byte("abc"))
	unpadded := wav{wavMuLaw, 1, 8000, 8, []byte{0xff, 0x7f, 0x00}, nil}.bytes()
	for _, c := range []struct {
		name string
		file []byte
		rate int
		want []int16
	}{
		{"mono", mono.bytes(), 8000, []int16{1, -2, 32767, -32768}},
		{"stereo is made mono", wav{wavPCM, 2, 44100, 16, pcm(100, 300, -32768, -32768), nil}.bytes(), 44100, []int16{200, -32768}},
		{"A-law", wav{wavALaw, 1, 8000, 8, []byte{0xd5, 0x55, 0x2a}, nil}.bytes(), 8000, []int16{8, -8, -32256}},
		{"µ-law", unpadded, 8000, []int16{0, 0, -32124}},
		{"µ-law without the last pad byte", unpadded[:len(unpadded)-1], 8000, []int16{0, 0, -32124}},
		{"odd chunk before the data", odd.bytes(), 8000, []int16{1, -2, 32767, -32768}},
		{"extensible", riff(chunk("fmt ", extensible), chunk("data", mono.data)), 8000, []int16{1, -2, 32767, -32768}},
		{"written to a pipe", streamed, 8000, []int16{1, -2, 32767, -32768}},
		{"rubbish behind the data", append(mono.bytes(), "tail"...), 8000, []int16{1, -2, 32767, -32768}},
	} {
		s, err := ReadWAV(c.file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if s.Rate() != c.rate || !slices.Equal(s.At(c.rate), c.want) {
			t.Errorf("%s: %d Hz %v, want %d Hz %v", c.name, s.Rate(), s.At(c.rate), c.rate, c.want)
		}
	}
}

func TestReadWAVFaults(t *testing.T) {
	good := wav{wavPCM, 1, 8000, 16, pcm(1, 2), nil}
	with := func(change func(*wav)) []byte { w := good; change(&w); return w.bytes() }
	for _, c := range []struct {
		name   string
		file   []byte
		offset int
		msg    string
	}{
		{"empty", nil, 0, "ends before its header"},
		{"an MP3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00"), 0, "does not begin with RIFF"},
		{"an AVI", append([]byte("RIFF\x04\x00\x00\x00AVI "), 0), 8, "not of WAVE"},
		{"no chunk", riff(), 12, "without a data chunk"},
		{"half a chunk", append(riff(), 'd', 'a'), 12, "within the head of a chunk"},
		{"cut", good.bytes()[:46], 44, "says it has 4 bytes, but the file ends after 2"},
		{"data first", riff(chunk("data", good.data), chunk("fmt ", good.format())), 12, "before the fmt chunk"},
		{"two formats", riff(chunk("fmt ", good.format()), chunk("fmt ", good.format()), chunk("data", good.data)), 36, "second fmt chunk"},
		{"short format", riff(chunk("fmt ", good.format()[:14])), 20, "at least 16"},
		{"short extensible format", riff(chunk("fmt ", append([]byte{0xfe, 0xff}, good.format()[2:]...))), 20, "at least 26"},
		{"MP3 in WAV", with(func(w *wav) { w.coding = 85 }), 20, "coding 85 is not read"},
		{"24 bits", with(func(w *wav) { w.bits = 24 }), 34, "24 bits a sample"},
		{"no channel", with(func(w *wav) { w.channels = 0 }), 22, "0 channels"},
		{"5.1", with(func(w *wav) { w.channels = 6 }), 22, "6 channels"},
		{"96 kHz", with(func(w *wav) { w.rate = 96000 }), 24, "96000 Hz is not read"},
		{"0 Hz", with(func(w *wav) { w.rate = 0 }), 24, "0 Hz is not read"},
		{"no sound", with(func(w *wav) { w.data = nil }), 44, "no sound"},
		{"half a sample", with(func(w *wav) { w.data = []byte{1, 2, 3} }), 46, "within a sample"},
		{"an hour", with(func(w *wav) { w.data = make([]byte, 2*8000*601) }), 44, "longer than 10m0s"},
	} {
		_, err := ReadWAV(c.file)
		var fault *FileError
		if !errors.As(err, &fault) || fault.Offset != c.offset || !strings.Contains(fault.Msg, c.msg) {
			t.Errorf("%s: %v, want byte %d: %s", c.name, err, c.offset, c.msg)
		}
	}
	lying := good.bytes()
	binary.LittleEndian.PutUint16(lying[32:], 4)
	if _, err := ReadWAV(lying); err == nil || !strings.Contains(err.Error(), "byte 32: frames of 4 bytes") {
		t.Errorf("wrong block size: %v", err)
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wav{wavPCM, 2, 16000, 16, pcm(1, 2, 3, 4), chunk("LIST", []byte("x"))}.bytes())
	f.Add(wav{wavALaw, 1, 8000, 8, []byte{1, 2, 3}, nil}.bytes())
	f.Add(riff(chunk("data", nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadWAV(b)
		var fault *FileError
		switch {
		case err == nil:
			if n := len(s.At(s.Rate())); n == 0 || n > len(b) || s.Length() > MaxLength {
				t.Errorf("%d samples of %d bytes", n, len(b))
			}
		case !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(b):
			t.Errorf("error names no place in %d bytes: %v", len(b), err)
		}
	})
}

func TestLibraryReadsAFileOnce(t *testing.T) {
	dir := t.TempDir()
	path, twin := filepath.Join(dir, "a.wav"), filepath.Join(dir, "b.wav")
	file := wav{wavPCM, 1, 8000, 16, pcm(1, 2), nil}
	write := func(path string, w wav, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, w.bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1_000_000, 0)
	write(path, file, now)
	file.extra = chunk("LIST", []byte("other words"))
	write(twin, file, now)
	var l Library
	get := func(path string) *Sound {
		t.Helper()
		s, err := l.File(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := get(path)
	if get(path) != first || get(twin) != first {
		t.Error("equal sounds are held twice")
	}
	file.data = pcm(3, 4, 5)
	write(path, file, now.Add(time.Second))
	changed := get(path)
	if changed == first || changed.Hash() == first.Hash() {
		t.Error("a changed file is not read again")
	}
	os.Remove(path)
	if s, err := l.File(path); s != changed || !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), path) {
		t.Errorf("a file that is gone: %v, %v", s, err)
	}
	if s, err := l.File(dir); s != nil || err != errFolder {
		t.Errorf("a directory: %v, %v", s, err)
	}
	os.WriteFile(path, []byte("RIFF"), 0o600)
	if s, err := l.File(path); s != changed || err == nil {
		t.Errorf("a file that became unreadable: %v, %v", s, err)
	}
}
