//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// readWAV returns the channels of a RIFF file of 16-bit PCM at 8 kHz.
func readWAV(b []byte) ([][]int16, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, errors.New("wav: no RIFF/WAVE header")
	}
	if n := binary.LittleEndian.Uint32(b[4:]); int64(n) != int64(len(b)-8) {
		return nil, fmt.Errorf("wav: header says %d bytes, file has %d", n, len(b)-8)
	}
	channels := 0
	for at := 12; at+8 <= len(b); {
		name, size := string(b[at:at+4]), int(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8
		if size < 0 || size > len(b)-at {
			return nil, fmt.Errorf("wav: part %q is longer than the file", name)
		}
		body := b[at : at+size]
		switch name {
		case "fmt ":
			if size < 16 || binary.LittleEndian.Uint16(body) != 1 || binary.LittleEndian.Uint32(body[4:]) != 8000 ||
				binary.LittleEndian.Uint16(body[14:]) != 16 {
				return nil, errors.New("wav: not 16-bit PCM at 8 kHz")
			}
			channels = int(binary.LittleEndian.Uint16(body[2:]))
		case "data":
			if channels == 0 {
				return nil, errors.New("wav: data before fmt, or no channel")
			}
			return deinterleave(body, channels), nil
		}
		at += size + size&1
	}
	return nil, errors.New("wav: no data")
}

func deinterleave(body []byte, channels int) [][]int16 {
	all := make([][]int16, channels)
	frames := len(body) / 2 / channels
	for c := range all {
		all[c] = make([]int16, frames)
		for i := range frames {
			all[c][i] = int16(binary.LittleEndian.Uint16(body[2*(i*channels+c):]))
		}
	}
	return all
}
