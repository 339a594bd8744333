//go:build linux

package main

import (
	"math/bits"
	"time"
)

// steps is how many buckets each doubling of a duration has: quantiles are exact
// to 1/64.
const steps = 64

// histogram counts durations without keeping them.
type histogram struct {
	buckets [64 * steps]uint64
	count   uint64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

func bucketOf(d time.Duration) int {
	if d < steps {
		return int(d)
	}
	octave := bits.Len64(uint64(d)) - bits.Len(steps)
	return (octave+1)*steps + int(uint64(d)>>octave) - steps
}

// floorOf is the smallest duration in a bucket.
func floorOf(bucket int) time.Duration {
	if bucket < steps {
		return time.Duration(bucket)
	}
	octave := bucket/steps - 1
	return time.Duration(steps+bucket%steps) << octave
}

// quantile returns the duration below which a share q of all lies; 0 when empty.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.count))
	var below uint64
	for i, n := range h.buckets {
		if below += n; below > rank {
			return floorOf(i)
		}
	}
	return h.max
}
