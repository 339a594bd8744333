//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mediaOptions are the flags of `bench media`.
type mediaOptions struct {
	calls   []int
	runs    int
	window  time.Duration
	names   []string
	modes   []string
	json    bool
	source  string
	maxLoss float64
	flood   int
	before  string
}

// relays are the names of -with, in the order in which they take turns.
var relays = []string{"c", "portable", "kernel", "rtpengine"}

func (o *mediaOptions) parse(args []string, errs io.Writer) error {
	f := flag.NewFlagSet("media", flag.ContinueOnError)
	f.SetOutput(errs)
	calls := f.String("calls", "100,500,1000", "calls held at the same time; several with commas are measured one after the other")
	f.IntVar(&o.runs, "runs", 5, "runs of each, of which the median counts")
	f.DurationVar(&o.window, "window", 5*time.Second, "what is measured of a run")
	with := f.String("with", strings.Join(relays, ","), "relays that take turns")
	modes := f.String("mode", "plain,recorded", "plain, recorded or both")
	f.StringVar(&o.source, "reference", "bench/media/reference", "folder of the reference relay's source, built with cc")
	f.Float64Var(&o.maxLoss, "max-loss", 0, "loss of ours in percent above which the run has failed")
	f.StringVar(&o.before, "before", "", "bare of another commit, which takes turns with this one's as \"before\"")
	f.IntVar(&o.flood, "flood", 0, "packets a second that strangers send to a port of one more call; of ours only")
	f.BoolVar(&o.json, "json", false, "print one JSON object a run, not a table")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for one := range strings.SplitSeq(*calls, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 || n > maxCalls {
			return fmt.Errorf("%w: -calls %q is not between 1 and %d", errUsage, one, maxCalls)
		}
		o.calls = append(o.calls, n)
	}
	o.names, o.modes = strings.Split(*with, ","), strings.Split(*modes, ",")
	if o.flood > 0 {
		o.names = slices.DeleteFunc(o.names, func(name string) bool { return name != "portable" && name != "kernel" })
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%w: %q is one word too many", errUsage, f.Arg(0))
	case o.runs < 1 || o.runs > 100:
		return fmt.Errorf("%w: -runs %d is not between 1 and 100", errUsage, o.runs)
	case o.flood < 0 || o.flood > maxFlood:
		return fmt.Errorf("%w: -flood %d is not between 0 and %d", errUsage, o.flood, maxFlood)
	case o.window < time.Second || o.window > maxHold:
		return fmt.Errorf("%w: -window %v is not between 1s and %v", errUsage, o.window, maxHold)
	}
	if unknown := strange(o.names, relays); unknown != "" {
		return fmt.Errorf("%w: -with %q is none of %s", errUsage, unknown, strings.Join(relays, ", "))
	}
	if unknown := strange(o.modes, []string{"plain", "recorded"}); unknown != "" {
		return fmt.Errorf("%w: -mode %q is neither plain nor recorded", errUsage, unknown)
	}
	return nil
}

// strange returns the first word that is not among those known.
func strange(words, known []string) string {
	for _, w := range words {
		if !slices.Contains(known, w) {
			return w
		}
	}
	return ""
}

// entry is a contender in one of its modes.
type entry struct {
	name   string
	record bool
	contender
}

// runMedia measures all relays in turns, in a network namespace of its own.
func runMedia(ctx context.Context, args []string, out, errs io.Writer) error {
	var o mediaOptions
	if err := o.parse(args, errs); err != nil {
		return err
	}
	if outside, err := inOwnNetwork(ctx, append([]string{"media"}, args...), out, errs); outside || err != nil {
		return err
	}
	dir, done, err := workDir("")
	if err != nil {
		return err
	}
	defer done()
	entries, err := o.enter(ctx, dir, errs)
	if err != nil {
		return err
	}
	var turns []turn
	for n := range o.runs {
		for _, calls := range o.calls {
			for _, e := range entries {
				t, err := e.run(ctx, filepath.Join(dir, fmt.Sprintf("%d-%d-%s-%v", n, calls, e.name, e.record)), calls, &o)
				if err != nil {
					return fmt.Errorf("%s with %d calls: %w", e.name, calls, err)
				}
				t.Run = n
				turns = append(turns, t)
				fmt.Fprintln(errs, t)
				if o.json {
					if err := json.NewEncoder(out).Encode(t); err != nil {
						return err
					}
				}
			}
		}
	}
	if !o.json {
		writeTable(out, turns)
	}
	return verdict(turns, o.maxLoss)
}

// enter builds what is to be built. A reference that cannot be is left out, and
// said so.
func (o *mediaOptions) enter(ctx context.Context, dir string, errs io.Writer) ([]entry, error) {
	bare, err := buildBare(ctx, dir)
	if err != nil {
		return nil, err
	}
	all := []entry{{"direct", false, direct{}}}
	for _, mode := range o.modes {
		record := mode == "recorded"
		if o.before != "" {
			all = append(all, entry{"before", record, &ours{binary: o.before, args: []string{"-engine", "portable"}, record: record}})
		}
		for _, name := range o.names {
			switch name {
			case "portable", "kernel":
				all = append(all, entry{name, record, &ours{binary: bare, args: []string{"-engine", name}, record: record}})
			case "c":
				if record {
					continue // it cannot
				}
				binary := filepath.Join(dir, "epoll")
				if out, err := exec.CommandContext(ctx, "cc", "-O2", "-o", binary, filepath.Join(o.source, "epoll.c")).CombinedOutput(); err != nil {
					fmt.Fprintf(errs, "bench: without the reference in C: %v: %s\n", err, bytes.TrimSpace(out))
					continue
				}
				all = append(all, entry{name, false, &reference{binary: binary}})
			case "rtpengine":
				if _, err := exec.LookPath("rtpengine"); err != nil {
					fmt.Fprintf(errs, "bench: without rtpengine: %v\n", err)
					continue
				}
				all = append(all, entry{name, record, &rtpengine{record: record}})
			}
		}
	}
	return all, nil
}

// buildBare builds the product's media path into a directory.
func buildBare(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "bare")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "ringdown/bench/bare").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, bytes.TrimSpace(out))
	}
	return binary, nil
}

// verdict fails when ours lost, doubled or invented a packet, or dropped one that
// was no stranger's. Of a flood the kernel may drop what no socket has room for.
func verdict(turns []turn, maxLoss float64) error {
	var faults []error
	for _, t := range turns {
		if (t.Relay == "portable" || t.Relay == "kernel") && (t.LossPct > maxLoss || t.Doubled > 0 || t.Foreign > 0 || t.Refused > t.Flood || t.Refused < t.Flood/4) {
			faults = append(faults, fmt.Errorf("run %d with %d calls: %v", t.Run, t.Calls, t))
		}
	}
	return errors.Join(faults...)
}
