package routing

import (
	"slices"
	"strings"
)

// prefixes finds the longest of a set of prefixes that a number begins with:
// one look-up for each length that occurs, longest first. A prefix is kept as
// the number its digits are; none begins with a zero, so none is lost.
type prefixes[V any] struct {
	of      map[number]V
	lengths []int // that occur, longest first
}

// checkNumberPrefix reads a prefix of E.164 numbers as it is written.
func checkNumberPrefix(s string) (number, string) {
	digits, plus := strings.CutPrefix(s, "+")
	if !plus || digits == "" || len(digits) > maxE164 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return 0, "is not the beginning of an E.164 number: a + and 1 to 15 digits, the first not 0"
	}
	var n number
	for _, d := range []byte(digits) {
		n = n*10 + number(d-'0')
	}
	return n, ""
}

// add enters a prefix; false when it is there already, and then what it has
// stays.
func (p *prefixes[V]) add(prefix number, v V) bool {
	if _, there := p.of[prefix]; there {
		return false
	}
	if p.of == nil {
		p.of = map[number]V{}
	}
	p.of[prefix] = v
	length := prefix.len()
	if at, found := slices.BinarySearchFunc(p.lengths, length, func(have, want int) int { return want - have }); !found {
		p.lengths = slices.Insert(p.lengths, at, length)
	}
	return true
}

// find does not allocate.
func (p *prefixes[V]) find(n number) (v V, ok bool) {
	length := n.len()
	for _, l := range p.lengths {
		if l > length {
			continue
		}
		if v, ok = p.of[n/power(length-l)]; ok {
			return v, true
		}
	}
	return v, false
}

// len is how many digits the number has.
func (n number) len() int {
	digits := 0
	for ; n > 0; n /= 10 {
		digits++
	}
	return digits
}
