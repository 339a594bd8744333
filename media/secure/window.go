package secure

// streamsMost is how many sources (SSRC) one key serves. A call has a handful in
// its life; whoever makes up more may not fill our memory: a source costs a few
// hundred bytes in the cipher.
const streamsMost = 4096

// windowsMost is how many of them may come out of order; of the others, that have
// sent before these, only the highest index is kept.
const windowsMost = 128

// window knows which packets of one source a key has sealed: the highest index
// (RFC 3711 3.3.1: rollovers and sequence number) and the 128 up to it.
type window struct {
	ssrc uint32
	used uint64 // when it was turned to, counted by the sealer
	top  uint64
	seen [2]uint64 // bit i: index top-i
}

// windowSize is how far behind the newest packet one may come, in packets.
const windowSize = 128

// index is the index of a sequence number: the nearest to the highest so far.
func (w *window) index(seq uint16) (index uint64, behind bool) {
	step := int16(seq - uint16(w.top))
	if step >= 0 {
		return w.top + uint64(step), false
	}
	back := uint64(-int32(step))
	if back > w.top { // before the first rollover there is nothing: a leap ahead
		return uint64(seq), false
	}
	return w.top - back, true
}

// use marks an index; it reports false when it was used already or is too old to
// know.
func (w *window) use(seq uint16) bool {
	index, behind := w.index(seq)
	if behind || index == w.top {
		return w.mark(w.top - index)
	}
	if ahead := index - w.top; ahead < windowSize {
		w.shift(uint(ahead))
	} else {
		w.seen = [2]uint64{}
	}
	w.top = index
	w.seen[0] |= 1
	return true
}

func (w *window) mark(back uint64) bool {
	if back >= windowSize {
		return false
	}
	bit := uint64(1) << (back & 63)
	if w.seen[back>>6]&bit != 0 {
		return false
	}
	w.seen[back>>6] |= bit
	return true
}

func (w *window) shift(n uint) {
	if n >= 64 {
		w.seen[1], w.seen[0] = w.seen[0]<<(n-64), 0
		return
	}
	w.seen[1] = w.seen[1]<<n | w.seen[0]>>(64-n)
	w.seen[0] <<= n
}
