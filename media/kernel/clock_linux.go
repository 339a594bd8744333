package kernel

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock turns the kernel's time of a packet (CLOCK_MONOTONIC, which Go's
// monotonic readings are taken from too) into a time.Time.
type clock struct {
	at   time.Time
	mono int64 // at the same moment, in nanoseconds
}

// readClock reads both clocks within a microsecond of each other, or as near as a
// busy machine lets it.
func readClock() (c clock) {
	best := int64(1 << 62)
	for range 5 {
		before := monotonic()
		at := time.Now()
		after := monotonic()
		if after-before < best {
			best = after - before
			c = clock{at: at, mono: before + best/2}
		}
		if best < 1000 {
			break
		}
	}
	return c
}

// renewed is the clock, read anew when somebody has set the machine's time. So
// one moment of the kernel's is one time, however often it is asked for.
func (c clock) renewed() clock {
	now := readClock()
	if off := now.at.Round(0).Sub(c.time(uint64(now.mono)).Round(0)); off.Abs() < time.Millisecond {
		return c
	}
	return now
}

func (c clock) time(mono uint64) time.Time {
	if mono == 0 {
		return time.Time{}
	}
	return c.at.Add(time.Duration(int64(mono) - c.mono))
}

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("kernel: no monotonic clock: " + err.Error()) // Linux has always had it
	}
	return t.Nano()
}
