package quality

// gmin is how many packets must be heard in a row for a burst to be over (RFC
// 3611 4.7.2).
const gmin = 16

// gaps divides a stream into bursts, which begin and end with a loss and have
// fewer than gmin packets heard in a row, and the gaps between them. A loss that
// stands alone belongs to its gap.
type gaps struct {
	Heard, Lost          uint64 // packets settled so far
	Runs                 uint64 // of losses without a packet between
	Bursts               uint64
	BurstLost, BurstSpan uint64 // in bursts that are over: lost, and lost and heard

	run       uint32 // heard since the last loss
	open      uint32 // losses of what may become a burst; 0: none is open
	span      uint32 // packets from its first loss to its last
	lastHeard bool
}

// packet takes the next one in order.
func (g *gaps) packet(heard bool) {
	if heard {
		g.Heard++
		if g.run++; g.run == gmin {
			g.close()
		}
		g.lastHeard = true
		return
	}
	g.Lost++
	if g.lastHeard || g.Lost == 1 {
		g.Runs++
	}
	if g.open > 0 {
		g.span += g.run + 1
	} else {
		g.span = 1
	}
	g.open++
	g.run, g.lastHeard = 0, false
}

// close ends what is open; a single loss was none.
func (g *gaps) close() {
	if g.open > 1 {
		g.Bursts++
		g.BurstLost += uint64(g.open)
		g.BurstSpan += uint64(g.span)
	}
	g.open, g.span = 0, 0
}

// density is what happened between two readings of the same gaps: the part of
// packets lost inside bursts and outside, and the burst ratio of G.107: the mean
// length of a run of losses over that of random loss at the same rate.
func (g gaps) since(before gaps) (burst, gap, ratio float64) {
	lost, heard := g.Lost-before.Lost, g.Heard-before.Heard
	inBurst, span := g.BurstLost-before.BurstLost, g.BurstSpan-before.BurstSpan
	if span > 0 {
		burst = float64(inBurst) / float64(span)
	}
	if rest := float64(lost+heard) - float64(span); rest > 0 {
		gap = max(0, float64(lost)-float64(inBurst)) / rest
	}
	ratio = 1
	if runs := g.Runs - before.Runs; runs > 0 {
		ratio = max(1, float64(lost)/float64(runs)*(1-float64(lost)/float64(lost+heard)))
	}
	return burst, gap, ratio
}
