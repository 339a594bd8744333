//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// turn is one run of one relay; names carry their units.
type turn struct {
	Relay    string `json:"relay"`
	Recorded bool   `json:"recorded"`
	Calls    int    `json:"calls"`
	Run      int    `json:"run"`
	mediaReport
	P999 float64 `json:"latency_p99_9_us"`
	// CPU-seconds per million packets heard: of the relay's process, and of all that
	// took part, which are the relay, the generator and the kernel's own threads for
	// packets. The kernel charges its work to whoever was running, so only the latter
	// compares relays.
	Process   float64 `json:"process_cpu_s_per_mpkt"`
	Machine   float64 `json:"machine_cpu_s_per_mpkt"`
	CallKB    float64 `json:"anon_per_call_kb"`
	Threads   int     `json:"threads"`
	Elsewhere float64 `json:"elsewhere_cores"`   // what others took of the machine meanwhile
	Flood     uint64  `json:"flood,omitempty"`   // packets that strangers sent to one port
	Refused   uint64  `json:"refused,omitempty"` // packets that ours has dropped and counted
}

func (t turn) String() string {
	mode := "plain"
	if t.Recorded {
		mode = "recorded"
	}
	return fmt.Sprintf("%-9s %-8s %4d calls: machine %.2f, process %.2f CPU-s/Mpkt, lost %d of %d, latency %.0f/%.0f/%.0f us, %.1f kB a call, late %.0f us, elsewhere %.2f cores",
		t.Relay, mode, t.Calls, t.Machine, t.Process, int64(t.Sent)-int64(t.Heard), t.Sent, t.P50, t.P99, t.P999, t.CallKB, t.TickP99, t.Elsewhere)
}

// settle is how long calls speak before the window.
const settle = 1500 * time.Millisecond

// run starts the relay, lets calls speak through it and stops it.
func (e entry) run(ctx context.Context, dir string, calls int, o *mediaOptions) (t turn, err error) {
	t = turn{Relay: e.name, Recorded: e.record, Calls: calls}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	g, err := newGenerator()
	if err != nil {
		return t, err
	}
	defer g.close()
	if err := e.start(ctx, dir, calls); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	pause(ctx, 300*time.Millisecond)
	idle, err := e.used()
	if err != nil {
		return t, err
	}
	for range calls {
		toCaller, toCallee, err := e.open(g.side[0].local, g.side[1].local)
		if err != nil {
			return t, err
		}
		if _, err = g.start(0, toCaller); err == nil {
			_, err = g.start(1, toCallee)
		}
		if err != nil {
			return t, err
		}
	}
	if o.flood > 0 && e.pid() != 0 {
		at, _, err := e.open(g.side[0].local, g.side[1].local) // a call in which nobody speaks
		if err != nil {
			return t, err
		}
		f, err := newFlood(at, o.flood)
		if err != nil {
			return t, err
		}
		defer func() { t.Flood = f.stop() }()
	}
	pause(ctx, settle)
	from, err := e.used()
	if err != nil {
		return t, err
	}
	g.open()
	pause(ctx, o.window)
	g.shut()
	to, err := e.used()
	if err != nil {
		return t, err
	}
	pause(ctx, 300*time.Millisecond) // the last packets arrive
	t.sum(g, idle, from, to)
	if us, ok := e.contender.(*ours); ok {
		var c relayCount
		if err := us.ask(`{"stats":true}`, &c); err != nil {
			return t, err
		}
		t.Refused = c.Drops
	}
	return t, ctx.Err()
}

// spent is what everybody has used so far.
type spent struct {
	relay       sample
	own, kernel time.Duration // the generator's, and that of ksoftirqd
	all         time.Duration // everybody's on this machine
}

func (e entry) used() (u spent, err error) {
	u.relay.At = time.Now()
	if pid := e.pid(); pid != 0 {
		if u.relay, err = sampleOf(pid); err != nil {
			return u, err
		}
	}
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return u, err
	}
	u.own = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	if u.kernel, err = softirqThreads(); err != nil {
		return u, err
	}
	u.all, err = busy()
	return u, err
}

// softirqThreads is what the kernel's threads have used that take packets when
// nobody else does.
func softirqThreads() (sum time.Duration, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(comm), "ksoftirqd/") {
			continue // or it has gone
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return 0, err
		}
		s, err := sampleOf(pid)
		if err != nil {
			return 0, err
		}
		sum += s.CPU
	}
	return sum, nil
}

// busy is the time that all processors together have not been idle.
func busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	parts := strings.Fields(line)
	if len(parts) < 8 || parts[0] != "cpu" {
		return 0, errors.New("/proc/stat: no line of all processors")
	}
	var ticks int64
	for i, part := range parts[1:8] { // user nice system idle iowait irq softirq
		if i == 3 || i == 4 {
			continue
		}
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// sum makes the figures of a window.
func (t *turn) sum(g *generator, idle, from, to spent) {
	count, latency, late := g.result()
	t.mediaReport, t.P999 = *mediaOf(count, latency, late), micros(latency.quantile(.999))
	process := to.relay.CPU - from.relay.CPU
	took := process + to.own - from.own + to.kernel - from.kernel
	if packets := float64(count.Heard) / 1e6; packets > 0 {
		t.Process, t.Machine = process.Seconds()/packets, took.Seconds()/packets
	}
	t.CallKB = float64(to.relay.Anon-idle.relay.Anon) / float64(t.Calls) / 1024
	t.Threads = to.relay.Threads
	t.Elsewhere = (to.all - from.all - took).Seconds() / to.relay.At.Sub(from.relay.At).Seconds()
}
