package digits

import (
	"time"

	"ringdown/media"
)

// Together is the longest time between two sayings of one press: an INFO that
// is sent again over UDP comes more than a second behind the tone.
const Together = 1500 * time.Millisecond

// Once makes one press of what a party says in several ways: some phones send an
// event and an INFO, and gateways leave the tone in the sound. The first saying
// counts; one in another way pairs with the oldest press of the same key that was
// not said so yet. The zero value is ready; not safe for concurrent use.
type Once struct {
	said [16]saying
	next int
}

type saying struct {
	event media.Digit
	ways  media.Way
	at    int64
}

// Fresh reports whether this is a press that was not said before, and notes it.
func (o *Once) Fresh(e media.Digit, way media.Way, at int64) bool {
	oldest := -1
	for i := range o.said {
		s := &o.said[i]
		if s.ways == 0 || s.event != e || s.ways&way != 0 || at-s.at > int64(Together) {
			continue
		}
		if oldest < 0 || s.at < o.said[oldest].at {
			oldest = i
		}
	}
	if oldest >= 0 {
		o.said[oldest].ways |= way
		return false
	}
	o.said[o.next] = saying{e, way, at}
	o.next = (o.next + 1) % len(o.said)
	return true
}
