//go:build interop

package interop

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// rate is samples a second everywhere here.
const rate = 8000

// readWAV returns the channels of a file of 16-bit PCM at 8 kHz as Ringdown and
// sox write it.
func readWAV(t *testing.T, file string) [][]int16 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		t.Fatalf("%s: no RIFF/WAVE header", file)
	}
	channels := 0
	for at := 12; at+8 <= len(b); {
		name, size := string(b[at:at+4]), int(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8
		if size < 0 || size > len(b)-at {
			t.Fatalf("%s: part %q is longer than the file", file, name)
		}
		switch body := b[at : at+size]; name {
		case "fmt ":
			channels = int(binary.LittleEndian.Uint16(body[2:]))
			if hz, bits := binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint16(body[14:]); hz != rate || bits != 16 || channels < 1 {
				t.Fatalf("%s: %d Hz, %d bits, %d channels", file, hz, bits, channels)
			}
		case "data":
			return deinterleave(body, channels)
		}
		at += size + size&1
	}
	t.Fatalf("%s: no sound", file)
	return nil
}

func deinterleave(body []byte, channels int) [][]int16 {
	all := make([][]int16, channels)
	for c := range all {
		all[c] = make([]int16, len(body)/2/channels)
		for i := range all[c] {
			all[c][i] = int16(binary.LittleEndian.Uint16(body[2*(i*channels+c):]))
		}
	}
	return all
}

// ms is the length of a piece.
func ms(samples []int16) int64 { return int64(len(samples)) * 1000 / rate }

// frame is the window in which tones are measured, 20 ms: frequencies that are
// multiples of 50 Hz do not disturb each other in it, and a drift correction
// that bends a tone by some hertz does not move it out of its bin.
const frame = rate / 50

// share is how much of the energy of a frame is at a frequency: 1 is a pure tone.
func share(piece []int16, hz float64) float64 {
	var re, im, all float64
	for i, s := range piece {
		v, angle := float64(s), 2*math.Pi*hz*float64(i)/rate
		re, im, all = re+v*math.Cos(angle), im+v*math.Sin(angle), all+v*v
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / float64(len(piece)) / all
}

// heard says in how many of the frames of a piece, but half a second at both
// ends, one tone holds three fifths of the energy (as a share of them; a sample
// put in or left out where a sender slipped costs up to a third of a frame's), and the
// greatest share that another tone has in any.
func heard(piece []int16, own, other float64) (present, greatest float64) {
	n := 0
	for at := rate / 2; at+frame+rate/2 <= len(piece); at += frame {
		if n++; share(piece[at:at+frame], own) >= 0.6 {
			present++
		}
		greatest = max(greatest, share(piece[at:at+frame], other))
	}
	return present / float64(max(n, 1)), greatest
}

// keepArtifact copies a file to where the artifacts of the run are kept, if
// anywhere.
func keepArtifact(t *testing.T, file string) {
	t.Helper()
	keep := os.Getenv("RINGDOWN_ARTIFACTS")
	if keep == "" {
		return
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = errors.Join(os.MkdirAll(keep, 0o755), os.WriteFile(filepath.Join(keep, filepath.Base(file)), b, 0o644))
	}
	if err != nil {
		t.Errorf("artifact: %v", err)
	}
}
