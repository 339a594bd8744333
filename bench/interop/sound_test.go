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

// share is how much of the energy of one second is at a frequency of whole
// hertz: 1 is a pure tone. Two such frequencies do not disturb each other.
func share(second []int16, hz float64) float64 {
	var re, im, all float64
	for i, s := range second {
		v, angle := float64(s), 2*math.Pi*hz*float64(i)/rate
		re, im, all = re+v*math.Cos(angle), im+v*math.Sin(angle), all+v*v
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / float64(len(second)) / all
}

// shares are the least share of one tone and the greatest of another over all
// half-overlapping seconds of a piece but its edges.
func shares(piece []int16, own, other float64) (least, greatest float64) {
	least = math.Inf(1)
	for at := rate / 2; at+rate+rate/2 <= len(piece); at += rate / 2 {
		least = min(least, share(piece[at:at+rate], own))
		greatest = max(greatest, share(piece[at:at+rate], other))
	}
	return least, greatest
}

// bySecond is the share of a tone in each second of a piece.
func bySecond(piece []int16, hz float64) (all []float64) {
	for at := 0; at+rate <= len(piece); at += rate {
		all = append(all, share(piece[at:at+rate], hz))
	}
	return all
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
