package routing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is an ISO 8601 duration: "PT20S", "P24M". Months have no length of
// their own, so it is a calendar amount first and a [time.Duration] only when
// it holds none. The zero value means that nothing was said.
type Duration struct {
	months int
	days   int
	clock  time.Duration
}

// Longest amounts read: a century, so that no arithmetic can overflow.
const (
	maxMonths = 1200
	maxDays   = 36525
	maxClock  = maxDays * 24 * time.Hour
)

var (
	errDuration     = errors.New(`is not an ISO 8601 duration such as "PT20S", "P30D" or "P24M"`)
	errDurationLong = errors.New("is longer than a hundred years")
	errDurationZero = errors.New("is no time at all; leave it out for the default")
)

// Seconds makes a Duration of whole seconds.
func Seconds(n int) Duration { return Duration{clock: time.Duration(n) * time.Second} }

// ParseDuration reads P[nY][nM][nD][T[nH][nM][nS]] or PnW (ISO 8601-1 5.5.2).
// Only seconds may have a fraction, up to nine digits. The error does not
// repeat the text.
func ParseDuration(s string) (Duration, error) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok {
		return Duration{}, errDuration
	}
	date, clock, timed := strings.Cut(rest, "T")
	if rest == "" || timed && clock == "" {
		return Duration{}, errDuration
	}
	units := "YMD"
	if strings.HasSuffix(date, "W") && !timed {
		units = "W"
	}
	var d Duration
	if err := d.read(date, units, false); err != nil {
		return Duration{}, err
	}
	if err := d.read(clock, "HMS", true); err != nil {
		return Duration{}, err
	}
	if d.months > maxMonths || d.days > maxDays || d.clock > maxClock {
		return Duration{}, errDurationLong
	}
	return d, nil
}

// read adds the amounts of one half, whose units come in the order given.
func (d *Duration) read(s, units string, clock bool) error {
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return errDuration
		}
		unit := s[end]
		at := strings.IndexByte(units, unit)
		if at < 0 {
			return errDuration
		}
		units = units[at+1:]
		whole, fraction, dotted := strings.Cut(s[:end], ".")
		if dotted && (unit != 'S' || !clock || fraction == "" || len(fraction) > 9) {
			return errDuration
		}
		if len(whole) > 10 {
			return errDurationLong
		}
		n, err := strconv.Atoi(whole)
		if err != nil {
			return errDuration
		}
		if err := d.add(n, unit, clock); err != nil {
			return err
		}
		if dotted {
			nanos, err := strconv.Atoi(fraction + "000000000"[len(fraction):])
			if err != nil {
				return errDuration
			}
			d.clock += time.Duration(nanos)
		}
		s = s[end+1:]
	}
	return nil
}

func (d *Duration) add(n int, unit byte, clock bool) error {
	if !clock {
		if n > maxDays {
			return errDurationLong
		}
		switch unit {
		case 'Y':
			d.months += 12 * n
		case 'M':
			d.months += n
		case 'W':
			d.days += 7 * n
		case 'D':
			d.days += n
		}
		return nil
	}
	each := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}[unit]
	if time.Duration(n) > maxClock/each {
		return errDurationLong
	}
	d.clock += time.Duration(n) * each
	return nil
}

// IsZero reports whether nothing was said, or nothing at all was asked for.
func (d Duration) IsZero() bool { return d == Duration{} }

// Exact returns the length with days of 24 hours; false when it holds months,
// which have none.
func (d Duration) Exact() (time.Duration, bool) {
	return time.Duration(d.days)*24*time.Hour + d.clock, d.months == 0
}

// After returns t moved on by d in t's own calendar and zone.
func (d Duration) After(t time.Time) time.Time {
	return t.AddDate(0, d.months, d.days).Add(d.clock)
}

// String writes the shortest ISO 8601 form; months stay months.
func (d Duration) String() string {
	if d.IsZero() {
		return "PT0S"
	}
	b := []byte{'P'}
	if d.months != 0 {
		b = append(strconv.AppendInt(b, int64(d.months), 10), 'M')
	}
	if d.days != 0 {
		b = append(strconv.AppendInt(b, int64(d.days), 10), 'D')
	}
	if d.clock == 0 {
		return string(b)
	}
	b = append(b, 'T')
	if h := d.clock / time.Hour; h != 0 {
		b = append(strconv.AppendInt(b, int64(h), 10), 'H')
	}
	if m := d.clock % time.Hour / time.Minute; m != 0 {
		b = append(strconv.AppendInt(b, int64(m), 10), 'M')
	}
	if s := d.clock % time.Minute; s != 0 {
		b = strconv.AppendInt(b, int64(s/time.Second), 10)
		if nanos := s % time.Second; nanos != 0 {
			b = append(b, strings.TrimRight(fmt.Sprintf(".%09d", nanos), "0")...)
		}
		b = append(b, 'S')
	}
	return string(b)
}

// MarshalText writes what [ParseDuration] reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads with [ParseDuration]. It refuses zero, which in a Spec
// stands for what was left out: who writes P0D does not mean the default.
func (d *Duration) UnmarshalText(text []byte) error {
	got, err := ParseDuration(string(text))
	if err == nil && got.IsZero() {
		err = errDurationZero
	}
	if err != nil {
		return err
	}
	*d = got
	return nil
}
