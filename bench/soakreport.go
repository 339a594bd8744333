//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// soakReport is what `bench soak` has to say; names carry their units.
type soakReport struct {
	Machine  string      `json:"machine"`
	At       time.Time   `json:"at"`
	Engine   string      `json:"engine"`
	Recorded bool        `json:"recorded"`
	Calls    int         `json:"calls"`
	Placed   int         `json:"placed"`
	Seconds  float64     `json:"seconds"`
	LifeS    float64     `json:"life_s"`
	Media    mediaReport `json:"media"`
	Relay    relayCount  `json:"relay"`
	Looks    []soakLook  `json:"looks"`
}

// relayCount is what the relay itself has counted.
type relayCount struct {
	Relays  int    `json:"relays"`
	Packets uint64 `json:"packets"`
	Drops   uint64 `json:"drops"`
	Late    uint64 `json:"late"` // to ports whose call had ended
	Panics  uint64 `json:"panics"`
	Lost    uint64 `json:"recording_lost"`
}

// soakLook is the process at one moment.
type soakLook struct {
	AtS     float64 `json:"at_s"`
	AnonMB  float64 `json:"anon_mb"`
	Handles int     `json:"handles"`
	Threads int     `json:"threads"`
	CPUS    float64 `json:"cpu_s"`
	Sent    uint64  `json:"sent"`
}

// quarter is the mean of a quarter of the looks, 0 to 3.
func (r *soakReport) quarter(n int, of func(soakLook) float64) float64 {
	from, to := n*len(r.Looks)/4, (n+1)*len(r.Looks)/4
	if from == to {
		return 0
	}
	sum := 0.0
	for _, l := range r.Looks[from:to] {
		sum += of(l)
	}
	return sum / float64(to-from)
}

func anonOf(l soakLook) float64    { return l.AnonMB }
func handlesOf(l soakLook) float64 { return float64(l.Handles) }

// By how much the last quarter may be above the second: what a collector and the
// chance of calls' lengths make, not what a leak does in ten minutes.
const (
	flatShare   = 1.05
	flatMB      = 4
	flatHandles = 64
)

// verdict is an error for each thing that should not have been.
func (r *soakReport) verdict() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	m, c := r.Media, r.Relay
	fault(m.Sent == 0, "nothing was sent")
	fault(m.Heard != m.Sent, "%d of %d packets lost", int64(m.Sent)-int64(m.Heard), m.Sent)
	fault(m.Doubled+m.Foreign+m.Unsent > 0, "%d packets doubled, %d on the wrong side, %d not sent", m.Doubled, m.Foreign, m.Unsent)
	fault(c.Drops+c.Late+c.Panics > 0, "the relay dropped %d, %d came after their call, %d panics", c.Drops, c.Late, c.Panics)
	fault(c.Lost > 0, "recordings lost %d packets", c.Lost)
	fault(c.Relays > 0, "%d relays left", c.Relays)
	from, to := r.quarter(1, anonOf), r.quarter(3, anonOf)
	fault(to > from*flatShare+flatMB, "memory grew from %.1f to %.1f MB", from, to)
	from, to = r.quarter(1, handlesOf), r.quarter(3, handlesOf)
	fault(to > from*flatShare+flatHandles, "handles grew from %.0f to %.0f", from, to)
	return errors.Join(faults...)
}

func (r *soakReport) write(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	kind := map[bool]string{true: "recorded", false: "not recorded"}[r.Recorded]
	m := r.Media
	p("%s", r.Machine)
	p("soak       %d calls at a time for %.0f s, %s, engine %s, of %.0f s on average: %d in all", r.Calls, r.Seconds, kind, r.Engine, r.LifeS, r.Placed)
	p("media      %d packets, %d lost, %d doubled, %d foreign; latency p50 %.0f us, p99 %.0f us, at most %.1f ms; generator late %.0f us at p99",
		m.Sent, int64(m.Sent)-int64(m.Heard), m.Doubled, m.Foreign, m.P50, m.P99, m.Max/1000, m.TickP99)
	p("relay      %d dropped, %d after their call, %d panics, recordings lost %d", r.Relay.Drops, r.Relay.Late, r.Relay.Panics, r.Relay.Lost)
	p("memory     by quarters %.1f %.1f %.1f %.1f MB", r.quarter(0, anonOf), r.quarter(1, anonOf), r.quarter(2, anonOf), r.quarter(3, anonOf))
	p("handles    by quarters %.0f %.0f %.0f %.0f", r.quarter(0, handlesOf), r.quarter(1, handlesOf), r.quarter(2, handlesOf), r.quarter(3, handlesOf))
	if n := len(r.Looks); n > 1 {
		first, last := r.Looks[0], r.Looks[n-1]
		p("CPU        %.2f us a packet, calls coming and going included", (last.CPUS-first.CPUS)*1e6/float64(max(last.Sent-first.Sent, 1)))
	}
}
