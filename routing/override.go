package routing

import (
	"fmt"
	"strings"
	"time"
)

// override is an OpenException to look into.
type override struct {
	from, until bound
	state       string
	text        string // "override 2 (reason)"
}

// bound is one end of an override: an instant, or a minute as the clock in the
// zone shows it.
type bound struct {
	instant time.Time // zero: by the clock
	date    date
	minute  int
}

// passed reports whether the moment t, at which the clock shows r, is at the
// bound or behind it.
func (e bound) passed(t time.Time, r reading) bool {
	if !e.instant.IsZero() {
		return !t.Before(e.instant)
	}
	if r.date != e.date {
		return e.date.before(r.date)
	}
	return r.minute >= e.minute
}

func (o override) holds(t time.Time, r reading) bool {
	return o.from.passed(t, r) && !o.until.passed(t, r)
}

func (b *builder) override(spec OpenException, zone *time.Location, path string) (o override) {
	o = override{from: b.calendarBound(spec.From, false, path+".from"), until: b.calendarBound(spec.Until, true, path+".until"), state: spec.State}
	if spec.State == "" {
		b.fault("is missing: "+strings.Join(calendarStates, ", "), "%s.state", path)
	}
	b.fault(checkWord(spec.State, calendarStates), "%s.state", path)
	b.fault(checkText(spec.Reason, maxCalendarText), "%s.reason", path)
	if zone != nil && !o.until.in(zone).After(o.from.in(zone)) && spec.From != "" && spec.Until != "" {
		b.fault("is not behind from", "%s.until", path)
	}
	o.text = spec.Reason
	return o
}

const maxCalendarText = 64

// bound reads one end; last makes a date mean the end of its day.
func (b *builder) calendarBound(s string, last bool, path string) bound {
	if s == "" {
		b.fault("is missing: a date, a time by the clock there or an instant", "%s", path)
		return bound{}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return bound{instant: t}
	}
	if t, err := time.Parse("2006-01-02T15:04", s); err == nil {
		return bound{date: dateOf(t), minute: t.Hour()*60 + t.Minute()}
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		b.fault(`is not a date such as "2026-12-24", a time by the clock there such as "2026-12-24T12:00" or an instant such as "2026-12-24T11:00:00Z"`, "%s", path)
		return bound{}
	}
	if last {
		return bound{date: dateOf(t), minute: minuteOfDay}
	}
	return bound{date: dateOf(t)}
}

// in is the instant of the bound, the first where the clock shows it twice.
func (e bound) in(zone *time.Location) time.Time {
	if !e.instant.IsZero() {
		return e.instant
	}
	return time.Date(e.date.year, e.date.month, e.date.day, 0, e.minute, 0, 0, zone)
}

func (o override) words(n int) string {
	if o.text != "" {
		return fmt.Sprintf("override %d, %s", n, o.text)
	}
	return fmt.Sprintf("override %d", n)
}
