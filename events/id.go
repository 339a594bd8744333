package events

import (
	"crypto/rand"
	"strings"
	"time"
)

// alphabet is Crockford's base 32: no I, L, O, U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

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

// IDTime returns when an id of NewID was made, in milliseconds; false when id
// is not one.
func IDTime(id string) (time.Time, bool) {
	_, u, ok := strings.Cut(id, "_")
	if !ok || !validULID(u) {
		return time.Time{}, false
	}
	var ms int64
	for i := range 10 { // ten characters of five bits hold the 48 bits of time
		ms = ms<<5 | int64(strings.IndexByte(alphabet, u[i]))
	}
	return time.UnixMilli(ms), true
}

// ulid writes 128 bits as 26 characters of Crockford's base 32, most significant first.
func ulid(b [16]byte) string {
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

func validULID(s string) bool {
	if len(s) != 26 || s[0] > '7' { // 26 characters hold 130 bits; the first has three
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// ValidCall reports whether s is an id of a call as NewID makes it. Only such
// ids get into subjects: what a peer sent never does.
func ValidCall(s string) bool {
	u, ok := strings.CutPrefix(s, "call_")
	return ok && validULID(u)
}

// ValidAccount reports whether s is an id of an account, System among them.
func ValidAccount(s string) bool { return s == System || validID(s) }

// validID reports whether s matches [a-z0-9][a-z0-9_-]{0,62}.
func validID(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '_' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// validType reports whether s is lower-case words with dots between them, as
// every type of this and of a later version is.
func validType(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	words := 0
	for w := range strings.SplitSeq(s, ".") {
		if !validID(w) {
			return false
		}
		words++
	}
	return words > 1
}
