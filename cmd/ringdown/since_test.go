package main

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{
		"":                          {},
		"90m":                       now.Add(-90 * time.Minute),
		"24h":                       now.Add(-24 * time.Hour),
		"7d":                        now.AddDate(0, 0, -7),
		"PT90M":                     now.Add(-90 * time.Minute),
		"P7D":                       now.AddDate(0, 0, -7),
		"P1W":                       now.AddDate(0, 0, -7),
		"2026-01-31T12:00:00Z":      time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		"2026-01-31T12:00:00+01:00": time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC),
	} {
		got, err := since(value, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v, want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"yesterday", "-1h", "0s", "1", "d", "1.5d", "P1M", "P", "2026-01-31", "9999999999999d", "1e9h"} {
		if got, err := since(value, now); err == nil {
			t.Errorf("%q: taken as %v", value, got)
		} else if _, wrong := err.(wrongUsage); !wrong {
			t.Errorf("%q: %v is not a fault of usage", value, err)
		}
	}
}
