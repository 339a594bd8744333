package sound

// Player says where a sound stands while it plays: the samples of one rate, in
// the pieces they are asked for. The zero value is silent and over.
type Player struct {
	sound   *Sound
	samples []int16
	rate    int
	at      int
	loop    bool
}

// Play begins a sound at a rate; with loop it never ends.
func Play(s *Sound, rate int, loop bool) Player {
	return Player{sound: s, samples: s.At(rate), rate: rate, loop: loop}
}

// Retune goes on at another rate from the same moment of the sound.
func (p *Player) Retune(rate int) {
	if p.sound == nil || rate == p.rate {
		return
	}
	p.samples = p.sound.At(rate)
	p.at = min(p.at*rate/p.rate, len(p.samples))
	p.rate = rate
}

// Next fills dst with what comes now, and silence behind the end. It returns how
// many samples of dst are the sound.
func (p *Player) Next(dst []int16) (n int) {
	for n < len(dst) && p.at < len(p.samples) {
		k := copy(dst[n:], p.samples[p.at:])
		n += k
		p.at += k
		if p.loop && p.at == len(p.samples) {
			p.at = 0
		}
	}
	clear(dst[n:])
	return n
}

// Frame is the number of the [Frame] that comes next.
func (p *Player) Frame() int { return p.at / max(1, FrameSize(p.rate)) }

// Skip passes over n samples, as if they had been asked for; a loop begins anew
// with the next frame behind its end.
func (p *Player) Skip(n int) {
	if p.at += n; p.at >= len(p.samples) {
		p.at = len(p.samples)
		if p.loop {
			p.at = 0
		}
	}
}

// Over reports whether nothing more comes.
func (p *Player) Over() bool { return p.at >= len(p.samples) }
