// Package digits reads and makes the keys that are pressed in a call, in the
// three ways they travel: as events in RTP (RFC 4733: [Receiver], [Sender]), as
// tones in the sound ([Detector], [Tone]) and in the bodies of SIP INFO
// ([ReadInfo], [WriteInfo]). [Once] makes one press of what was said in several
// ways at once, [Codes] finds the short codes in what was pressed.
//
// It is pure: no socket, no goroutine and no clock; times are nanoseconds on
// whatever clock the caller has. It keeps no history beyond what it needs to
// tell one press from the next, and prints no digit: a [media.Digit] formats as
// its class.
package digits

import (
	"time"

	"ringdown/media"
)

// Change is what became known of a press: that it began or that it is over.
// Every press has one of each, in this order and in the order of the presses.
type Change struct {
	Digit media.Digit
	Ended bool
	// Duration of the press, when it has Ended: as far as it is known.
	Duration time.Duration
}
