package routing

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstant(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-31":                    "2026-01-31T00:00:00Z",
		"2026-01-31T12:00:00Z":          "2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00+02:00":     "2026-01-31T10:00:00Z",
		"":                              "",
		"2026-02-30":                    "",
		"2026-01-31T12:00:00":           "",
		"2026-01-31T12:00:00.5Z":        "",
		"1767225600":                    "",
		"2026-01-31T12:00:00Z and more": "",
	} {
		var i Instant
		if err := i.UnmarshalText([]byte(in)); (err == nil) != (want != "") || i.String() != want {
			t.Errorf("%q: %q, %v", in, i, err)
		}
	}
}

// What was read is written so that it is read again.
func TestInstantThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := InstantOf(time.Unix(rapid.Int64Range(-1<<32, 1<<34).Draw(t, "unix"), 0))
		text, _ := want.MarshalText()
		var got Instant
		if err := got.UnmarshalText(text); err != nil || got != want || got.IsZero() {
			t.Fatalf("%s: %v, %v", text, got, err)
		}
	})
}
