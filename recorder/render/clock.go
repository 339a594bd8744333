package render

import (
	"slices"
	"time"
)

// clock knows when the audio of one run was to be heard on our clock. It is
// built from the packets that the network delayed least: within each second the
// one with the smallest difference between arrival and RTP time.
type clock struct {
	rate   int // RTP clock, Hz
	points []point
	slope  float64 // seconds gained a second: how much slower the sender's clock runs
}

// point is the least difference seen in one second.
type point struct {
	at     time.Duration // arrival
	offset time.Duration // arrival less RTP time; after settle, without the slope
}

const (
	window   = time.Second
	ahead    = 30 * time.Second // a delay that goes away within this was the network's
	behind   = 5 * time.Second
	slip     = 20 * time.Millisecond  // a sender that fell behind by less stays where it is: to follow it would bend the sound for nothing
	shift    = 150 * time.Millisecond // more than this above the past is a shift of the sender's count
	maxSlope = 1e-3                   // no telephone's clock is that wrong: what looks like it is something else
	minSpan  = 20 * time.Second       // shorter than this a slope says more of the jitter than of the clock
	sampled  = 240                    // points that the slope is taken from
)

// learn adds a packet to the clock of its run; runs come in order.
func learn(clocks []*clock, p place, arrival time.Duration, rate int) []*clock {
	for len(clocks) <= p.run {
		clocks = append(clocks, &clock{rate: rate})
	}
	c := clocks[p.run]
	offset := arrival - c.time(p.ts)
	if n := len(c.points); n == 0 || arrival-c.points[n-1].at >= window {
		c.points = append(c.points, point{at: arrival, offset: offset})
	} else if offset < c.points[n-1].offset {
		c.points[n-1].offset = offset
	}
	return clocks
}

// time is an RTP timestamp as time since the run's first packet.
func (c *clock) time(ts int64) time.Duration {
	rate := int64(c.rate)
	return time.Duration(ts/rate)*time.Second + time.Duration(ts%rate)*time.Second/time.Duration(rate)
}

// settle turns what was seen into the offset for each second: the drift as one
// slope, and around it the least delay in the seconds near by.
func (c *clock) settle() {
	c.slope = slope(c.points)
	for i, p := range c.points {
		c.points[i].offset -= c.drift(p.at)
	}
	least := make([]time.Duration, len(c.points))
	for i, p := range c.points {
		least[i] = p.offset
		for j := i + 1; j < len(c.points) && c.points[j].at-p.at <= ahead; j++ {
			least[i] = min(least[i], c.points[j].offset)
		}
		own := least[i]
		for j := i - 1; j >= 0; j-- {
			near := p.at-c.points[j].at <= behind && least[i]-c.points[j].offset < shift
			if near || own-c.points[j].offset < slip {
				least[i] = min(least[i], c.points[j].offset)
			}
		}
	}
	for i := range c.points {
		c.points[i].offset = least[i]
	}
}

func (c *clock) drift(at time.Duration) time.Duration {
	return time.Duration(c.slope * float64(at-c.points[0].at))
}

// heard is when the audio of a packet begins on the recording's clock.
func (c *clock) heard(ts int64, arrival time.Duration) time.Duration {
	i, found := slices.BinarySearchFunc(c.points, arrival, func(p point, at time.Duration) int {
		return int(p.at - at)
	})
	if !found {
		i = max(i-1, 0)
	}
	return c.time(ts) + c.points[i].offset + c.drift(arrival)
}

// slope is the median of the slopes between all pairs of points (Theil and
// Sen), which a quarter of wild ones does not move.
func slope(points []point) float64 {
	if len(points) < 2 || points[len(points)-1].at-points[0].at < minSpan {
		return 0
	}
	few := thin(points)
	slopes := make([]float64, 0, len(few)*(len(few)-1)/2)
	for i, a := range few {
		for _, b := range few[i+1:] {
			slopes = append(slopes, float64(b.offset-a.offset)/float64(b.at-a.at))
		}
	}
	slices.Sort(slopes)
	if m := slopes[len(slopes)/2]; m <= maxSlope && m >= -maxSlope {
		return m
	}
	return 0
}

// thin keeps at most sampled points: the least delayed of each stretch.
func thin(points []point) []point {
	stride := (len(points) + sampled - 1) / sampled
	var out []point
	for part := range slices.Chunk(points, stride) {
		best := part[0]
		for _, p := range part {
			if p.offset < best.offset {
				best = p
			}
		}
		out = append(out, best)
	}
	return out
}
