package routing

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Strategies: the order in which a dial step tries its targets.
const (
	Simultaneous = "simultaneous" // all at once
	RoundRobin   = "round-robin"  // beginning with the one whose turn it is
	Weighted     = "weighted"     // by chance, each in proportion to its weight
	Percentage   = "percentage"   // likewise, but always the same for one caller
)

// candidate is a target as far as its place in the order goes by it.
type candidate struct {
	identity string // [Target.Identity]
	weight   int    // of Weighted and Percentage; 0: behind all that have one, in the order written
}

// chance is what an order depends on beside the targets.
type chance struct {
	draw   uint64 // drawn once a call
	turn   uint64 // of RoundRobin: counts up with each call
	caller number // of Percentage; 0: withheld, and then it goes by the draw
	key    string // of Percentage: keeps steps apart whose shares are to be independent, see choosing
	sticky string // identity of who answered this caller before; he goes first if he is among them
}

// maxWeight is the greatest weight of a target.
const maxWeight = 65535

// ordered returns the indices of the candidates in the order to try them. It is
// a function of its arguments, the same on every machine.
func ordered(strategy string, all []candidate, by chance) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	switch strategy {
	case RoundRobin:
		if n := uint64(len(all)); n > 0 {
			for i := range order {
				order[i] = int((by.turn%n + uint64(i)) % n)
			}
		}
	case Weighted:
		byScore(order, all, func(i int) uint64 { return splitmix(by.draw + uint64(i+1)*golden) })
	case Percentage:
		byScore(order, all, func(i int) uint64 { return by.lot(all[i].identity) })
	}
	if by.sticky != "" {
		if at := slices.IndexFunc(order, func(i int) bool { return all[i].identity == by.sticky }); at > 0 {
			i := order[at]
			copy(order[1:at+1], order[:at])
			order[0] = i
		}
	}
	return order
}

// byScore sorts by lots that are exponentially distributed with the weight as
// their rate (Efraimidis and Spirakis 2006; for hashes known as weighted
// rendezvous): the least is each one with the probability of its share, and so
// on without replacement; and who changes nothing but one candidate moves
// nobody between two others.
func byScore(order []int, all []candidate, lot func(int) uint64) {
	score := make([]uint64, len(all))
	for i := range all {
		score[i] = exponential(lot(i))
	}
	slices.SortStableFunc(order, func(i, j int) int {
		wi, wj := uint64(all[i].weight), uint64(all[j].weight)
		switch {
		case wi == 0 && wj == 0:
			return 0
		case wi == 0:
			return 1
		case wj == 0:
			return -1
		}
		return cmp.Compare(score[i]*wj, score[j]*wi) // score[i]/wi < score[j]/wj; 39 and 16 bits
	})
}

// lot is 64 bits for a target, always the same for a caller.
func (c chance) lot(identity string) uint64 {
	b := make([]byte, 0, 128)
	b = append(b, "ringdown percentage 1\n"...)
	if c.caller != 0 {
		b = binary.BigEndian.AppendUint64(append(b, 'c'), uint64(c.caller))
	} else {
		b = binary.BigEndian.AppendUint64(append(b, 'd'), c.draw)
	}
	for _, s := range [...]string{c.key, identity} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// golden and splitmix are the step and the output of SplitMix64 (Steele, Lea and
// Flood 2014): 64 independent bits for each place, of one draw.
const golden = 0x9e3779b97f4a7c15

func splitmix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fraction is how many bits of a logarithm stand behind the point.
const fraction = 32

// exponential turns 64 even bits into -log2(bits/2^64), with 32 bits behind the
// point: an exponentially distributed lot. Whole numbers, because the floating
// point ones differ from machine to machine in their last bit, and with them
// who is called. At most 64 << 32.
func exponential(even uint64) uint64 {
	even |= 1 // no logarithm of zero
	whole := uint64(bits.Len64(even) - 1)
	m := even << (63 - whole) // 1 to 2, with 63 bits behind the point
	log := whole
	for range fraction {
		high, low := bits.Mul64(m, m) // 1 to 4, with 62 bits behind the point
		log <<= 1
		if high>>63 != 0 {
			log |= 1
			m = high
		} else {
			m = high<<1 | low>>63
		}
	}
	return 64<<fraction - log
}
