//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// soakOptions are the flags of `bench soak`.
type soakOptions struct {
	calls    int
	duration time.Duration
	life     time.Duration
	engine   string
	record   bool
	json     bool
}

func (o *soakOptions) parse(args []string, errs io.Writer) error {
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.calls, "calls", 1000, "calls at the same time")
	f.DurationVar(&o.duration, "duration", 10*time.Minute, "how long")
	f.DurationVar(&o.life, "life", 30*time.Second, "of a call, on average; the shortest has half of it, the longest half more")
	f.StringVar(&o.engine, "engine", "portable", "portable or kernel")
	f.BoolVar(&o.record, "record", true, "record the calls")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%w: %q is one word too many", errUsage, f.Arg(0))
	case o.calls < 1 || o.calls > maxCalls:
		return fmt.Errorf("%w: -calls %d is not between 1 and %d", errUsage, o.calls, maxCalls)
	case o.life < time.Second || o.life > time.Hour:
		return fmt.Errorf("%w: -life %v is not between 1s and 1h", errUsage, o.life)
	case o.duration < 5*time.Second || o.duration > 24*time.Hour:
		return fmt.Errorf("%w: -duration %v is not between 5s and 24h", errUsage, o.duration)
	case 2*int64(o.calls)*int64(1+o.duration/o.life)*2 > maxFlows:
		return fmt.Errorf("%w: %d calls of %v for %v are more than are counted", errUsage, o.calls, o.life, o.duration)
	case o.engine != "portable" && o.engine != "kernel":
		return fmt.Errorf("%w: -engine %q is neither portable nor kernel", errUsage, o.engine)
	}
	return nil
}

// runSoak lets calls come and go, in a network namespace of its own.
func runSoak(ctx context.Context, args []string, out, errs io.Writer) error {
	var o soakOptions
	if err := o.parse(args, errs); err != nil {
		return err
	}
	if outside, err := inOwnNetwork(ctx, append([]string{"soak"}, args...), out, errs); outside || err != nil {
		return err
	}
	dir, done, err := workDir("")
	if err != nil {
		return err
	}
	defer done()
	bare, err := buildBare(ctx, dir)
	if err != nil {
		return err
	}
	g, err := newGenerator()
	if err != nil {
		return err
	}
	defer g.close()
	s := &soak{soakOptions: o, gen: g, errs: errs, relay: &ours{binary: bare, args: []string{"-engine", o.engine}, record: o.record}}
	s.rep = soakReport{Machine: machine(), At: time.Now().UTC().Truncate(time.Second), Engine: o.engine, Recorded: o.record,
		Calls: o.calls, Seconds: o.duration.Seconds(), LifeS: o.life.Seconds()}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if err := s.relay.start(ctx, data, o.calls); err != nil {
		return err
	}
	if err = errors.Join(s.run(ctx), s.relay.stop()); err != nil {
		return err
	}
	if o.json {
		err = json.NewEncoder(out).Encode(s.rep)
	} else {
		s.rep.write(out)
	}
	return errors.Join(err, s.rep.verdict())
}

// soak is one run.
type soak struct {
	soakOptions
	gen   *generator
	relay *ours
	errs  io.Writer
	live  []soaked
	gone  []soaked // silent, to be closed when their last packets have arrived
	rep   soakReport
}

// soaked is one call.
type soaked struct {
	id    int
	flows [2]*flow
	until time.Time
}

// landing is how long the last packets of a call may take.
const landing = 300 * time.Millisecond

func (s *soak) run(ctx context.Context) error {
	s.gen.open()
	for range s.calls {
		// The first ones are of every age, so that they do not all end together.
		if err := s.place(time.Duration(rand.Int64N(int64(s.life)))); err != nil {
			return err
		}
	}
	start := time.Now()
	every := max(s.duration/60, 500*time.Millisecond)
	for look := start.Add(every); time.Since(start) < s.duration; {
		if !pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
		if err := s.turn(); err != nil {
			return err
		}
		if now := time.Now(); now.After(look) {
			look = now.Add(every)
			if err := s.look(now.Sub(start)); err != nil {
				return err
			}
		}
	}
	for _, c := range s.live {
		s.gen.end(c.flows[:]...)
	}
	pause(ctx, landing)
	s.gen.shut()
	s.gone = append(s.gone, s.live...)
	if err := s.bury(time.Now().Add(time.Hour)); err != nil {
		return err
	}
	return s.finish()
}

// place opens a call and lets both sides speak.
func (s *soak) place(life time.Duration) error {
	a, err := s.relay.call(s.gen.side[0].local, s.gen.side[1].local)
	if err != nil {
		return err
	}
	c := soaked{id: a.ID, until: time.Now().Add(life)}
	if c.flows[0], err = s.gen.start(0, a.Caller); err == nil {
		c.flows[1], err = s.gen.start(1, a.Callee)
	}
	s.live = append(s.live, c)
	s.rep.Placed++
	return err
}

// turn ends the calls whose time has come, and puts others in their place.
func (s *soak) turn() error {
	now := time.Now()
	if err := s.bury(now); err != nil {
		return err
	}
	ended := 0
	for i := 0; i < len(s.live); i++ {
		c := s.live[i]
		if now.Before(c.until) {
			continue
		}
		s.gen.end(c.flows[:]...)
		c.until = now.Add(landing)
		s.gone = append(s.gone, c)
		last := len(s.live) - 1
		s.live[i] = s.live[last]
		s.live = s.live[:last]
		i--
		ended++
	}
	for range ended {
		if err := s.place(s.life/2 + time.Duration(rand.Int64N(int64(s.life)))); err != nil {
			return err
		}
	}
	return nil
}

// bury closes the calls that have been silent long enough.
func (s *soak) bury(now time.Time) error {
	for len(s.gone) > 0 && !now.Before(s.gone[0].until) {
		var c struct{ Drops uint64 }
		if err := s.relay.ask(fmt.Sprintf(`{"close":%d}`, s.gone[0].id), &c); err != nil {
			return err
		}
		s.gone = s.gone[1:]
	}
	return nil
}

// look takes a sample of the process.
func (s *soak) look(at time.Duration) error {
	p, err := sampleOf(s.relay.pid())
	if err != nil {
		return err
	}
	handles, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.relay.pid()))
	if err != nil {
		return err
	}
	count, _, _ := s.gen.result()
	l := soakLook{AtS: at.Seconds(), AnonMB: float64(p.Anon) / mb, Handles: len(handles), Threads: p.Threads, CPUS: p.CPU.Seconds(), Sent: count.Sent}
	s.rep.Looks = append(s.rep.Looks, l)
	fmt.Fprintf(s.errs, "%4.0f s: %d calls placed, %d packets, %.1f MB, %d handles, %d threads\n", l.AtS, s.rep.Placed, l.Sent, l.AnonMB, l.Handles, l.Threads)
	return nil
}

// finish reads what everybody has counted.
func (s *soak) finish() error {
	if err := s.relay.ask(`{"stats":true}`, &s.rep.Relay); err != nil {
		return err
	}
	count, latency, late := s.gen.result()
	s.rep.Media = *mediaOf(count, latency, late)
	return nil
}
