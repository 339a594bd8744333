package media

import (
	"fmt"
	"strings"
	"time"
)

// Digit is an event code of RFC 4733 (the keys), RFC 2833 (the flash) or
// RFC 4734 (modems and fax).
type Digit uint8

// Digits with a name. 0 to 9 are themselves.
const (
	Star  Digit = 10
	Pound Digit = 11
	KeyA  Digit = 12
	KeyD  Digit = 15
	Flash Digit = 16
	// CED is the answer tone of a fax or modem (ANS, 2,100 Hz), ANSam the same
	// with amplitude modulation; each has a form with phase reversals behind it.
	CED   Digit = 32
	ANSam Digit = 34
	// CNG is the calling tone of a fax (1,100 Hz).
	CNG Digit = 36
	// V21 is the first of the four tones of V.21, which fax machines negotiate in.
	V21 Digit = 37
)

// Class is what kind of event a [Digit] is: all that may be told of it by default.
type Class uint8

const (
	OtherEvent Class = iota // nothing we know a use for
	KeyEvent                // one of the sixteen keys
	HookEvent               // a flash
	FaxEvent                // a tone of a fax machine or modem
)

func (c Class) String() string {
	return [...]string{"other", "key", "flash", "fax"}[min(c, FaxEvent)]
}

// Class returns what kind of event e is.
func (e Digit) Class() Class {
	switch {
	case e <= KeyD:
		return KeyEvent
	case e == Flash:
		return HookEvent
	case e >= CED && e < V21+4:
		return FaxEvent
	}
	return OtherEvent
}

const keys = "0123456789*#ABCD"

// Key returns the key's character, false for what is no key.
func (e Digit) Key() (c byte, ok bool) {
	if e > KeyD {
		return 0, false
	}
	return keys[e], true
}

// String is the class: an event that gets into a log line by mistake says
// nothing of what was pressed.
func (e Digit) String() string { return e.Class().String() }

// KeyOf returns the event of a character; letters may be small.
func KeyOf(c byte) (Digit, bool) {
	if c >= 'a' && c <= 'd' {
		c -= 'a' - 'A'
	}
	i := strings.IndexByte(keys, c)
	return Digit(i), i >= 0
}

// ParseKeys reads a string of keys, as a person would write it.
func ParseKeys(s string) ([]Digit, error) {
	out := make([]Digit, 0, len(s))
	for i := range len(s) {
		e, ok := KeyOf(s[i])
		if !ok {
			return nil, fmt.Errorf("character %d is none of 0 to 9, *, #, A to D", i+1)
		}
		out = append(out, e)
	}
	return out, nil
}

// Press is a key that was pressed, or is to be, and for how long; zero: not known.
type Press struct {
	Digit Digit
	For   time.Duration
}

// Way is how a press is said; a set of ways is their sum.
type Way uint8

const (
	ByEvent Way = 1 << iota // RFC 4733
	BySound                 // a tone
	ByInfo                  // SIP INFO
)

func (w Way) String() string {
	switch w {
	case ByEvent:
		return "rfc4733"
	case BySound:
		return "inband"
	case ByInfo:
		return "info"
	}
	return "unknown"
}

// DigitTerms is how the trunk of a leg wants keys.
type DigitTerms struct {
	// Hear is the set of ways in which presses of the party count; zero: events and INFO.
	Hear Way
	// Say is the way in which the party is told of them; zero: as an event when
	// that was agreed on, else by INFO when it knows that, else as a tone.
	Say Way
}

// Hears reports whether a way counts.
func (t DigitTerms) Hears(w Way) bool {
	if t.Hear == 0 {
		return w == ByEvent || w == ByInfo
	}
	return t.Hear&w != 0
}

// Suppression says what the other party gets of the keys that a party presses.
type Suppression uint8

const (
	PassDigits    Suppression = iota // what was pressed
	DropDigits                       // nothing: events are left out, tones are silent
	SilenceDigits                    // silence in their place
	ToneDigits                       // one and the same tone in their place
)

func (s Suppression) String() string {
	return [...]string{"pass", "drop", "silence", "tone", "unknown"}[min(s, ToneDigits+1)]
}
