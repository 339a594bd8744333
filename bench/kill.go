//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ringdown/sip/siptest"
)

// killOptions are the flags of `bench kill`.
type killOptions struct {
	calls  int
	rounds int
	rate   float64
	after  time.Duration
	until  time.Duration
	seed   uint64
	binary string
	keep   string
	json   bool
}

func (o *killOptions) parse(args []string, errs io.Writer) error {
	f := flag.NewFlagSet("kill", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.calls, "calls", 50, "recorded calls in a round")
	f.IntVar(&o.rounds, "rounds", 20, "how often to kill")
	f.Float64Var(&o.rate, "rate", 40, "new calls a second")
	f.DurationVar(&o.after, "after", 2*time.Second, "earliest kill, from the first INVITE of the round")
	f.DurationVar(&o.until, "until", 6*time.Second, "latest kill")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the moments to kill at; printed, so that a run can be repeated")
	f.StringVar(&o.binary, "binary", "", "ringdown binary to start; empty: built from this module")
	f.StringVar(&o.keep, "keep", "", "directory for the node's data and log, kept afterwards")
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
	case o.calls < 1 || o.calls > 500:
		return fmt.Errorf("%w: -calls %d is not between 1 and 500", errUsage, o.calls)
	case o.rounds < 1 || o.rounds > 200:
		return fmt.Errorf("%w: -rounds %d is not between 1 and 200", errUsage, o.rounds)
	case !(o.rate > 0 && o.rate <= maxRate):
		return fmt.Errorf("%w: -rate %g is not above 0 and at most %d", errUsage, o.rate, maxRate)
	case o.after < 0 || o.until < o.after || o.until > time.Minute:
		return fmt.Errorf("%w: -after %v and -until %v are not in order and below a minute", errUsage, o.after, o.until)
	}
	return nil
}

// massacre is one run of `bench kill`.
type massacre struct {
	killOptions
	node   *node
	caller *siptest.Phone
	callee *siptest.Phone
	lines  []line
	chance *rand.Rand

	mu       sync.Mutex
	answered map[int]*siptest.Dialog // the callee's side of the round, by line
}

// killReport is what it has to say.
type killReport struct {
	Machine string    `json:"machine"`
	At      time.Time `json:"at"`
	Calls   int       `json:"calls_per_round"`
	Rounds  int       `json:"rounds"`
	Seed    uint64    `json:"seed"`
	figures
	Faults []string `json:"faults"`
}

func runKill(ctx context.Context, args []string, out, errs io.Writer) error {
	m := &massacre{answered: map[int]*siptest.Dialog{}}
	if err := m.parse(args, errs); err != nil {
		return err
	}
	m.chance = rand.New(rand.NewPCG(m.seed, 1))
	dir, done, err := workDir(m.keep)
	if err != nil {
		return err
	}
	defer done()
	rep := killReport{Machine: machine(), At: time.Now().UTC().Truncate(time.Second), Calls: m.calls, Rounds: m.rounds, Seed: m.seed, Faults: []string{}}
	err = m.run(ctx, dir, &rep, errs)
	rep.Faults = append(rep.Faults, rep.faults...)
	if err == nil && len(rep.Faults) > 0 {
		err = fmt.Errorf("%d faults", len(rep.Faults))
	}
	if m.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(e.Encode(rep), err)
	}
	rep.write(out)
	return err
}

func (m *massacre) run(ctx context.Context, dir string, rep *killReport, errs io.Writer) (err error) {
	if m.caller, err = newPhone("caller", true); err != nil {
		return err
	}
	defer m.caller.Close()
	if m.callee, err = newPhone("agent", true); err != nil {
		return err
	}
	defer m.callee.Close()
	m.callee.OnInvite(m.answer)
	m.lines = lines(m.calls)
	m.node, err = newNode(ctx, m.binary, dir, plan{
		Ports: "10000-19999", Calls: m.calls + 100, CPS: int(m.rate) + 100,
		Mode: "record-from-answer", Agent: m.callee.Addr().String(), Lines: m.lines,
	})
	if err != nil {
		return err
	}
	if err := m.node.start(ctx); err != nil {
		return err
	}
	defer m.node.kill()
	for n := range m.rounds {
		f, err := m.round(ctx)
		if err != nil {
			return fmt.Errorf("round %d: %w", n+1, err)
		}
		rep.merge(f)
		fmt.Fprintf(errs, "round %d of %d: %d calls, %d answered, lost at most %d ms, billed at most %d ms too little, %d faults\n",
			n+1, m.rounds, f.Calls, f.Answered, f.LostMS, f.UnderMS, len(f.faults))
	}
	for _, p := range []*siptest.Phone{m.caller, m.callee} {
		for _, err := range p.Faults() {
			rep.fault("%v", err)
		}
	}
	return m.node.stop()
}

// round places the calls, kills the node under them, starts it again and judges.
func (m *massacre) round(ctx context.Context) (figures, error) {
	m.mu.Lock()
	clear(m.answered)
	m.mu.Unlock()
	began := time.Now().Add(-time.Millisecond)
	rest := m.after + time.Duration(m.chance.Int64N(int64(m.until-m.after)+1))
	outcomes, stop := m.callAll(ctx)
	pause(ctx, rest)

	calls := m.snapshot(outcomes())
	m.node.kill()
	dead := time.Now()
	stop()
	if err := ctx.Err(); err != nil {
		return figures{}, err
	}
	if err := m.node.start(ctx); err != nil {
		return figures{}, err
	}
	ready := time.Now()
	events, err := m.finals(ctx, began)
	if err != nil {
		return figures{}, err
	}
	told := time.Now()
	f, err := judge(calls, events, dead)
	if err != nil {
		return f, err
	}
	f.ReadyMS, f.FinalsMS = ready.Sub(dead).Milliseconds(), told.Sub(ready).Milliseconds()
	return f, m.hear(ctx, &f, calls, began)
}

// callAll starts the round's calls in the background. outcomes returns the
// dialogs so far; stop forgets them all without a word, as phones do whose
// server has gone, and waits.
func (m *massacre) callAll(ctx context.Context) (outcomes func() []*siptest.Dialog, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	dialogs := make([]*siptest.Dialog, m.calls)
	var wg sync.WaitGroup
	wg.Go(func() {
		place(ctx, m.calls, m.rate, func(_ context.Context, i int) (*siptest.Dialog, error) {
			// Not the given context: its end would send a CANCEL.
			d, err := m.caller.Call(context.WithoutCancel(ctx), "sip:"+m.lines[i].Number+"@"+m.node.sip, siptest.CallOptions{
				From: fmt.Sprintf("+4799%06d", i), Play: stamped(i, 0),
			})
			mu.Lock()
			defer mu.Unlock()
			dialogs[i] = d
			return d, err
		})
	})
	outcomes = func() []*siptest.Dialog {
		mu.Lock()
		defer mu.Unlock()
		return append([]*siptest.Dialog(nil), dialogs...)
	}
	return outcomes, func() {
		cancel()
		wg.Wait()
		for _, d := range outcomes() {
			if d != nil {
				d.Abandon()
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, d := range m.answered {
			d.Abandon()
		}
	}
}

// answer is the callee: it answers at once, with the stamps of the line that rang.
func (m *massacre) answer(in *siptest.Incoming) {
	var i int
	if _, err := fmt.Sscanf(userOf(in.Request().URI), "agent-%d", &i); err != nil || i < 0 || i >= m.calls {
		in.Decline(404)
		return
	}
	in.Ring()
	d, err := in.Answer(siptest.AnswerOptions{Play: stamped(i, 1)})
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered[i] = d
}

// snapshot is the state of all calls right before the kill.
func (m *massacre) snapshot(dialogs []*siptest.Dialog) []placed {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]placed, 0, len(dialogs))
	for i, d := range dialogs {
		if d == nil {
			continue
		}
		c := placed{index: i, number: m.lines[i].Number, caller: d.Times().Answered, saidCaller: d.Said()}
		if other := m.answered[i]; other != nil {
			c.callee, c.saidCallee = other.Times().Answered, other.Said()
			if c.caller.After(c.callee) {
				c.skip = int(c.caller.Sub(c.callee)/siptest.Frame) + 1
			}
		}
		all = append(all, c)
	}
	return all
}

// finalsLimit bounds how long ends may take to be told after a restart (F-02).
const finalsLimit = 10 * time.Second

// finals reads the events of the round until all is told, then once more a
// moment later, so that what comes twice is seen.
func (m *massacre) finals(ctx context.Context, since time.Time) ([]event, error) {
	limit := time.Now().Add(finalsLimit)
	for {
		events, err := m.events(ctx, since)
		if err != nil {
			return nil, err
		}
		all, err := tell(events)
		if err != nil {
			return nil, err
		}
		if settled(all) || time.Now().After(limit) {
			pause(ctx, 500*time.Millisecond)
			return m.events(ctx, since)
		}
		if !pause(ctx, 200*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

// events reads back from JetStream what was told since.
func (m *massacre) events(ctx context.Context, since time.Time) ([]event, error) {
	out, err := m.node.ask(ctx, "events", "tail", "--config", m.node.config, "--since", since.UTC().Format(time.RFC3339Nano))
	if err != nil {
		return nil, err
	}
	return parseEvents(out)
}

func parseEvents(b []byte) ([]event, error) {
	var all []event
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("events line %d: %w", n, err)
		}
		if e.ID == "" || e.Type == "" || e.Call == "" || e.Seq < 1 {
			return nil, fmt.Errorf("events line %d: no id, type, call or seq", n)
		}
		all = append(all, e)
	}
	return all, lines.Err()
}

// hear opens every recording of the round and listens to it.
func (m *massacre) hear(ctx context.Context, f *figures, calls []placed, since time.Time) error {
	listed, err := m.node.ask(ctx, "recordings", "list", "--json", "--config", m.node.config, "--since", since.UTC().Format(time.RFC3339Nano))
	if err != nil {
		return err
	}
	wav := filepath.Join(m.node.dir, "heard.wav")
	for _, c := range calls {
		id, ok := f.recordingsOf[c.number]
		if !ok {
			continue
		}
		if !strings.Contains(string(listed), id) {
			f.fault("%s: not in the list of recordings", id)
		}
		if _, err := m.node.ask(ctx, "recordings", "verify", id, "--config", m.node.config); err != nil {
			f.fault("%s: %v", id, err)
		}
		os.Remove(wav)
		if _, err := m.node.ask(ctx, "recordings", "export", id, "--out", wav, "--format", "wav", "--config", m.node.config); err != nil {
			f.fault("%s: %v", id, err)
			continue
		}
		b, err := os.ReadFile(wav)
		if err != nil {
			return err
		}
		channels, err := readWAV(b)
		if err != nil {
			f.fault("%s: %v", id, err)
			continue
		}
		f.listen(c, id, channels)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (r *killReport) write(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("%s", r.Machine)
	p("kill -9    %d rounds of %d recorded calls, seed %d", r.Rounds, r.Calls, r.Seed)
	p("calls      %d received, %d answered, %d ended by estimate after the restart", r.figures.Calls, r.Answered, r.Estimated)
	p("billed     at most %d ms too much, %d ms above the caller's own clock, %d ms too little", r.OverMS, r.AboveOwnMS, r.UnderMS)
	p("recorded   %d; at most %d ms lost: %d at the head, %d inside, %d at the end", r.Recordings, r.LostMS, r.HeadMS, r.HoleMS, r.TailMS)
	p("restart    ready after at most %d ms, all ends told %d ms later", r.ReadyMS, r.FinalsMS)
	for _, f := range r.Faults {
		p("FAULT      %s", f)
	}
}
