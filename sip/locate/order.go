package locate

import (
	"cmp"
	"net/netip"
	"slices"
)

// Ranked is something with a priority and a weight (RFC 2782).
type Ranked[T any] struct {
	Priority int // lower goes first
	Weight   int // share among those of one priority
	Item     T
}

// Order puts items in the order to try: the lowest priority first, and among
// equals at random, with the chance of each to come next in proportion to its
// weight. One with weight 0 beside heavier ones comes before them hardly ever;
// where all have weight 0 they keep the order of the list. random returns 0 to n-1; list is left as
// it was.
func Order[T any](list []Ranked[T], random func(n int) int) []T {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Ranked[T]) int {
		// zero weights first, as RFC 2782 wants them for its running sum
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	out := make([]T, 0, len(list))
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Priority == list[0].Priority {
			n++
		}
		i := pick(list[:n], random)
		out = append(out, list[i].Item)
		list = slices.Delete(list, i, i+1)
	}
	return out
}

// pick chooses one of a group of equal priority.
func pick[T any](group []Ranked[T], random func(n int) int) int {
	total := 0
	for _, r := range group {
		total += r.Weight
	}
	if total == 0 {
		return 0
	}
	at := random(total + 1)
	for i, r := range group {
		if at -= r.Weight; at <= 0 {
			return i
		}
	}
	return len(group) - 1
}

// interleave takes one of each list in turn.
func interleave(lists [][]netip.Addr) (out []netip.Addr) {
	for i := 0; ; i++ {
		n := len(out)
		for _, l := range lists {
			if i < len(l) {
				out = append(out, l[i])
			}
		}
		if len(out) == n {
			return out
		}
	}
}

func shuffle[T any](a []T, random func(n int) int) {
	for i := len(a) - 1; i > 0; i-- {
		j := random(i + 1)
		a[i], a[j] = a[j], a[i]
	}
}
