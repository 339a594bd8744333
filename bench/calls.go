//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"ringdown/sip/siptest"
)

// Bounds of a run, so that a slip of the finger does not take the machine.
const (
	maxCalls = 5000
	maxRate  = 500
	maxHold  = 10 * time.Minute
)

// callsOptions are the flags of `bench calls`.
type callsOptions struct {
	n       int
	rate    float64
	hold    time.Duration
	target  string
	number  string
	listen  string
	pid     int
	binary  string
	keep    string
	record  bool
	silent  bool
	maxLoss float64
	json    bool
}

func (o *callsOptions) parse(args []string, errs io.Writer) error {
	f := flag.NewFlagSet("calls", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.n, "n", 100, "calls held at the same time")
	f.Float64Var(&o.rate, "rate", 20, "new calls a second")
	f.DurationVar(&o.hold, "hold", 8*time.Second, "how long all of them are held together; this is the window that is measured")
	f.StringVar(&o.target, "target", "", "SIP address `IP:PORT` of a running node on this machine; empty: one is started for the run")
	f.StringVar(&o.number, "number", "+4721000001", "number to dial, with -target")
	f.StringVar(&o.listen, "agent", "127.0.0.1:5090", "address the callee phone listens on, with -target: where the node's flow dials")
	f.IntVar(&o.pid, "pid", 0, "process to measure, with -target")
	f.StringVar(&o.binary, "binary", "", "ringdown binary to start; empty: built from this module")
	f.StringVar(&o.keep, "keep", "", "directory for the node's data and log, kept afterwards")
	f.BoolVar(&o.record, "record", true, "record the calls, without -target")
	f.BoolVar(&o.silent, "no-rtp", false, "no media: what signalling alone costs")
	f.Float64Var(&o.maxLoss, "max-loss", 0.1, "loss in percent above which the run has failed")
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
	case o.n < 1 || o.n > maxCalls:
		return fmt.Errorf("%w: -n %d is not between 1 and %d", errUsage, o.n, maxCalls)
	case !(o.rate > 0 && o.rate <= maxRate):
		return fmt.Errorf("%w: -rate %g is not above 0 and at most %d", errUsage, o.rate, maxRate)
	case o.hold < time.Second || o.hold > maxHold:
		return fmt.Errorf("%w: -hold %v is not between 1s and %v", errUsage, o.hold, maxHold)
	case o.target == "":
		return nil
	}
	return errors.Join(loopback(o.target), loopback(o.listen))
}

// bout is one run of `bench calls`.
type bout struct {
	callsOptions
	node   *node // nil with -target
	gen    *generator
	caller *siptest.Phone
	callee *siptest.Phone
	lines  []line
	rep    report

	mu  sync.Mutex
	odd map[string]int // what should not happen, counted
}

func runCalls(ctx context.Context, args []string, out, errs io.Writer) error {
	b := &bout{odd: map[string]int{}}
	if err := b.parse(args, errs); err != nil {
		return err
	}
	dir, done, err := workDir(b.keep)
	if err != nil {
		return err
	}
	defer done()
	if err := b.prepare(ctx, dir); err != nil {
		return errors.Join(err, b.tidy())
	}
	err = b.measure(ctx)
	err = errors.Join(err, b.tidy())
	if b.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(e.Encode(b.rep), err)
	}
	b.rep.write(out)
	return err
}

// workDir makes a directory that is removed again unless it was named.
func workDir(keep string) (dir string, done func(), err error) {
	if keep != "" {
		return keep, func() {}, os.MkdirAll(keep, 0o700)
	}
	dir, err = os.MkdirTemp("", "ringdown-bench-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// prepare opens sockets and phones and starts the node.
func (b *bout) prepare(ctx context.Context, dir string) (err error) {
	if b.gen, err = newGenerator(); err != nil {
		return err
	}
	if b.caller, err = newPhone("caller", false); err != nil {
		return err
	}
	if b.callee, err = b.newCallee(); err != nil {
		return err
	}
	b.callee.OnInvite(b.answer)
	b.lines = lines(1)
	if b.target != "" {
		b.lines = []line{{Number: b.number}}
		return nil
	}
	mode := "do-not-record"
	if b.record {
		mode = "record-from-answer"
	}
	b.node, err = newNode(ctx, b.binary, dir, plan{
		Ports: "10000-31999", Calls: b.n + 100, CPS: int(b.rate) + 100, Mode: mode,
		Agent: b.callee.Addr().String(), Lines: b.lines,
	})
	if err != nil {
		return err
	}
	b.target = b.node.sip
	if err := b.node.start(ctx); err != nil {
		return err
	}
	b.pid = b.node.pid()
	return nil
}

// newCallee listens on a port of its own choice, or where a running node dials.
func (b *bout) newCallee() (*siptest.Phone, error) {
	if b.target == "" {
		return newPhone("agent", false)
	}
	conn, err := listenOn(b.listen)
	if err != nil {
		return nil, err
	}
	return siptest.New(siptest.Config{User: "agent", Keep: 256, Conn: conn})
}

// tidy ends everything the run began.
func (b *bout) tidy() error {
	var all []error
	if b.node != nil {
		all = append(all, b.node.stop())
	}
	if b.gen != nil {
		b.gen.close()
	}
	for _, p := range []*siptest.Phone{b.caller, b.callee} {
		if p != nil {
			p.Close()
		}
	}
	return errors.Join(all...)
}

// measure is the run itself: alone, idle, up, held, down.
func (b *bout) measure(ctx context.Context) error {
	b.rep.begin(b.callsOptions)
	if b.node != nil {
		b.rep.Recorded = &b.record
	}
	if !b.silent {
		if err := b.direct(ctx); err != nil {
			return err
		}
	}
	idle, err := b.sample()
	if err != nil {
		return err
	}
	all := place(ctx, b.n, b.rate, b.dial)
	b.rep.placed(all)
	if b.rep.Answered == 0 {
		b.rep.finish(b.caller.Faults(), b.callee.Faults(), b.odd)
		return fmt.Errorf("no call was answered: %v", b.rep.Failures)
	}
	pause(ctx, time.Second) // the last ones settle
	from, err := b.sample()
	if err != nil {
		return err
	}
	b.gen.open()
	pause(ctx, b.hold)
	b.gen.shut()
	to, err := b.sample()
	if err != nil {
		return err
	}
	pause(ctx, 300*time.Millisecond) // the last packets arrive
	count, latency, late := b.gen.result()
	b.gen.silence()
	b.rep.Unclean = hangUp(ctx, all, b.rate)
	pause(ctx, time.Second)
	end, err := b.sample()
	if err != nil {
		return err
	}
	b.rep.cost(idle, from, to, end, count)
	b.rep.Relay = mediaOf(count, latency, late)
	b.rep.finish(b.caller.Faults(), b.callee.Faults(), b.odd)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return b.rep.verdict(b.maxLoss, !b.silent)
}

// direct runs the same media without a relay: the floor of the latency, and the
// proof that the generator itself keeps up.
func (b *bout) direct(ctx context.Context) error {
	for range b.n {
		for side := range 2 {
			if _, err := b.gen.start(side, b.gen.side[1-side].local); err != nil {
				return err
			}
		}
	}
	pause(ctx, 500*time.Millisecond)
	b.gen.open()
	pause(ctx, min(b.hold, 5*time.Second))
	b.gen.shut()
	pause(ctx, 300*time.Millisecond)
	b.rep.Direct = mediaOf(b.gen.result())
	b.gen.silence()
	pause(ctx, 100*time.Millisecond)
	return ctx.Err()
}

// sample reads the process; nothing when none was named.
func (b *bout) sample() (sample, error) {
	if b.pid == 0 {
		return sample{At: time.Now()}, nil
	}
	return sampleOf(b.pid)
}

// dial places call i and lets it speak when it is answered.
func (b *bout) dial(ctx context.Context, i int) (*siptest.Dialog, error) {
	l := b.lines[i%len(b.lines)]
	d, err := b.caller.Call(ctx, "sip:"+l.Number+"@"+b.target, siptest.CallOptions{
		From: fmt.Sprintf("+4799%06d", i),
		SDP:  siptest.WriteSDP(b.gen.side[0].local, []uint8{0, siptest.DTMF}, "sendrecv", 1),
	})
	if err != nil {
		return nil, err
	}
	if err := d.Answered(ctx); err != nil {
		return d, nil // placeOne tells why
	}
	b.speak(0, d.Remote())
	return d, nil
}

// answer is the callee: it answers at once.
func (b *bout) answer(in *siptest.Incoming) {
	in.Ring()
	d, err := in.Answer(siptest.AnswerOptions{
		SDP: siptest.WriteSDP(b.gen.side[1].local, []uint8{0, siptest.DTMF}, "sendrecv", 1),
	})
	if err != nil {
		b.oddity("callee could not answer")
		return
	}
	b.speak(1, d.Remote())
}

func (b *bout) speak(side int, remote *siptest.SDP) {
	switch {
	case b.silent:
	case remote == nil:
		b.oddity("no description of the media")
	default:
		if _, err := b.gen.start(side, remote.Addr); err != nil {
			b.oddity(err.Error())
		}
	}
}

func (b *bout) oddity(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.odd[what]++
}

// mediaOf sums up a window.
func mediaOf(count tally, latency, late histogram) *mediaReport {
	m := &mediaReport{
		Sent: count.Sent, Heard: count.Heard, Doubled: count.Doubled, Foreign: count.Foreign, Unsent: count.Unsent,
		P50: micros(latency.quantile(.5)), P99: micros(latency.quantile(.99)), Max: micros(latency.max),
		TickP99: micros(late.quantile(.99)),
	}
	if count.Sent > 0 {
		m.LossPct = 100 * (1 - float64(count.Heard)/float64(count.Sent))
	}
	return m
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
