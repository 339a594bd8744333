package codec

// concealer makes up what a lost packet may have said: the last period of the
// pitch over and over, fading out, as ITU-T G.711 Appendix I does in its own
// way. It delays nothing: the seams are smoothed on the made-up side.
type concealer struct {
	rate    int
	past    []int16 // the last sound, newest last; its length is fixed
	cycle   []int16 // what is repeated
	at      int     // place in it
	missing int     // samples made up in a row
}

// A voice's pitch lies between these, in periods a second.
const (
	lowestPitch  = 66
	highestPitch = 400
)

func newConcealer(rate int) concealer {
	longest := rate / lowestPitch
	return concealer{rate: rate, past: make([]int16, longest+rate/50), cycle: make([]int16, 0, longest)}
}

func (c *concealer) reset() {
	clear(c.past)
	c.missing = 0
}

// heard takes what was received. After a loss its beginning is blended with
// what would have been made up for it, in place.
func (c *concealer) heard(pcm []int16) {
	if c.missing > 0 {
		c.blend(pcm[:min(len(pcm), c.rate/200)])
		c.missing = 0
	}
	c.keep(pcm)
}

func (c *concealer) keep(pcm []int16) {
	if n := len(pcm); n >= len(c.past) {
		copy(c.past, pcm[n-len(c.past):])
	} else {
		copy(c.past, c.past[n:])
		copy(c.past[len(c.past)-n:], pcm)
	}
}

// blend fades from what is made up to what came, over the whole of pcm.
func (c *concealer) blend(pcm []int16) {
	for i := range pcm {
		was := int(c.next())
		pcm[i] = int16(was + (int(pcm[i])-was)*(i+1)/(len(pcm)+1))
		c.step()
	}
}

// conceal fills dst with made up sound.
func (c *concealer) conceal(dst []int16) {
	if c.missing == 0 {
		c.prepare()
	}
	for i := range dst {
		dst[i] = c.next()
		c.step()
	}
}

// next is the made up sample at hand: as it was for 10 ms, then less and less,
// and silence after 60 ms.
func (c *concealer) next() int16 {
	full, end := c.rate/100, c.rate*6/100
	switch {
	case c.missing <= full:
		return c.cycle[c.at]
	case c.missing >= end:
		return 0
	}
	return int16(int(c.cycle[c.at]) * (end - c.missing) / (end - full))
}

func (c *concealer) step() {
	c.missing++
	if c.at++; c.at == len(c.cycle) {
		c.at = 0
	}
}

// prepare cuts the last period out of the past, its end bent towards what stood
// before its beginning, so that it can be repeated without a click.
func (c *concealer) prepare() {
	lag := c.pitch()
	start := len(c.past) - lag
	c.cycle = append(c.cycle[:0], c.past[start:]...)
	c.at = 0
	bend := lag / 4
	for i := range bend {
		j := lag - bend + i
		from, to := int(c.past[start+j]), int(c.past[start+j-lag])
		c.cycle[j] = int16(from + (to-from)*(i+1)/(bend+1))
	}
}

// pitch finds the distance at which the last 20 ms resemble what was before
// them most; the longest one when nothing does, because noise that repeats fast
// buzzes.
func (c *concealer) pitch() int {
	window := c.rate / 50
	shortest, longest := c.rate/highestPitch, len(c.past)-window
	stride := c.rate / 8000
	best, least := longest, 0.25 // of a perfect likeness, squared
	recent := c.past[len(c.past)-window:]
	for lag := shortest; lag <= longest; lag++ {
		before := c.past[len(c.past)-window-lag:]
		var cross, energy, own int64
		for i := 0; i < window; i += stride {
			a, b := int64(recent[i]), int64(before[i])
			cross += a * b
			energy += b * b
			own += a * a
		}
		if cross <= 0 || own == 0 {
			continue
		}
		if like := float64(cross) / float64(energy) * float64(cross) / float64(own); like > least {
			best, least = lag, like*1.02 // a multiple of the period must be better, not equal
		}
	}
	return best
}
