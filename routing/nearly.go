package routing

import (
	"fmt"
	"strconv"
	"time"
)

// nearby is how far from the hours of a calendar a call is still told to be near.
const nearby = 15 * time.Minute

// nearly says that a calendar which is not open at t was or will be soon; empty:
// neither.
func (c *calendar) nearly(t time.Time) string {
	before, _ := c.at(t.Add(-nearby))
	after, _ := c.at(t.Add(nearby))
	if before != CalendarOpen && after != CalendarOpen {
		return "" // as nearly always; hours shorter than that are not worth thirty readings a call
	}
	for d := time.Minute; d <= nearby; d += time.Minute {
		if state, _ := c.at(t.Add(-d)); state == CalendarOpen {
			return "missed by " + minutes(d-time.Minute) + ": it was open till then" // the first closed minute is the end
		}
		if state, _ := c.at(t.Add(d)); state == CalendarOpen {
			return "missed by " + minutes(d) + ": it opens then"
		}
	}
	return ""
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return plural(int(d/time.Minute), "minute")
}

// nearly says which of the lists hold a number that differs from the caller's in
// one digit, counted from 1 behind the +; empty: none does.
func (w *Walk) nearly(lists []*numberSet) string {
	caller := w.facts.caller
	if caller == 0 {
		return ""
	}
	length := len(strconv.FormatUint(uint64(caller), 10))
	for _, s := range lists {
		for i, weight := 1, power(length-1); i <= length; i, weight = i+1, weight/10 {
			own := caller / weight % 10
			for d := number(0); d <= 9; d++ {
				if _, ok := s.numbers[caller-own*weight+d*weight]; ok && d != own {
					return fmt.Sprintf("; list %s has one whose digit %d differs", s.id, i)
				}
			}
		}
	}
	return ""
}
