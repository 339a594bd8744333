//go:build linux

package main

import "ringdown/sip/siptest"

// A stamp is a number one can hear: each frame a phone says in `bench kill` tells
// the call, the side and which frame it is, in two samples a bit, loud or soft
// enough to pass G.711 untouched. So a recording shows by itself which 20 ms of
// which party it holds. 13 bits Barker code, 12 call, 1 side, 20 frame, 16 CRC.
const (
	stampBits    = 13 + 12 + 1 + 20 + 16
	stampSamples = 2 * stampBits
	barker       = 0b1111100110101
	loudness     = 8000
	maxStampCall = 1 << 12
)

// stamp is one frame's name.
type stamp struct {
	call, side, frame int
}

// found is a stamp and where it lies, in samples.
type found struct {
	stamp
	at int
}

// stamped is what one side of one call says.
func stamped(call, side int) siptest.Source {
	return func(n int, frame []int16) {
		clear(frame)
		write(frame, stamp{call, side, n})
	}
}

func (s stamp) bits() uint64 {
	body := uint64(s.call)<<21 | uint64(s.side)<<20 | uint64(s.frame)&(1<<20-1)
	return barker<<49 | body<<16 | uint64(checksum(body))
}

func write(frame []int16, s stamp) {
	bits := s.bits()
	for i := range stampBits {
		v := int16(-loudness)
		if bits>>(stampBits-1-i)&1 == 1 {
			v = loudness
		}
		frame[2*i], frame[2*i+1] = v, v
	}
}

// checksum is CRC-16/CCITT over the 33 bits of a body.
func checksum(body uint64) uint16 {
	crc := uint16(0xffff)
	for i := 32; i >= 0; i-- {
		bit := uint16(body>>i) & 1
		if crc>>15^bit == 1 {
			crc = crc<<1 ^ 0x1021
		} else {
			crc <<= 1
		}
	}
	return crc
}

// stamps finds every whole stamp in one channel, in the order of their places.
func stamps(samples []int16) []found {
	var all []found
	for at := 0; at+stampSamples <= len(samples); at++ {
		if s, ok := read(samples[at:]); ok {
			all = append(all, found{s, at})
			at += stampSamples - 1
		}
	}
	return all
}

func read(samples []int16) (stamp, bool) {
	var bits uint64
	for i := range stampBits {
		a, b := int(samples[2*i]), int(samples[2*i+1])
		if min(max(a, -a), max(b, -b)) < loudness/4 || a > 0 != (b > 0) {
			return stamp{}, false
		}
		bits <<= 1
		if a > 0 {
			bits |= 1
		}
		if i == 12 && bits != barker {
			return stamp{}, false
		}
	}
	body := bits >> 16 & (1<<33 - 1)
	if checksum(body) != uint16(bits) {
		return stamp{}, false
	}
	return stamp{int(body >> 21), int(body >> 20 & 1), int(body & (1<<20 - 1))}, true
}
