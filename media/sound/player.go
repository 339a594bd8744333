package sound

// Player says where a sound stands while it plays: the samples of one rate, in
// the pieces they are asked for. The zero value is silent and over.
type Player struct {
	samples []int16
	at      int
	loop    bool
}

// Play begins a sound at a rate; with loop it never ends.
func Play(s *Sound, rate int, loop bool) Player {
	return Player{samples: s.At(rate), loop: loop}
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

// Over reports whether nothing more comes.
func (p *Player) Over() bool { return p.at >= len(p.samples) }
