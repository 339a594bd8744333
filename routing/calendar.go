package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Calendar says when somebody is there. It depends on nothing but what the wall
// clock in its zone shows: in the hour that comes twice when clocks are put
// back, hours that begin or end in it do so twice; what lies in the hour that
// is left out when they are put forward does not happen that day.
//
// Of what it says the override holds before the holiday, and that before the
// hours; of several overrides the one written last.
type Calendar struct {
	Zone      string          `yaml:"zone"` // IANA name: Europe/Oslo
	Open      []OpenHours     `yaml:"open"`
	Holidays  []Holiday       `yaml:"holidays"`
	Overrides []OpenException `yaml:"overrides"`
}

// OpenHours are hours of the week. Those across midnight (until is not behind
// from) belong to the day on which they begin.
type OpenHours struct {
	Days  []string `yaml:"days"`  // mon, tue, …; mon-fri; empty: every day
	From  string   `yaml:"from"`  // 08:00
	Until string   `yaml:"until"` // 16:00, up to 24:00; that minute is closed
}

// Holiday is a day that is none of work: exactly one of Date, Yearly, Easter
// and Country. From and Until make it a part of the day.
type Holiday struct {
	Name     string `yaml:"name"`     // for people
	Date     string `yaml:"date"`     // 2026-12-24
	Yearly   string `yaml:"yearly"`   // 12-25
	Easter   *int   `yaml:"easter"`   // days behind Easter Sunday, before it when negative
	Orthodox bool   `yaml:"orthodox"` // Easter of the eastern churches
	Country  string `yaml:"country"`  // the public holidays of a country
	From     string `yaml:"from"`     // of the day; empty: from its beginning
	Until    string `yaml:"until"`    // of the day; empty: to its end
}

// OpenException is a time for which the calendar is put aside.
type OpenException struct {
	From   string `yaml:"from"`   // 2026-12-24, its whole day; 2026-12-24T12:00 by the clock there; or an instant, RFC 3339
	Until  string `yaml:"until"`  // likewise; a day is included, a time is not
	State  string `yaml:"state"`  // open | closed | holiday
	Reason string `yaml:"reason"` // for people
}

// States of a calendar.
const (
	CalendarOpen    = "open"
	CalendarClosed  = "closed"
	CalendarHoliday = "holiday"
)

var calendarStates = []string{CalendarOpen, CalendarClosed, CalendarHoliday}

// calendar is a Calendar to look into.
type calendar struct {
	id        string
	zone      *time.Location
	hours     []hours
	holidays  []holiday
	overrides []override
	edges     []int // minutes of a day at which something of the above can change, in order, the last is 1440
}

type hours struct {
	days        weekdays
	from, until int // minutes of the day; across midnight when until <= from
	text        string
}

// weekdays is a set of them, bit 0 for Sunday.
type weekdays uint8

func (w weekdays) has(d time.Weekday) bool { return w&(1<<d) != 0 }

const (
	everyDay    weekdays = 1<<7 - 1
	minuteOfDay          = 24 * 60
)

func (b *builder) addCalendars(all map[string]Calendar) {
	b.calendars = make(map[string]*calendar, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "calendars")
		}
		path := "calendars." + id
		zone, msg := loadZone(all[id].Zone)
		b.fault(msg, "%s.zone", path)
		b.calendars[id] = b.calendar(id, all[id], zone, path)
	}
	b.table.calendars = b.calendars
}

// calendar checks and compiles one; zone is nil when it has a fault.
func (b *builder) calendar(id string, spec Calendar, zone *time.Location, path string) *calendar {
	c := &calendar{id: id, zone: zone, edges: []int{minuteOfDay}}
	for i, h := range spec.Open {
		at := fmt.Sprintf("%s.open[%d]", path, i)
		from, until := b.span(h.From, h.Until, "", "", at)
		if h.From != "" && from == until%minuteOfDay && until != minuteOfDay {
			b.fault("is no time at all; the whole day is from 00:00 until 24:00", "%s.until", at)
		}
		days := b.days(h.Days, at)
		c.hours = append(c.hours, hours{days, from, until, fmt.Sprintf("%s %s to %s", days, clock(from), clock(until))})
		c.edges = append(c.edges, from, until)
	}
	for i, h := range spec.Holidays {
		at := fmt.Sprintf("%s.holidays[%d]", path, i)
		from, until := b.span(h.From, h.Until, "00:00", "24:00", at)
		if from >= until {
			b.fault("is not behind from: a holiday ends on its day", "%s.until", at)
		}
		c.holidays = append(c.holidays, holiday{b.holidayRules(h, at), from, until})
		c.edges = append(c.edges, from, until)
	}
	for i, o := range spec.Overrides {
		c.overrides = append(c.overrides, b.override(o, zone, fmt.Sprintf("%s.overrides[%d]", path, i)))
		c.edges = append(c.edges, c.overrides[i].from.minute, c.overrides[i].until.minute)
	}
	if len(spec.Open) == 0 && len(spec.Overrides) == 0 {
		b.fault("is missing: a calendar that is never open", "%s.open", path)
	}
	slices.Sort(c.edges)
	c.edges = slices.Compact(c.edges)
	return c
}

// span reads two times of the day, with what they are when left out.
func (b *builder) span(from, until, absentFrom, absentUntil, path string) (int, int) {
	read := func(s, absent, key string, most int) int {
		if s == "" {
			s = absent
		}
		minute, ok := parseClock(s)
		switch {
		case s == "":
			b.fault(`is missing: a time of the day such as "08:00"`, "%s.%s", path, key)
		case !ok || minute > most:
			b.fault(fmt.Sprintf("is not a time of the day: 00:00 to %s", clock(most)), "%s.%s", path, key)
		}
		return minute
	}
	return read(from, absentFrom, "from", minuteOfDay-1), read(until, absentUntil, "until", minuteOfDay)
}

// parseClock reads HH:MM up to 24:00 as minutes.
func parseClock(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for _, i := range [...]int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	return hour*60 + minute, minute < 60 && hour*60+minute <= minuteOfDay
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

var dayNames = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// days reads a list of days and ranges of them.
func (b *builder) days(all []string, path string) (set weekdays) {
	if len(all) == 0 {
		return everyDay
	}
	for i, s := range all {
		first, last, ranged := strings.Cut(s, "-")
		from, to := slices.Index(dayNames[:], first), slices.Index(dayNames[:], last)
		if !ranged {
			to = from
		}
		if from < 0 || to < 0 {
			b.fault("is not a day or a range of days: mon, tue, wed, thu, fri, sat, sun, mon-fri", "%s.days[%d]", path, i)
			continue
		}
		for d := from; ; d = (d + 1) % 7 {
			set |= 1 << d
			if d == to {
				break
			}
		}
	}
	return set
}

// String writes the days as ranges, from Monday on.
func (w weekdays) String() string {
	if w == everyDay {
		return "every day"
	}
	title := func(i int) string { d := time.Weekday(i % 7); return d.String()[:3] }
	var parts []string
	for i := 1; i <= 7; i++ {
		if !w.has(time.Weekday(i % 7)) {
			continue
		}
		first := i
		for i < 7 && w.has(time.Weekday((i+1)%7)) {
			i++
		}
		switch {
		case i == first:
			parts = append(parts, title(i))
		case i == first+1:
			parts = append(parts, title(first), title(i))
		default:
			parts = append(parts, title(first)+"-"+title(i))
		}
	}
	return strings.Join(parts, ", ")
}
