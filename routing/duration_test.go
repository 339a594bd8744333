package routing

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]Duration{
		"PT20S":          Seconds(20),
		"PT0S":           {},
		"P24M":           {months: 24},
		"P2Y":            {months: 24},
		"P1Y2M3DT4H5M6S": {months: 14, days: 3, clock: 4*time.Hour + 5*time.Minute + 6*time.Second},
		"P2W":            {days: 14},
		"PT72H":          {clock: 72 * time.Hour},
		"PT0.25S":        {clock: 250 * time.Millisecond},
		"PT1M0.5S":       {clock: time.Minute + 500*time.Millisecond},
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "P", "PT", "20s", "pt20s", "PT20", "P20S", "PT5M1H", "PT1S1S", "P1.5D", "PT.5S", "PT5.S",
		"PT0.1234567891S", "P-1D", "PT1.5M", "P1WT1H", "P1W1D", "P1DT", "P1D ", " P1D", "PT1S\n", "P١D", "PTS", "PT1.2.3S"} {
		if got, err := ParseDuration(in); !errors.Is(err, errDuration) {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"P101Y", "P1201M", "P40000D", "P9999999999Y", "P99999999999D", "PT9999999999H", "PT99999999999999999999S", "P6000W"} {
		if got, err := ParseDuration(in); !errors.Is(err, errDurationLong) {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
}

func TestDurationOnTheCalendar(t *testing.T) {
	d, err := ParseDuration("P1MT1H")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2024, 2, 10, 12, 0, 0, 0, time.UTC)
	if got := d.After(start); !got.Equal(time.Date(2024, 3, 10, 13, 0, 0, 0, time.UTC)) {
		t.Error(got)
	}
	if _, ok := d.Exact(); ok {
		t.Error("a month has no length")
	}
	if got, ok := (Duration{days: 2, clock: time.Second}).Exact(); !ok || got != 48*time.Hour+time.Second {
		t.Error(got, ok)
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration{
			months: rapid.IntRange(0, maxMonths).Draw(t, "months"),
			days:   rapid.IntRange(0, maxDays).Draw(t, "days"),
			clock:  time.Duration(rapid.Int64Range(0, int64(240*time.Hour)).Draw(t, "clock")),
		}
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Duration
		if err := got.UnmarshalText(text); d.IsZero() != errors.Is(err, errDurationZero) || !d.IsZero() && err != nil || got != d {
			t.Fatalf("%+v became %s became %+v, %v", d, text, got, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"PT20S", "P24M", "P1Y2M3DT4H5M6.7S", "P2W", "PT", "P99999999999D"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		d, err := ParseDuration(in)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q is %s is %+v, %v", in, d, again, err)
		}
		if d.months < 0 || d.days < 0 || d.clock < 0 {
			t.Errorf("%q is negative: %+v", in, d)
		}
	})
}
