package main

import (
	"strings"
	"time"

	"ringdown/routing"
)

// since reads --since: how far back ("90m", "24h", "7d", "PT90M", "P7D") or
// from when (RFC 3339). Empty: from the beginning.
func since(value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at, nil
	}
	text := value
	if days, ok := strings.CutSuffix(value, "d"); ok {
		text = "P" + days + "D"
	}
	if d, err := routing.ParseDuration(text); err == nil {
		if exact, ok := d.Exact(); ok {
			return now.Add(-exact), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("--since %q is neither how far back (90m, 24h, 7d, PT90M) nor a time (2026-01-31T12:00:00Z)", value)
}

// from adds the flag --since.
func (o *options) from() func() (time.Time, error) {
	value := o.String("since", "", "only from then on: how far back (90m, 24h, 7d) or a `TIME` in RFC 3339")
	return func() (time.Time, error) { return since(*value, time.Now()) }
}

// ofAccount adds the flag --account.
func (o *options) ofAccount() *string {
	return o.String("account", "", "only of this account, by its `ID`")
}

// forPrograms adds the flag --json.
func (o *options) forPrograms() *bool {
	return o.Bool("json", false, "write JSON instead of text for people")
}
