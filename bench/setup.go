//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bounds of `bench setup`.
const (
	maxSetupRate  = 5000
	maxSetupCalls = 500000
	// lingers is 64*T1 and a margin: how long a node must remember the
	// transactions of a call that is over (RFC 3261 17).
	lingers = 32 * time.Second
)

// setupOptions are the flags of `bench setup`.
type setupOptions struct {
	rates   []float64
	seconds int
	hold    time.Duration
	callers int
	rest    time.Duration
	noBus   bool
	binary  string
	keep    string
	json    bool
}

func (o *setupOptions) parse(args []string, errs io.Writer) error {
	f := flag.NewFlagSet("setup", flag.ContinueOnError)
	f.SetOutput(errs)
	rates := f.String("rate", "200", "new calls a `second`; several with commas are runs of their own, each on a fresh node")
	f.IntVar(&o.seconds, "seconds", 20, "how long calls are placed")
	f.DurationVar(&o.hold, "hold", 0, "from the answer to the caller's BYE")
	f.IntVar(&o.callers, "callers", 1000, "different numbers that call; the first call of each makes keys for him")
	f.DurationVar(&o.rest, "rest", 40*time.Second, "wait after the last call before memory is looked at again")
	f.BoolVar(&o.noBus, "no-bus", false, "the broker is away: events stay in the outbox")
	f.StringVar(&o.binary, "binary", "", "ringdown binary to start; empty: built from this module")
	f.StringVar(&o.keep, "keep", "", "directory for the node's data and log, kept afterwards")
	f.BoolVar(&o.json, "json", false, "print JSON objects, one a run")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for one := range strings.SplitSeq(*rates, ",") {
		r, err := strconv.ParseFloat(one, 64)
		if err != nil || !(r > 0 && r <= maxSetupRate) {
			return fmt.Errorf("%w: -rate %q is not above 0 and at most %d", errUsage, one, maxSetupRate)
		}
		o.rates = append(o.rates, r)
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%w: %q is one word too many", errUsage, f.Arg(0))
	case o.seconds < 1 || float64(o.seconds)*o.rates[len(o.rates)-1] > maxSetupCalls:
		return fmt.Errorf("%w: -seconds %d is below 1 or makes more than %d calls", errUsage, o.seconds, maxSetupCalls)
	case o.hold < 0 || o.hold > maxHold:
		return fmt.Errorf("%w: -hold %v is not between 0 and %v", errUsage, o.hold, maxHold)
	case o.callers < 1 || o.callers > 1e6:
		return fmt.Errorf("%w: -callers %d is not between 1 and a million", errUsage, o.callers)
	case o.rest < 0 || o.rest > maxHold:
		return fmt.Errorf("%w: -rest %v is not between 0 and %v", errUsage, o.rest, maxHold)
	}
	return nil
}

// runSetup measures each rate on a node of its own.
func runSetup(ctx context.Context, args []string, out, errs io.Writer) error {
	var o setupOptions
	if err := o.parse(args, errs); err != nil {
		return err
	}
	dir, done, err := workDir(o.keep)
	if err != nil {
		return err
	}
	defer done()
	var faults []error
	for i, rate := range o.rates {
		r, binary, err := o.one(ctx, fmt.Sprintf("%s/%d", dir, i), rate)
		o.binary = binary // built once
		if err != nil {
			return errors.Join(append(faults, fmt.Errorf("at %g a second: %w", rate, err))...)
		}
		if o.json {
			err = json.NewEncoder(out).Encode(r)
		} else {
			r.write(out)
		}
		if faults = append(faults, err); !r.Clean {
			faults = append(faults, fmt.Errorf("%g a second is not clean: %v", rate, &r.loadSum))
		}
	}
	return errors.Join(faults...)
}

// one is one rate.
func (o *setupOptions) one(ctx context.Context, dir string, rate float64) (r setupReport, binary string, err error) {
	_, _, err = workDir(dir)
	if err != nil {
		return r, o.binary, err
	}
	caller, err := openSocket()
	if err != nil {
		return r, o.binary, err
	}
	defer caller.close()
	callee, err := openSocket()
	if err != nil {
		return r, o.binary, err
	}
	defer callee.close()
	line := lines(1)
	n, err := newNode(ctx, o.binary, dir, plan{
		Ports: "10000-31999", Calls: 20000, CPS: maxSetupRate, Mode: "do-not-record",
		Agent: callee.local.String(), Lines: line, NoBus: o.noBus,
	})
	if err != nil {
		return r, o.binary, err
	}
	if err := n.start(ctx); err != nil {
		return r, n.binary, err
	}
	node, err := netip.ParseAddrPort(n.sip)
	if err != nil {
		return r, n.binary, errors.Join(err, n.stop())
	}
	l := newLoad(caller, callee, node, line[0].Number, int(rate*float64(o.seconds)), o.hold, o.callers)
	r, err = o.measure(ctx, n, l, rate)
	return r, n.binary, errors.Join(err, n.stop())
}

// measure is the run itself: idle, under load, emptied, rested.
func (o *setupOptions) measure(ctx context.Context, n *node, l *load, rate float64) (r setupReport, err error) {
	r = setupReport{Machine: machine(), At: time.Now().UTC().Truncate(time.Second), Rate: rate, Seconds: o.seconds,
		HoldMS: o.hold.Milliseconds(), Callers: o.callers, Bus: !o.noBus}
	pause(ctx, time.Second)
	marks := make([]sample, 0, 4)
	mark := func() {
		s, serr := sampleOf(n.pid())
		marks, err = append(marks, s), errors.Join(err, serr)
	}
	mark()
	l.run(ctx, rate)
	mark()
	r.loadSum, r.Clean = l.sum, l.sum.clean()
	r.SetupP50, r.SetupP99 = millis(l.setup.quantile(.5)), millis(l.setup.quantile(.99))
	if r.DrainMS, err = n.drained(ctx, o.noBus); err != nil {
		return r, err
	}
	mark()
	pause(ctx, o.rest)
	mark()
	if err != nil {
		return r, err
	}
	if r.Events, err = n.metric(ctx, "ringdown_outbox_events_total"); err != nil {
		return r, err
	}
	r.cost(marks)
	return r, ctx.Err()
}

// drained waits until the broker has every event; without one, until the outbox
// has written what was queued.
func (n *node) drained(ctx context.Context, noBus bool) (ms int64, err error) {
	what := "ringdown_outbox_backlog"
	if noBus {
		what = "ringdown_outbox_queued"
	}
	start := time.Now()
	for time.Since(start) < 2*time.Minute {
		left, err := n.metric(ctx, what)
		if err != nil || left == 0 {
			return time.Since(start).Milliseconds(), err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return 0, ctx.Err()
		}
	}
	return 0, errors.New("events still wait after two minutes")
}

// metric reads one value without labels from the node's /metrics.
func (n *node) metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

// setupReport is what one rate has to say; names carry their units.
type setupReport struct {
	Machine string    `json:"machine"`
	At      time.Time `json:"at"`
	Rate    float64   `json:"rate_per_s"`
	Seconds int       `json:"seconds"`
	HoldMS  int64     `json:"hold_ms"`
	Callers int       `json:"callers"`
	Bus     bool      `json:"bus"`
	Clean   bool      `json:"clean"`
	loadSum
	SetupP50  float64 `json:"setup_p50_ms"`
	SetupP99  float64 `json:"setup_p99_ms"`
	DrainMS   int64   `json:"drain_ms"` // from the last call's end until the broker had everything
	Events    float64 `json:"events"`
	PerCallMS float64 `json:"cpu_per_call_ms"` // everything: until the rest is over
	LoadedMS  float64 `json:"cpu_per_call_loaded_ms"`
	Cores     float64 `json:"cores"`        // while calls were placed
	IdleMB    float64 `json:"anon_idle_mb"` // resident, without the pages of the program
	LoadedMB  float64 `json:"anon_loaded_mb"`
	RestedMB  float64 `json:"anon_rested_mb"`
	PeakMB    float64 `json:"rss_peak_mb"`
	PerCallKB float64 `json:"anon_per_call_kb"` // loaded - idle, by the calls of the last 32 s
	LeftKB    float64 `json:"anon_left_per_call_kb"`
}

// cost fills in what the process used, from the samples idle, loaded, drained
// and rested.
func (r *setupReport) cost(m []sample) {
	calls := float64(max(r.Placed, 1))
	r.PerCallMS = millis(m[3].CPU-m[0].CPU) / calls
	r.LoadedMS = millis(m[1].CPU-m[0].CPU) / calls
	r.Cores = (m[1].CPU - m[0].CPU).Seconds() / m[1].At.Sub(m[0].At).Seconds()
	r.IdleMB, r.LoadedMB, r.RestedMB, r.PeakMB = float64(m[0].Anon)/mb, float64(m[1].Anon)/mb, float64(m[3].Anon)/mb, float64(m[3].HWM)/mb
	recent := min(calls, r.Rate*lingers.Seconds())
	r.PerCallKB = float64(m[1].Anon-m[0].Anon) / recent / 1024
	r.LeftKB = float64(m[3].Anon-m[0].Anon) / calls / 1024
}

func (r *setupReport) write(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	verdict := map[bool]string{true: "clean", false: "NOT CLEAN"}[r.Clean]
	bus := map[bool]string{true: "delivered to JetStream", false: "left in the outbox"}[r.Bus]
	p("%s", r.Machine)
	p("rate       %g a second for %d s, held %v, %d callers, events %s: %s", r.Rate, r.Seconds, time.Duration(r.HoldMS)*time.Millisecond, r.Callers, bus, verdict)
	p("calls      %v", &r.loadSum)
	p("set-up     p50 %.1f ms, p99 %.1f ms", r.SetupP50, r.SetupP99)
	p("CPU        %.2f ms a call in all, %.2f ms until the last had ended (%.2f cores)", r.PerCallMS, r.LoadedMS, r.Cores)
	p("events     %.1f a call, the last of them delivered %d ms after the last call", r.Events/float64(max(r.Placed, 1)), r.DrainMS)
	p("memory     idle %.1f MB, loaded %.1f MB, peak of all %.1f MB: %.1f kB a call; rested %.1f MB: %.2f kB a call left", r.IdleMB, r.LoadedMB, r.PeakMB, r.PerCallKB, r.RestedMB, r.LeftKB)
}
