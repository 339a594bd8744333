// Package digits reads and makes the keys that are pressed in a call, in the
// three ways they travel: as events in RTP (RFC 4733: [Receiver], [Sender]), as
// tones in the sound ([Detector], [Tone]) and in the bodies of SIP INFO
// ([ReadInfo], [WriteInfo]). [Once] makes one press of what was said in several
// ways at once, [Codes] finds the short codes in what was pressed.
//
// It is pure: no socket, no goroutine and no clock; times are nanoseconds on
// whatever clock the caller has. It keeps no history beyond what it needs to
// tell one press from the next, and prints no digit: an [Event] formats as its
// class.
package digits

import (
	"fmt"
	"strings"
	"time"
)

// Event is an event code of RFC 4733 (the keys), RFC 2833 (the flash) or
// RFC 4734 (modems and fax).
type Event uint8

// Events with a name. 0 to 9 are the digits themselves.
const (
	Star  Event = 10
	Pound Event = 11
	A     Event = 12
	D     Event = 15
	Flash Event = 16
	// CED is the answer tone of a fax or modem (ANS, 2,100 Hz), ANSam the same
	// with amplitude modulation; each has a form with phase reversals behind it.
	CED   Event = 32
	ANSam Event = 34
	// CNG is the calling tone of a fax (1,100 Hz).
	CNG Event = 36
	// V21 is the first of the four tones of V.21, which fax machines negotiate in.
	V21 Event = 37
)

// Class is what kind of event it is: all that may be told of it by default.
type Class uint8

const (
	Other Class = iota // nothing we know a use for
	Key                // one of the sixteen keys
	Hook               // a flash
	Fax                // a tone of a fax machine or modem
)

func (c Class) String() string {
	return [...]string{"other", "key", "flash", "fax"}[min(c, Fax)]
}

// Class returns what kind of event e is.
func (e Event) Class() Class {
	switch {
	case e <= D:
		return Key
	case e == Flash:
		return Hook
	case e >= CED && e < V21+4:
		return Fax
	}
	return Other
}

const keys = "0123456789*#ABCD"

// Key returns the key's character, false for what is no key.
func (e Event) Key() (c byte, ok bool) {
	if e > D {
		return 0, false
	}
	return keys[e], true
}

// String is the class: an event that gets into a log line by mistake says
// nothing of what was pressed.
func (e Event) String() string { return e.Class().String() }

// KeyOf returns the event of a character; letters may be small.
func KeyOf(c byte) (Event, bool) {
	if c >= 'a' && c <= 'd' {
		c -= 'a' - 'A'
	}
	i := strings.IndexByte(keys, c)
	return Event(i), i >= 0
}

// Parse reads a string of keys, as a person would write it.
func Parse(s string) ([]Event, error) {
	out := make([]Event, 0, len(s))
	for i := range len(s) {
		e, ok := KeyOf(s[i])
		if !ok {
			return nil, fmt.Errorf("character %d is none of 0 to 9, *, #, A to D", i+1)
		}
		out = append(out, e)
	}
	return out, nil
}

// Change is what became known of a press: that it began or that it is over.
// Every press has one of each, in this order and in the order of the presses.
type Change struct {
	Event Event
	Ended bool
	// Duration of the press, when it has Ended: as far as it is known.
	Duration time.Duration
}
