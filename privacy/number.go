// Package privacy is the ground floor: types that keep personal data masked
// until it is asked for by name, and the pure decisions about it. Sealing lives
// in privacy/seal, keys in privacy/keys; deleting a file is done by whoever
// wrote it.
package privacy

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"unique"
)

// Number is a telephone number in E.164 that masks itself wherever it is
// printed, logged or encoded: "+47*****12". The zero value is a withheld
// number and shows as "anonymous". Numbers compare with == and serve as map keys.
//
// The digits stand behind a handle, not in a field: fmt reads unexported fields
// by reflection, past every method ("%v" of a struct that holds a Number in an
// unexported field, "%p" or a stray "%w"), and finds an address there.
type Number struct{ e164 unique.Handle[string] }

// E164 wraps a number already normalised to "+" and digits.
func E164(s string) Number {
	if s == "" {
		return Number{}
	}
	return Number{unique.Make(s)}
}

// Reveal returns the number in the clear. Every call of it is a place to look at
// in a review.
func (n Number) Reveal() string {
	if n.IsZero() {
		return ""
	}
	return n.e164.Value()
}

// IsZero reports whether the number is withheld.
func (n Number) IsZero() bool { return n == Number{} }

const (
	anonymous = "anonymous"
	stars     = "*****" // always five: the length of a number says something too
	// shortest is the least number of digits a mask may show four of.
	shortest = 8
)

// String returns the masked form: "+", two digits, five stars and the last two
// digits. What is shorter than eight digits, or is not "+" and digits, shows
// nothing but stars.
func (n Number) String() string {
	if n.IsZero() {
		return anonymous
	}
	s := n.e164.Value()
	if len(s) < 1+shortest || s[0] != '+' {
		return stars
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return stars
		}
	}
	return s[:3] + stars + s[len(s)-2:]
}

// Format writes the masked form for every verb; %q quotes it. Width and the
// minus flag are honoured, nothing else is.
func (n Number) Format(f fmt.State, verb rune) {
	s := n.String()
	if verb == 'q' {
		s = strconv.Quote(s)
	}
	if width, ok := f.Width(); ok {
		if f.Flag('-') {
			width = -width
		}
		fmt.Fprintf(f, "%*s", width, s)
		return
	}
	io.WriteString(f, s)
}

// LogValue returns the masked form.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText returns the masked form, for JSON (keys of maps too), XML and YAML.
// There is no way back: a number in the clear is never read by a decoder.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
