package routing

import (
	"errors"
	"math"
	"time"
)

// Instant is a moment as the configuration writes it, to the second: RFC 3339,
// or a date, which is its midnight in UTC. The zero value: none was given.
type Instant struct {
	set  bool
	unix int64
}

var errInstant = errors.New(`is not a time such as "2026-01-31T12:00:00Z" nor a date such as "2026-01-31", which is its midnight in UTC`)

// InstantOf is the second that t lies in.
func InstantOf(t time.Time) Instant { return Instant{true, t.Unix()} }

// UnmarshalText reads RFC 3339 without a fraction, or a date.
func (i *Instant) UnmarshalText(text []byte) error {
	s := string(text)
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	if err != nil || t.Nanosecond() != 0 {
		return errInstant
	}
	*i = InstantOf(t)
	return nil
}

// MarshalText writes RFC 3339 in UTC; nothing for none.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

func (i Instant) String() string {
	if !i.set {
		return ""
	}
	return i.Time().Format(time.RFC3339)
}

// Time is the moment in UTC.
func (i Instant) Time() time.Time { return time.Unix(i.unix, 0).UTC() }

// IsZero reports whether none was given.
func (i Instant) IsZero() bool { return !i.set }

// What stands in a row for a validity without a beginning or an end.
const (
	beginless = math.MinInt64
	endless   = math.MaxInt64
)

// or is the moment in Unix seconds, or what holds for none.
func (i Instant) or(none int64) int64 {
	if i.set {
		return i.unix
	}
	return none
}

// instantAt is the way back from Unix seconds in a row.
func instantAt(unix int64) Instant {
	if unix == beginless || unix == endless {
		return Instant{}
	}
	return Instant{true, unix}
}
