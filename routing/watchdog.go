package routing

import "time"

// Watchdog bounds how long the party of a leg may be silent before its call is
// ended. Each limit is an ISO 8601 duration, or off; empty is its default.
type Watchdog struct {
	Initial string `yaml:"initial"` // from the answer, while nothing has come from it; default PT30S
	Steady  string `yaml:"steady"`  // after its last sound or RTCP; default PT1M
	Held    string `yaml:"held"`    // during a hold of either side, or while it rests; default PT30M
}

// WatchdogOff stands for no limit.
const WatchdogOff = "off"

// Silence are the limits of a [Watchdog]. 0 stands for the default, a negative
// one for none.
type Silence struct{ Initial, Steady, Held time.Duration }

// Shortest and longest limits: a pause of a codec's own is no silence, and a call
// is not left for dead for more than a day.
const (
	leastSilence = 5 * time.Second
	mostSilence  = 24 * time.Hour
)

func (b *builder) watchdog(w Watchdog, path string) Silence {
	limit := func(name, s string) time.Duration {
		switch s {
		case "":
			return 0
		case WatchdogOff:
			return -1
		}
		d, err := ParseDuration(s)
		if err != nil {
			b.fault(err.Error()+", nor "+WatchdogOff, "%s.watchdog.%s", path, name)
			return 0
		}
		exact, ok := d.Exact()
		if !ok || exact < leastSilence || exact > mostSilence {
			b.fault("is no limit of silence: PT5S to PT24H", "%s.watchdog.%s", path, name)
		}
		return exact
	}
	return Silence{limit("initial", w.Initial), limit("steady", w.Steady), limit("held", w.Held)}
}
