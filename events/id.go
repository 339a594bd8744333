package events

import (
	"crypto/rand"
	"time"
)

// NewID returns prefix, an underscore and a ULID: 48 bits of milliseconds and
// 80 random bits, so ids sort by the time they were made and cannot be guessed.
func NewID(prefix string, at time.Time) string {
	var b [16]byte
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	rand.Read(b[6:])
	return prefix + "_" + ulid(b)
}

// ulid writes 128 bits as 26 characters of Crockford's base 32, most significant first.
func ulid(b [16]byte) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var out [26]byte
	var hi, lo uint64
	for i := range 8 {
		hi = hi<<8 | uint64(b[i])
		lo = lo<<8 | uint64(b[8+i])
	}
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}
