package relay

import "time"

// Figures of the packet-rate cap: four times what a
// codec with the agreed packet time sends, and half a second of it at once, as
// comes out of a network that stood still.
const (
	rateFactor  = 4
	rateBurst   = 100 // packets
	packetTime  = 20 * time.Millisecond
	packetLeast = 5 * time.Millisecond
)

// bucket is a leaky bucket on arrival times; the zero value is empty.
type bucket struct {
	full int64 // when it will have leaked empty, in the clock of at
}

// take reports whether a packet that arrives at this moment still fits, with
// one packet leaking out each interval. All in nanoseconds.
func (b *bucket) take(at, interval int64) bool {
	b.full = max(b.full, at)
	if b.full-at >= rateBurst*interval {
		return false
	}
	b.full += interval
	return true
}

// guests are the rates of places that are not known to be a party's yet, before
// anything is spent on their packets. Places share a bucket at random, so that a
// flood from one leaves the others theirs, and any number of them costs no more
// than all buckets hold.
type guests [8]bucket

func (g *guests) take(from endpoint, at int64) bool {
	mixed := (from.ip.low ^ from.ip.high ^ uint64(from.port)<<32) * 0x9e3779b97f4a7c15
	return g[mixed>>61].take(at, interval())
}

// interval is the distance of packets at the cap, for the packet times both
// sides named; 0 is what a side that names none is taken for.
func interval(times ...time.Duration) int64 {
	least := packetTime
	for _, t := range times {
		if t > 0 {
			least = min(least, t)
		}
	}
	return int64(max(least, packetLeast)) / rateFactor
}
