package routing

import "time"

func on(name string, month time.Month, day int) holidayRule {
	return holidayRule{name: name, month: month, day: day}
}

func kept(name string, month time.Month, day int) holidayRule {
	return holidayRule{name: name, kind: fixedOrObserved, month: month, day: day}
}

func ofEaster(name string, offset int) holidayRule {
	return holidayRule{name: name, kind: westernEaster, offset: offset}
}

func first(name string, weekday time.Weekday, month time.Month, day int) holidayRule {
	return holidayRule{name: name, kind: weekdayFrom, weekday: weekday, month: month, day: day}
}

var (
	newYear      = on("New Year's Day", time.January, 1)
	epiphany     = on("Epiphany", time.January, 6)
	maundy       = ofEaster("Maundy Thursday", -3)
	goodFriday   = ofEaster("Good Friday", -2)
	easterSunday = ofEaster("Easter Sunday", 0)
	easterMonday = ofEaster("Easter Monday", 1)
	mayDay       = on("May Day", time.May, 1)
	ascension    = ofEaster("Ascension Day", 39)
	whitSunday   = ofEaster("Whit Sunday", 49)
	whitMonday   = ofEaster("Whit Monday", 50)
	corpus       = ofEaster("Corpus Christi", 60)
	assumption   = on("Assumption", time.August, 15)
	allSaints    = on("All Saints' Day", time.November, 1)
	christmas    = on("Christmas Day", time.December, 25)
	boxingDay    = on("Second Day of Christmas", time.December, 26)
)

// publicHolidays are the holidays that the law of a country sets for the whole
// of it, as it stands for 2026; days of single regions, and days on which
// people rest by custom (Christmas Eve in Norway), are written out by who wants
// them. A country is missing when its law leaves them to its parts, or when we
// are not certain.
var publicHolidays = map[string][]holidayRule{
	"NO": {newYear, maundy, goodFriday, easterSunday, easterMonday, mayDay, on("Constitution Day", time.May, 17),
		ascension, whitSunday, whitMonday, christmas, boxingDay},
	"SE": {newYear, epiphany, goodFriday, easterSunday, easterMonday, mayDay, ascension, whitSunday, on("National Day", time.June, 6),
		first("Midsummer Day", time.Saturday, time.June, 20), first("All Saints' Day", time.Saturday, time.October, 31), christmas, boxingDay},
	"DK": {newYear, maundy, goodFriday, easterSunday, easterMonday, ascension, whitSunday, whitMonday, christmas, boxingDay},
	"FI": {newYear, epiphany, goodFriday, easterSunday, easterMonday, mayDay, ascension, whitSunday,
		first("Midsummer Day", time.Saturday, time.June, 20), first("All Saints' Day", time.Saturday, time.October, 31),
		on("Independence Day", time.December, 6), christmas, boxingDay},
	"DE": {newYear, goodFriday, easterMonday, mayDay, ascension, whitMonday, on("German Unity Day", time.October, 3), christmas, boxingDay},
	"AT": {newYear, epiphany, easterMonday, mayDay, ascension, whitMonday, corpus, assumption, on("National Day", time.October, 26),
		allSaints, on("Immaculate Conception", time.December, 8), christmas, boxingDay},
	"FR": {newYear, easterMonday, mayDay, on("Victory Day", time.May, 8), ascension, whitMonday, on("National Day", time.July, 14),
		assumption, allSaints, on("Armistice Day", time.November, 11), christmas},
	"PL": {newYear, epiphany, easterSunday, easterMonday, mayDay, on("Constitution Day", time.May, 3), whitSunday, corpus, assumption,
		allSaints, on("Independence Day", time.November, 11), on("Christmas Eve", time.December, 24), christmas, boxingDay},
	"US": {kept("New Year's Day", time.January, 1), first("Martin Luther King Day", time.Monday, time.January, 15),
		first("Washington's Birthday", time.Monday, time.February, 15), first("Memorial Day", time.Monday, time.May, 25),
		kept("Juneteenth", time.June, 19), kept("Independence Day", time.July, 4), first("Labor Day", time.Monday, time.September, 1),
		first("Columbus Day", time.Monday, time.October, 8), kept("Veterans Day", time.November, 11),
		first("Thanksgiving Day", time.Thursday, time.November, 22), kept("Christmas Day", time.December, 25)},
}
