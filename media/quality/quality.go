// Package quality says how well a party of a call is heard, and when it is not
// heard, why. It owns the figures of one received stream ([Meter]: RFC 3550
// appendix A, bursts and gaps of RFC 3611), what they sound like ([Rate]: ITU-T
// G.107), the RTCP of one leg ([Session]), the verdict on a party that is not
// heard ([Judge]) and the limits of silence ([Watch]).
//
// Everything here is a value: no socket, no goroutine, no clock. Times are
// nanoseconds on whatever steady clock the caller has; nothing is safe for
// concurrent use. Bytes from outside are read by [Session.Read] only.
package quality

import "time"

// ms is a duration in milliseconds, for figures that are told.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
