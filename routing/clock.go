package routing

import (
	"fmt"
	"time"
)

// date is a day of the calendar, in no zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

// time is the first instant of the date in UTC, to count days with.
func (d date) time() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC) }

func (d date) plus(days int) date { return dateOf(d.time().AddDate(0, 0, days)) }

func (d date) before(other date) bool { return d.time().Before(other.time()) }

func (d date) weekday() time.Weekday { return d.time().Weekday() }

// reading is what the wall clock in a zone shows.
type reading struct {
	date
	weekday time.Weekday
	minute  int // of the day
}

func readingOf(local time.Time) reading {
	return reading{dateOf(local), local.Weekday(), local.Hour()*60 + local.Minute()}
}

func (r reading) String() string { return r.weekday.String()[:3] + " " + clock(r.minute) }

// at is the state at an instant, with the words why.
func (c *calendar) at(t time.Time) (state, why string) {
	local := t.In(c.zone)
	r := readingOf(local)
	for i := len(c.overrides) - 1; i >= 0; i-- {
		if o := c.overrides[i]; o.holds(t, r) {
			return o.state, fmt.Sprintf("%s: %s, it is %s %s in %s", o.state, o.words(i+1), local.Format("Mon 2 January 2006"), clock(r.minute), c.zone)
		}
	}
	for _, h := range c.holidays {
		if name, ok := h.on(r); ok {
			return CalendarHoliday, fmt.Sprintf("holiday: %s, it is %s %s in %s", name, local.Format("Mon 2 January"), clock(r.minute), c.zone)
		}
	}
	for _, h := range c.hours {
		if h.holds(r) {
			return CalendarOpen, fmt.Sprintf("open: %s %s, it is %s", h.text, c.zone, r)
		}
	}
	return CalendarClosed, fmt.Sprintf("closed: none of the hours holds, it is %s in %s", r, c.zone)
}

func (h hours) holds(r reading) bool {
	if h.from < h.until {
		return h.days.has(r.weekday) && h.from <= r.minute && r.minute < h.until
	}
	return h.days.has(r.weekday) && h.from <= r.minute || h.days.has((r.weekday+6)%7) && r.minute < h.until
}

// next is the first instant behind t at which the state is another than at t;
// false when there is none until the limit.
func (c *calendar) next(t, limit time.Time) (time.Time, bool) {
	was, _ := c.at(t)
	for at := c.edge(t); at.Before(limit); at = c.edge(at) {
		if is, _ := c.at(at); is != was {
			return at, true
		}
	}
	return time.Time{}, false
}

// edge is the first instant behind t at which anything of the calendar could
// change: the clock comes to an edge of the day or is put forward or back, or
// an override by instants begins or ends.
func (c *calendar) edge(t time.Time) time.Time {
	local := t.In(c.zone)
	shown := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
		time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	next := t.Add(24 * time.Hour)
	for _, minute := range c.edges { // the last one is the end of the day
		if e := time.Duration(minute) * time.Minute; e > shown {
			next = t.Add(e - shown)
			break
		}
	}
	if _, end := local.ZoneBounds(); !end.IsZero() && end.After(t) && end.Before(next) {
		next = end
	}
	for _, o := range c.overrides {
		for _, i := range [...]time.Time{o.from.instant, o.until.instant} {
			if i.After(t) && i.Before(next) {
				next = i
			}
		}
	}
	return next
}
