package routing

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zoneFile is a zone of testdata/zones with what another reader of the same
// file says of it: when its offset changes and to what, 2026 to 2035.
type zoneFile struct {
	zone    *time.Location
	from    []int64 // Unix seconds
	offsets []int64
}

func (z zoneFile) offset(unix int64) int64 {
	i, found := slices.BinarySearch(z.from, unix)
	if !found {
		i--
	}
	return z.offsets[i]
}

func zoneFiles(t *testing.T) (names []string, files map[string]zoneFile) {
	t.Helper()
	raw, err := os.ReadFile("testdata/zones/offsets.txt")
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]zoneFile{}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var name, at string
		var offset int64
		if _, err := fmt.Sscan(line, &name, &at, &offset); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		z, known := files[name]
		if !known {
			data, err := os.ReadFile(filepath.Join("testdata/zones", strings.ReplaceAll(name, "/", "_")))
			if err != nil {
				t.Fatal(err)
			}
			if z.zone, err = time.LoadLocationFromTZData(name, data); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		z.from, z.offsets = append(z.from, instant.Unix()), append(z.offsets, offset)
		files[name] = z
	}
	if len(names) < 10 {
		t.Fatalf("only %d zones", len(names))
	}
	return names, files
}

// made compiles a Calendar in a zone of testdata.
func made(t interface{ Fatal(...any) }, spec Calendar, zone *time.Location) *calendar {
	b := builder{}
	c := b.calendar("office", spec, zone, "calendars.office")
	if len(b.faults) > 0 {
		t.Fatal(spec, b.faults)
	}
	return c
}

// judge is the oracle: it knows no zone but an offset, and compares what a
// clock would show as text. It reads the Calendar as written.
func judge(spec Calendar, unix, offset int64) string {
	shown := time.Unix(unix+offset, 0).UTC()
	day, clock, minute := strings.ToLower(shown.Format("Mon")), shown.Format("15:04"), shown.Format("2006-01-02T15:04")
	yesterday := strings.ToLower(shown.AddDate(0, 0, -1).Format("Mon"))
	state := CalendarClosed
	for _, h := range spec.Open {
		on := func(d string) bool { return len(h.Days) == 0 || slices.Contains(h.Days, d) }
		if h.From < h.Until && on(day) && h.From <= clock && clock < h.Until ||
			h.From >= h.Until && (on(day) && clock >= h.From || on(yesterday) && clock < h.Until) {
			state = CalendarOpen
		}
	}
	for _, h := range spec.Holidays {
		if (h.Date == minute[:10] || h.Yearly == minute[5:10]) && (h.From == "" || h.From <= clock) && (h.Until == "" || clock < h.Until) {
			state = CalendarHoliday
		}
	}
	for _, o := range spec.Overrides {
		begun, ended := o.From <= minute, o.Until <= minute
		switch len(o.Until) {
		case len(time.DateOnly):
			ended = o.Until < minute[:10]
		case len("2026-01-01T00:00:00Z"):
			begun, ended = o.From <= instant(unix), o.Until <= instant(unix)
		}
		if begun && !ended {
			state = o.State
		}
	}
	return state
}

func instant(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

// Hours that begin, end, lie in or reach over whatever hour a zone doubles or
// leaves out.
var aroundTheClock = []Calendar{
	{Open: []OpenHours{{From: "02:00", Until: "03:00"}}},
	{Open: []OpenHours{{From: "01:30", Until: "02:15"}, {From: "02:45", Until: "03:30"}}},
	{Open: []OpenHours{{From: "22:00", Until: "02:30"}}},
	{Open: []OpenHours{{From: "23:30", Until: "00:30"}, {From: "12:00", Until: "24:00"}}},
	{Open: []OpenHours{{Days: []string{"sat", "sun"}, From: "00:00", Until: "24:00"}}},
	{Open: []OpenHours{{Days: []string{"fri"}, From: "20:00", Until: "00:00"}, {Days: []string{"sat"}, From: "23:15", Until: "01:10"}}},
	{Open: []OpenHours{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", Until: "16:00"}}},
}

// Minute by minute, sixteen hours around every daylight-saving change of the zones
// until 2035, each calendar says what the oracle says.
func TestEveryDaylightSavingChange(t *testing.T) {
	names, files := zoneFiles(t)
	changes := 0
	for _, name := range names {
		z := files[name]
		for i, change := range z.from {
			changes++
			for _, spec := range aroundTheClock {
				c := made(t, spec, z.zone)
				for unix := change - 8*3600; unix < change+8*3600; unix += 60 {
					if unix < z.from[0] {
						continue
					}
					want := judge(spec, unix, z.offset(unix))
					if got, why := c.at(time.Unix(unix, 0)); got != want {
						t.Fatalf("%s, change %d, %s: %s (%s), want %s; %+v", name, i, instant(unix), got, why, want, spec)
					}
				}
			}
		}
	}
	if changes < 220 {
		t.Errorf("only %d changes", changes)
	}
}

// Any calendar, at any instant, most of them near a change: the state is the
// oracle's, and the next change is the minute at which the oracle's changes.
func TestAnyCalendarAnyInstant(t *testing.T) {
	names, files := zoneFiles(t)
	rapid.Check(t, func(t *rapid.T) {
		z := files[rapid.SampledFrom(names).Draw(t, "zone")]
		unix := rapid.Int64Range(z.from[0]+86400, z.from[0]+3600*24*3600).Draw(t, "at")
		if rapid.IntRange(0, 3).Draw(t, "near a change") > 0 && len(z.from) > 1 {
			unix = z.from[rapid.IntRange(1, len(z.from)-1).Draw(t, "change")] + rapid.Int64Range(-7200, 7200).Draw(t, "seconds")
		}
		spec := anyCalendar(t, time.Unix(unix+z.offset(unix), 0).UTC(), unix)
		c := made(t, spec, z.zone)
		want := judge(spec, unix, z.offset(unix))
		if got, why := c.at(time.Unix(unix, 0)); got != want {
			t.Fatalf("%s: %s (%s), want %s", instant(unix), got, why, want)
		}
		const window = 3 * 24 * 3600
		next := unix - unix%60 + 60
		for next < unix+window && judge(spec, next, z.offset(next)) == want {
			next += 60
		}
		got, found := c.next(time.Unix(unix, 0), time.Unix(unix+window, 0))
		if found != (next < unix+window) || found && got.Unix() != next {
			t.Fatalf("from %s: next %v %s, want %s", instant(unix), found, got.UTC().Format(time.RFC3339), instant(next))
		}
	})
}

func anyCalendar(t *rapid.T, near time.Time, unix int64) (spec Calendar) {
	clock := func(label string) string {
		return time.Unix(60*int64(rapid.IntRange(0, 1439).Draw(t, label)), 0).UTC().Format("15:04")
	}
	for range rapid.IntRange(1, 3).Draw(t, "hours") {
		h := OpenHours{From: clock("from"), Until: clock("until"), Days: rapid.SliceOfDistinct(rapid.SampledFrom(dayNames[:]), rapid.ID[string]).Draw(t, "days")}
		if h.From == h.Until {
			h.From, h.Until = "00:00", "24:00"
		}
		spec.Open = append(spec.Open, h)
	}
	day := func() string {
		return near.AddDate(0, 0, rapid.IntRange(-1, 2).Draw(t, "day")).Format(time.DateOnly)
	}
	for range rapid.IntRange(0, 2).Draw(t, "holidays") {
		h := Holiday{Date: day()}
		if rapid.Bool().Draw(t, "yearly") {
			h = Holiday{Yearly: h.Date[5:]}
		}
		if from, until := clock("holiday"), clock("until"); from < until {
			h.From, h.Until = from, until
		}
		spec.Holidays = append(spec.Holidays, h)
	}
	for range rapid.IntRange(0, 2).Draw(t, "overrides") {
		o := OpenException{From: day(), State: rapid.SampledFrom(calendarStates).Draw(t, "state")}
		o.Until = o.From
		switch rapid.IntRange(0, 2).Draw(t, "bounds") {
		case 0: // two days apart, so that no change of a zone can turn them round
			o.Until = near.AddDate(0, 0, 4).Format(time.DateOnly) + "T" + clock("until")
			o.From += "T" + clock("from")
		case 1:
			from := unix - unix%60 + 60*rapid.Int64Range(-300, 300).Draw(t, "minutes")
			o.From, o.Until = instant(from), instant(from+60*rapid.Int64Range(1, 600).Draw(t, "length"))
		}
		spec.Overrides = append(spec.Overrides, o)
	}
	return spec
}

func TestEaster(t *testing.T) {
	want := []struct{ year, west, east string }{
		{"2024", "03-31", "05-05"}, {"2025", "04-20", "04-20"}, {"2026", "04-05", "04-12"}, {"2027", "03-28", "05-02"},
		{"2028", "04-16", "04-16"}, {"2029", "04-01", "04-08"}, {"2030", "04-21", "04-28"}, {"2031", "04-13", "04-13"},
		{"2032", "03-28", "05-02"}, {"2033", "04-17", "04-24"}, {"2034", "04-09", "04-09"}, {"2035", "03-25", "04-29"}, {"2038", "04-25", "04-25"},
	}
	for _, w := range want {
		var year int
		if _, err := fmt.Sscan(w.year, &year); err != nil {
			t.Fatal(err)
		}
		if got := easter(year).time().Format("01-02"); got != w.west {
			t.Errorf("Easter %d: %s, want %s", year, got, w.west)
		}
		if got := easternEaster(year).time().Format("01-02"); got != w.east {
			t.Errorf("orthodox Easter %d: %s, want %s", year, got, w.east)
		}
	}
}

// The public holidays of 2026, and the American ones that a weekend moves, as
// the almanacs have them.
func TestPublicHolidays(t *testing.T) {
	want := map[string]string{
		"NO 2026": "01-01 04-02 04-03 04-05 04-06 05-01 05-14 05-17 05-24 05-25 12-25 12-26",
		"SE 2026": "01-01 01-06 04-03 04-05 04-06 05-01 05-14 05-24 06-06 06-20 10-31 12-25 12-26",
		"DK 2026": "01-01 04-02 04-03 04-05 04-06 05-14 05-24 05-25 12-25 12-26",
		"FI 2026": "01-01 01-06 04-03 04-05 04-06 05-01 05-14 05-24 06-20 10-31 12-06 12-25 12-26",
		"DE 2026": "01-01 04-03 04-06 05-01 05-14 05-25 10-03 12-25 12-26",
		"AT 2026": "01-01 01-06 04-06 05-01 05-14 05-25 06-04 08-15 10-26 11-01 12-08 12-25 12-26",
		"FR 2026": "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25",
		"PL 2026": "01-01 01-06 04-05 04-06 05-01 05-03 05-24 06-04 08-15 11-01 11-11 12-24 12-25 12-26",
		"US 2026": "01-01 01-19 02-16 05-25 06-19 07-03 07-04 09-07 10-12 11-11 11-26 12-25",
		"US 2027": "01-01 01-18 02-15 05-31 06-18 06-19 07-04 07-05 09-06 10-11 11-11 11-25 12-24 12-25 12-31",
	}
	for of, days := range want {
		country, year, _ := strings.Cut(of, " ")
		b := builder{}
		h := holiday{b.holidayRules(Holiday{Country: country}, ""), 0, minuteOfDay}
		first, err := time.Parse(time.DateOnly, year+"-01-01")
		if err != nil || len(b.faults) > 0 {
			t.Fatal(err, b.faults)
		}
		var got []string
		for d := first; d.Year() == first.Year(); d = d.AddDate(0, 0, 1) {
			if _, ok := h.on(readingOf(d)); ok {
				got = append(got, d.Format("01-02"))
			}
		}
		if strings.Join(got, " ") != days {
			t.Errorf("%s\n got %s\nwant %s", of, strings.Join(got, " "), days)
		}
	}
	for country := range publicHolidays {
		if want[country+" 2026"] == "" {
			t.Errorf("%s is not looked at", country)
		}
	}
}

func TestCalendarSaysWhy(t *testing.T) {
	offset := -2
	s := Spec{Calendars: map[string]Calendar{"office": {
		Zone:     "Europe/Oslo",
		Open:     []OpenHours{{Days: []string{"mon-thu"}, From: "08:00", Until: "16:00"}, {Days: []string{"fri-mon", "wed"}, From: "22:00", Until: "02:00"}},
		Holidays: []Holiday{{Yearly: "12-24", From: "12:00"}, {Easter: &offset}, {Country: "NO"}, {Date: "2026-06-05", Name: "summer party"}},
		Overrides: []OpenException{
			{From: "2026-11-23", Until: "2026-11-23", State: "closed", Reason: "moving"},
			{From: "2026-11-23T10:00", Until: "2026-11-23T10:30:00Z", State: "open"},
		},
	}}}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	for at, want := range map[string]string{
		"2026-11-16T09:12:00Z": "open: Mon-Thu 08:00 to 16:00 Europe/Oslo, it is Mon 10:12",
		"2026-11-16T15:00:00Z": "closed: none of the hours holds, it is Mon 16:00 in Europe/Oslo",
		"2026-11-17T00:59:59Z": "open: Mon, Wed, Fri-Sun 22:00 to 02:00 Europe/Oslo, it is Tue 01:59",
		"2026-12-24T10:59:00Z": "open: Mon-Thu 08:00 to 16:00 Europe/Oslo, it is Thu 11:59",
		"2026-12-24T11:00:00Z": "holiday: 24 December, it is Thu 24 December 12:00 in Europe/Oslo",
		"2026-04-03T11:00:00Z": "holiday: 2 days before Easter, it is Fri 3 April 13:00 in Europe/Oslo",
		"2026-05-17T11:00:00Z": "holiday: Constitution Day, it is Sun 17 May 13:00 in Europe/Oslo",
		"2026-06-04T22:00:00Z": "holiday: summer party, it is Fri 5 June 00:00 in Europe/Oslo",
		"2026-11-22T23:00:00Z": "closed: override 1, moving, it is Mon 23 November 2026 00:00 in Europe/Oslo",
		"2026-11-23T09:00:00Z": "open: override 2, it is Mon 23 November 2026 10:00 in Europe/Oslo",
		"2026-11-23T10:30:00Z": "closed: override 1, moving, it is Mon 23 November 2026 11:30 in Europe/Oslo",
		"2026-11-23T23:00:00Z": "open: Mon, Wed, Fri-Sun 22:00 to 02:00 Europe/Oslo, it is Tue 00:00",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, why := table.calendars["office"].at(moment); why != want {
			t.Errorf("%s:\n got %s\nwant %s", at, why, want)
		}
	}
}

// A calendar that never changes has no next change, and says so at once.
func TestNoNextChange(t *testing.T) {
	c := made(t, Calendar{Open: []OpenHours{{From: "00:00", Until: "24:00"}}}, time.UTC)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if at, found := c.next(from, from.AddDate(2, 0, 0)); found {
		t.Errorf("changes at %s", at)
	}
}

// Every name that a mistyped one is compared with is a zone.
func TestZoneNames(t *testing.T) {
	names := strings.Fields(zoneNames)
	if len(names) < 500 || !slices.IsSorted(names) {
		t.Fatalf("%d names", len(names))
	}
	for _, name := range names {
		if _, msg := loadZone(name); msg != "" {
			t.Errorf("%s %s", name, msg)
		}
	}
	for name, want := range map[string]string{
		"":                      "is missing: an IANA time zone such as Europe/Oslo",
		"Europe/Olso":           `there is no time zone "Europe/Olso"; did you mean "Europe/Oslo"?`,
		"europe/oslo":           "is written Europe/Oslo",
		"Local":                 `there is no time zone "Local"`,
		"../../etc/passwd":      `there is no time zone "../../etc/passwd"`,
		"+4791234567":           "is not an IANA time zone such as Europe/Oslo",
		strings.Repeat("x", 99): "is not an IANA time zone such as Europe/Oslo",
	} {
		if _, msg := loadZone(name); msg != want {
			t.Errorf("%q %s, want %s", name, msg, want)
		}
	}
}

func BenchmarkCalendarAt(b *testing.B) {
	zone, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		b.Fatal(err)
	}
	c := made(b, Calendar{Open: []OpenHours{{Days: []string{"mon-fri"}, From: "08:00", Until: "16:00"}}, Holidays: []Holiday{{Country: "NO"}}}, zone)
	at := time.Date(2026, 11, 16, 9, 12, 0, 0, time.UTC)
	for b.Loop() {
		c.at(at)
	}
}
