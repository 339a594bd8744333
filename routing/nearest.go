package routing

import (
	"fmt"
	"strconv"
)

// maxNear is the most near misses a trace names.
const maxNear = 3

// nearest adds to the trace what the call would have met, had the called
// address been only a little different. called is zero when it is no number.
// This happens on the way to a refusal, so its few hundred look-ups cost no
// call that goes through.
func (w *walk) nearest(called number) {
	var buf [maxDialled]byte
	d, ok := scan(w.request.To, buf[:])
	if !ok || len(d.digits) == 0 {
		return
	}
	left := maxNear
	say := func(text string) {
		if left--; left >= 0 {
			w.look("number", Near, text)
		}
	}
	digits := string(d.digits)
	bare, ok := parseE164(digits)
	if ok && !d.plus && w.has(bare) {
		say(bare.String() + " matched but for the leading +")
	}
	for _, c := range w.table.countries {
		if c == w.trunk.country || d.plus {
			continue
		}
		if n, _ := c.read(digits); n != 0 && n != bare && w.has(n) {
			say(n.String() + " matched if the trunk's numbers were read as in " + c.iso)
		}
	}
	if called == 0 {
		called = bare
	}
	if called != 0 && left == maxNear {
		w.slips(called, say)
	}
}

func (w *walk) has(n number) bool { return w.table.numbers.has(n) }

// slips says which numbers are one slip of a finger away. Digits are counted
// from 1 behind the +, because the numbers themselves are masked.
func (w *walk) slips(called number, say func(string)) {
	length := len(strconv.FormatUint(uint64(called), 10))
	try := func(n number, text string, digit int) {
		if n != called && n >= lowestE164 && n <= highestE164 && w.has(n) {
			say(n.String() + " is in the table: " + fmt.Sprintf(text, digit))
		}
	}
	weight := power(length - 1) // of the digit looked at
	for i := 1; i <= length; i++ {
		before, own, after := called/weight/10, called/weight%10, called%weight
		for d := number(0); d <= 9; d++ {
			try((before*10+d)*weight+after, "digit %d differs", i)
			if d != own { // else the same as one further on
				try((before*10+d)*weight*10+called%(weight*10), "digit %d is missing", i)
			}
		}
		if before%10 != own {
			try(before*weight+after, "digit %d is too many", i)
		}
		if i < length {
			next := after / (weight / 10)
			try(((before*10+next)*10+own)*weight/10+after%(weight/10), "digit %d is swapped with the next", i)
		}
		weight /= 10
	}
	for d := number(0); d <= 9; d++ {
		try(called*10+d, "digit %d is missing", length+1)
	}
}

// power returns ten to the n.
func power(n int) number {
	p := number(1)
	for range n {
		p *= 10
	}
	return p
}
