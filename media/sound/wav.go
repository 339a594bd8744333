package sound

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/zaf/g711"
)

// Bounds of what is read: all of it is held in memory, and what is longer than
// ten minutes was not meant to be played into a call.
const (
	MaxBytes  = 128 << 20
	MaxLength = 10 * time.Minute
)

// FileError says what is wrong with a WAV file, and where.
type FileError struct {
	Offset int // bytes from its start
	Msg    string
}

func (e *FileError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

func wrong(offset int, format string, args ...any) error {
	return &FileError{offset, fmt.Sprintf(format, args...)}
}

// The codings of "fmt " that are read.
const (
	wavPCM        = 1
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xFFFE // the coding is in the first two bytes of the subformat
)

// rates are the sampling rates read: those of telephones and of recordings.
var rates = []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000}

// layout is what "fmt " says of the samples.
type layout struct {
	coding, channels, bits int
	rate                   int
}

// ReadWAV reads a RIFF/WAVE file: PCM of 16 bits, A-law or µ-law, one channel or
// two, which are made one. Chunks that it does not know are passed over. An
// error is a [FileError].
func ReadWAV(b []byte) (*Sound, error) {
	switch {
	case len(b) < 12:
		return nil, wrong(len(b), "ends before its header: no WAV file")
	case string(b[:4]) != "RIFF":
		return nil, wrong(0, "does not begin with RIFF: no WAV file")
	case string(b[8:12]) != "WAVE":
		return nil, wrong(8, "is a RIFF file, but not of WAVE")
	}
	var form *layout
	for at := 12; ; {
		if at == len(b) {
			return nil, wrong(at, "ends without a data chunk")
		}
		if len(b)-at < 8 {
			return nil, wrong(at, "ends within the head of a chunk")
		}
		name, size := string(b[at:at+4]), int64(binary.LittleEndian.Uint32(b[at+4:]))
		body, start := b[at+8:], at+8
		if name == "data" && size == 0xFFFFFFFF { // written to a pipe: until the end
			size = int64(len(body))
		}
		if size > int64(len(body)) {
			return nil, wrong(start, "a chunk says it has %d bytes, but the file ends after %d of them", size, len(body))
		}
		body = body[:size]
		switch name {
		case "fmt ":
			if form != nil {
				return nil, wrong(at, "has a second fmt chunk")
			}
			f, err := readLayout(body, start)
			if err != nil {
				return nil, err
			}
			form = &f
		case "data":
			if form == nil {
				return nil, wrong(at, "has its data before the fmt chunk that says what it is")
			}
			return form.read(body, start)
		}
		at = min(start+int(size)+int(size&1), len(b)) // chunks are padded to even; the last one may lack it
	}
}

func readLayout(b []byte, at int) (layout, error) {
	if len(b) < 16 {
		return layout{}, wrong(at, "fmt chunk has %d bytes, at least 16 are needed", len(b))
	}
	f := layout{
		coding:   int(binary.LittleEndian.Uint16(b)),
		channels: int(binary.LittleEndian.Uint16(b[2:])),
		rate:     int(binary.LittleEndian.Uint32(b[4:])),
		bits:     int(binary.LittleEndian.Uint16(b[14:])),
	}
	if f.coding == wavExtensible {
		if len(b) < 26 {
			return layout{}, wrong(at, "extensible fmt chunk has %d bytes, at least 26 are needed", len(b))
		}
		f.coding = int(binary.LittleEndian.Uint16(b[24:]))
	}
	block := int(binary.LittleEndian.Uint16(b[12:]))
	switch width := map[int]int{wavPCM: 16, wavALaw: 8, wavMuLaw: 8}[f.coding]; {
	case width == 0:
		return layout{}, wrong(at, "coding %d is not read: PCM of 16 bits, A-law and µ-law are", f.coding)
	case f.bits != width:
		return layout{}, wrong(at+14, "%d bits a sample are not read: PCM has 16, A-law and µ-law 8", f.bits)
	case f.channels != 1 && f.channels != 2:
		return layout{}, wrong(at+2, "%d channels are not read: one or two are", f.channels)
	case !slices.Contains(rates, f.rate):
		return layout{}, wrong(at+4, "%d Hz is not read: %v are", f.rate, rates)
	case block != f.channels*width/8:
		return layout{}, wrong(at+12, "frames of %d bytes do not hold %d channels of %d bits", block, f.channels, width)
	}
	return f, nil
}

// read makes one channel of samples.
func (f layout) read(b []byte, at int) (*Sound, error) {
	frame := f.channels * f.bits / 8
	n := len(b) / frame
	switch {
	case len(b)%frame != 0:
		return nil, wrong(at+n*frame, "ends within a sample")
	case n == 0:
		return nil, wrong(at, "has no sound in it")
	case int64(n) > int64(f.rate)*int64(MaxLength/time.Second):
		return nil, wrong(at, "is longer than %s", MaxLength)
	}
	samples := make([]int16, n)
	for i := range samples {
		var sum int
		for c := range f.channels {
			sum += f.sample(b[i*frame+c*f.bits/8:])
		}
		samples[i] = int16(sum / f.channels)
	}
	return New(f.rate, samples), nil
}

func (f layout) sample(b []byte) int {
	switch f.coding {
	case wavALaw:
		return int(g711.DecodeAlawFrame(b[0]))
	case wavMuLaw:
		return int(g711.DecodeUlawFrame(b[0]))
	}
	return int(int16(binary.LittleEndian.Uint16(b)))
}
