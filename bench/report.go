//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what `bench calls` has to say; names carry their units.
type report struct {
	Machine  string    `json:"machine"`
	At       time.Time `json:"at"`
	Calls    int       `json:"calls"`
	Rate     float64   `json:"rate_per_s"`
	HoldMS   int64     `json:"hold_ms"`
	Recorded *bool     `json:"recorded,omitempty"` // nil: somebody else's node

	Attempted int            `json:"attempted"`
	Answered  int            `json:"answered"`
	Failed    int            `json:"failed"`
	Failures  map[string]int `json:"failures,omitempty"`
	Unclean   int            `json:"ended_badly"` // hang-ups that were not confirmed
	SetupP50  float64        `json:"setup_p50_ms"`
	SetupP99  float64        `json:"setup_p99_ms"`

	Direct *mediaReport `json:"direct,omitempty"`
	Relay  *mediaReport `json:"relay,omitempty"`
	// Added latency: the relayed run less the direct one, quantile by quantile.
	AddedP50 float64 `json:"added_p50_us"`
	AddedP99 float64 `json:"added_p99_us"`
	// Noisy says that the generator could not keep its own time: something else
	// used the machine, and latency and set-up say more about that than about us.
	Noisy bool `json:"noisy"`

	Process *processReport `json:"process,omitempty"`
	Faults  []string       `json:"sip_faults,omitempty"` // the first few of FaultCount
	Count   int            `json:"sip_fault_count"`
	Odd     map[string]int `json:"oddities,omitempty"`
}

// mediaReport is one window of RTP. Latency is from before the sender's system
// call to the kernel's stamp on arrival.
type mediaReport struct {
	Sent    uint64  `json:"sent"`
	Heard   uint64  `json:"heard"`
	Doubled uint64  `json:"doubled"`
	Foreign uint64  `json:"foreign"` // not ours: RTCP, or on the wrong side
	Unsent  uint64  `json:"unsent"`  // refused by our own kernel
	LossPct float64 `json:"loss_pct"`
	P50     float64 `json:"latency_p50_us"`
	P99     float64 `json:"latency_p99_us"`
	Max     float64 `json:"latency_max_us"`
	TickP99 float64 `json:"generator_late_p99_us"`
}

// processReport is what the node used.
type processReport struct {
	Cores       float64 `json:"cores"`                  // in the window
	PerPacketUS float64 `json:"cpu_per_packet_us"`      // window CPU by packets that came out in it
	PerHeldMS   float64 `json:"cpu_per_held_call_ms_s"` // ms of CPU a second and held call
	PerCallMS   float64 `json:"cpu_per_call_ms"`        // everything from the first INVITE to the last BYE, by answered calls
	SetupMS     float64 `json:"cpu_setup_per_call_ms"`  // from the first INVITE until all stand, media included
	IdleMB      float64 `json:"rss_idle_mb"`
	HeldMB      float64 `json:"rss_held_mb"`
	PeakMB      float64 `json:"rss_peak_mb"`
	PerCallKB   float64 `json:"rss_per_call_kb"`
	Threads     int     `json:"threads"`
}

func (r *report) begin(o callsOptions) {
	r.Machine, r.At = machine(), time.Now().UTC().Truncate(time.Second)
	r.Calls, r.Rate, r.HoldMS = o.n, o.rate, o.hold.Milliseconds()
}

func (r *report) placed(all []outcome) {
	var setup histogram
	r.Attempted = len(all)
	for _, o := range all {
		if o.err == nil {
			r.Answered++
			setup.add(o.setup)
		}
	}
	r.Failed, r.Failures = r.Attempted-r.Answered, reasons(all)
	r.SetupP50, r.SetupP99 = millis(setup.quantile(.5)), millis(setup.quantile(.99))
}

// cost compares four moments: idle, all calls up, the window's end, all down.
func (r *report) cost(idle, from, to, end sample, count tally) {
	if idle.CPU == 0 && idle.RSS == 0 {
		return // no process was named
	}
	calls, window := float64(max(r.Answered, 1)), to.At.Sub(from.At).Seconds()
	used := to.CPU - from.CPU
	p := &processReport{
		Cores:     used.Seconds() / window,
		PerHeldMS: millis(used) / window / calls,
		PerCallMS: millis(end.CPU-idle.CPU) / calls,
		SetupMS:   millis(from.CPU-idle.CPU) / calls,
		IdleMB:    float64(idle.RSS) / mb, HeldMB: float64(to.RSS) / mb, PeakMB: float64(end.HWM) / mb,
		PerCallKB: float64(to.RSS-idle.RSS) / calls / 1024,
		Threads:   to.Threads,
	}
	if count.Heard > 0 {
		p.PerPacketUS = micros(used) / float64(count.Heard)
	}
	r.Process = p
}

// noisyUS is how late the generator may be at p99 before its run counts as noisy.
const noisyUS = 5000

// shownFaults bounds what the report repeats.
const shownFaults = 5

func (r *report) finish(caller, callee []error, odd map[string]int) {
	all := slices.Concat(caller, callee)
	r.Count = len(all)
	for _, err := range all[:min(len(all), shownFaults)] {
		r.Faults = append(r.Faults, err.Error())
	}
	r.Odd = odd
	if r.Direct != nil && r.Relay != nil {
		r.AddedP50, r.AddedP99 = r.Relay.P50-r.Direct.P50, r.Relay.P99-r.Direct.P99
		r.Noisy = max(r.Relay.TickP99, r.Direct.TickP99) > noisyUS
	}
}

// verdict is an error when the run does not count as good.
func (r *report) verdict(maxLoss float64, media bool) error {
	var all []error
	if r.Failed > 0 {
		all = append(all, fmt.Errorf("%d of %d calls were not answered", r.Failed, r.Attempted))
	}
	if r.Unclean > 0 {
		all = append(all, fmt.Errorf("%d calls did not end as they should", r.Unclean))
	}
	if r.Count > 0 {
		all = append(all, fmt.Errorf("the phones found %d faults in SIP", r.Count))
	}
	for what, n := range r.Odd {
		all = append(all, fmt.Errorf("%d times: %s", n, what))
	}
	if media {
		switch {
		case r.Relay.Heard == 0:
			all = append(all, errors.New("no packet came through"))
		case r.Relay.LossPct > maxLoss:
			all = append(all, fmt.Errorf("%.3f %% of the packets were lost, more than %g %%", r.Relay.LossPct, maxLoss))
		}
		if r.Relay.Doubled > 0 {
			all = append(all, fmt.Errorf("%d packets came twice", r.Relay.Doubled))
		}
	}
	return errors.Join(all...)
}

func (r *report) write(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	recorded := "recording unknown"
	if r.Recorded != nil {
		recorded = map[bool]string{true: "recorded", false: "not recorded"}[*r.Recorded]
	}
	p("%s", r.Machine)
	p("calls      %d at %g/s, held %v, %s", r.Calls, r.Rate, time.Duration(r.HoldMS)*time.Millisecond, recorded)
	p("           attempted %d, answered %d, failed %d%s", r.Attempted, r.Answered, r.Failed, list(r.Failures))
	p("set-up     p50 %.1f ms, p99 %.1f ms", r.SetupP50, r.SetupP99)
	if r.Relay != nil && r.Relay.Sent > 0 {
		p("media      %d packets in the window, %d lost (%.4f %%), %d doubled, %d foreign", r.Relay.Sent, int64(r.Relay.Sent)-int64(r.Relay.Heard), r.Relay.LossPct, r.Relay.Doubled, r.Relay.Foreign)
		p("latency    direct p50 %.0f us, p99 %.0f us; relayed p50 %.0f us, p99 %.0f us, max %.0f us", r.Direct.P50, r.Direct.P99, r.Relay.P50, r.Relay.P99, r.Relay.Max)
		p("added      p50 %.0f us, p99 %.0f us (generator late p99 %.0f us, direct %.0f us)", r.AddedP50, r.AddedP99, r.Relay.TickP99, r.Direct.TickP99)
	}
	if c := r.Process; c != nil {
		if c.PerPacketUS > 0 {
			p("CPU        %.2f us a relayed packet", c.PerPacketUS)
		}
		p("CPU        %.2f cores held, %.2f ms/s a held call, %.1f ms a call in all (%.1f ms until it stood)", c.Cores, c.PerHeldMS, c.PerCallMS, c.SetupMS)
		p("memory     idle %.1f MB, held %.1f MB, peak %.1f MB: %.1f KB a call; %d threads", c.IdleMB, c.HeldMB, c.PeakMB, c.PerCallKB, c.Threads)
	}
	if r.Noisy {
		p("NOISY      the generator was late: latency and set-up of this run say more about the machine's other work")
	}
	for _, f := range r.Faults {
		p("FAULT      %s", f)
	}
}

// list writes counted reasons in a fixed order.
func list(why map[string]int) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(&b, "; %d %s", why[k], k)
	}
	return b.String()
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
