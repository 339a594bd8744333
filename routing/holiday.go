package routing

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// holiday is a Holiday to look into: the part of the day, and the days.
type holiday struct {
	days        []holidayRule
	from, until int
}

// on is the name of the holiday that a reading of the clock falls into.
func (h holiday) on(r reading) (string, bool) {
	if r.minute < h.from || r.minute >= h.until {
		return "", false
	}
	for _, rule := range h.days {
		if rule.on(r.date) {
			return rule.name, true
		}
	}
	return "", false
}

// holidayRule is a day of each year, or of one.
type holidayRule struct {
	name    string
	kind    holidayKind
	month   time.Month
	day     int
	offset  int          // of an Easter rule: days behind the Sunday
	weekday time.Weekday // of a weekday rule: the first one on or behind month and day
	year    int          // 0: every year
}

type holidayKind uint8

const (
	fixedDay holidayKind = iota
	fixedOrObserved
	westernEaster
	orthodoxEaster
	weekdayFrom
)

func (h holidayRule) on(d date) bool {
	switch h.kind {
	case westernEaster:
		return d == easter(d.year).plus(h.offset)
	case orthodoxEaster:
		return d == easternEaster(d.year).plus(h.offset)
	case weekdayFrom:
		first := date{d.year, h.month, h.day}
		return d == first.plus(int(h.weekday-first.weekday()+7)%7)
	case fixedOrObserved:
		before, after := d.plus(-1), d.plus(1)
		return h.is(d) || h.is(after) && after.weekday() == time.Saturday || h.is(before) && before.weekday() == time.Sunday
	}
	return h.is(d)
}

func (h holidayRule) is(d date) bool {
	return d.month == h.month && d.day == h.day && (h.year == 0 || h.year == d.year)
}

// easter is Easter Sunday of the western churches, by the computus of Butcher.
func easter(year int) date {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	return date{year, time.Month(month), (h + l - 7*m + 33*month + 19) % 32}
}

// easternEaster is Easter Sunday of the orthodox churches: the computus of
// Meeus by the calendar of Caesar, told in ours.
func easternEaster(year int) date {
	a, b, c := year%4, year%7, year%19
	d := (19*c + 15) % 30
	e := (2*a + 4*b - d + 34) % 7
	n := d + e + 114
	behind := year/100 - year/400 - 2 // days that the old calendar is behind
	return date{year, time.Month(n / 31), n%31 + 1}.plus(behind)
}

// holidayRules checks a Holiday and says which days it is.
func (b *builder) holidayRules(h Holiday, path string) []holidayRule {
	said := 0
	for _, is := range [...]bool{h.Date != "", h.Yearly != "", h.Easter != nil, h.Country != ""} {
		if is {
			said++
		}
	}
	if said != 1 {
		b.fault("is not exactly one of: date, yearly, easter, country", "%s", path)
		return nil
	}
	b.fault(checkText(h.Name, maxCalendarText), "%s.name", path)
	if h.Orthodox && h.Easter == nil {
		b.fault("means nothing without easter", "%s.orthodox", path)
	}
	rule := holidayRule{name: h.Name}
	switch {
	case h.Country != "":
		return b.holidaysOf(h, path)
	case h.Easter != nil:
		return b.easterRule(h, path)
	case h.Date != "":
		t, err := time.Parse(time.DateOnly, h.Date)
		if err != nil {
			b.fault(`is not a date such as "2026-12-24"`, "%s.date", path)
			return nil
		}
		rule.year, rule.month, rule.day = t.Year(), t.Month(), t.Day()
	default:
		t, err := time.Parse(time.DateOnly, "2024-"+h.Yearly) // a leap year
		if err != nil {
			b.fault(`is not a day of the year such as "12-25"`, "%s.yearly", path)
			return nil
		}
		rule.month, rule.day = t.Month(), t.Day()
	}
	if rule.name == "" {
		rule.name = time.Date(2024, rule.month, rule.day, 0, 0, 0, 0, time.UTC).Format("2 January")
	}
	return []holidayRule{rule}
}

func (b *builder) easterRule(h Holiday, path string) []holidayRule {
	if *h.Easter < -80 || *h.Easter > 200 { // so that it stays in the year of its Easter
		b.fault("is not -80 to 200 days", "%s.easter", path)
	}
	rule := holidayRule{name: h.Name, kind: westernEaster, offset: *h.Easter}
	if h.Orthodox {
		rule.kind = orthodoxEaster
	}
	if rule.name == "" {
		rule.name = easterWords(*h.Easter)
	}
	return []holidayRule{rule}
}

func easterWords(offset int) string {
	switch {
	case offset == 0:
		return "Easter Sunday"
	case offset < 0:
		return plural(-offset, "day") + " before Easter"
	}
	return plural(offset, "day") + " behind Easter"
}

func (b *builder) holidaysOf(h Holiday, path string) []holidayRule {
	rules, known := publicHolidays[h.Country]
	if !known {
		b.fault("is not a country whose holidays are known: "+strings.Join(slices.Sorted(maps.Keys(publicHolidays)), ", ")+"; write them out", "%s.country", path)
	}
	if h.Name != "" {
		b.fault("the holidays of a country have names of their own", "%s.name", path)
	}
	return rules
}
