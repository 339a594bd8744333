//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a child process of ours. It dies with the test.
type program struct {
	name   string
	cmd    *exec.Cmd
	out    *output // stdout and stderr
	exited chan struct{}
}

// launch starts a program; the test's end kills it when it still runs.
func launch(t *testing.T, dir, name string, args ...string) *program {
	t.Helper()
	p := &program{name: name, cmd: exec.Command(name, args...), out: newOutput(), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	p.cmd.Env = append(os.Environ(), "TERM=dumb")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() { // ends with the child
		p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill ends it and its children: they would keep its output open.
func (p *program) kill() {
	if p.running() {
		syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	<-p.exited
}

func (p *program) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
}

// running says whether it has not ended yet.
func (p *program) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// code waits for its end and returns its exit code.
func (p *program) code(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		p.kill()
		t.Fatalf("%s: still running after %v; it said\n%s", p.name, limit, p.out.tail())
		return -1
	}
}

// says waits until its output holds text.
func (p *program) says(t *testing.T, text string, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := p.out.await(ctx, text, p.exited); err != nil {
		t.Fatalf("%s: never said %q: %v; it said\n%s", p.name, text, err, p.out.tail())
	}
}

// output collects what a program says and wakes who waits for a word.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and renewed with each write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tail is the end of it, for the message of a failed test.
func (o *output) tail() string {
	s := o.String()
	return s[max(0, len(s)-3000):]
}

var errEnded = errors.New("it ended")

func (o *output) await(ctx context.Context, text string, exited <-chan struct{}) error {
	for {
		o.mu.Lock()
		found, changed := bytes.Contains(o.text.Bytes(), []byte(text)), o.changed
		o.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-exited:
			if strings.Contains(o.String(), text) {
				return nil
			}
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// eventually looks again and again until holds is true; what names it.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run runs a program to its end and returns its exit code and what it said.
func run(t *testing.T, limit time.Duration, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs a program that has to succeed and returns its standard output.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	code, out, errs := run(t, time.Minute, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit %d: %s", name, strings.Join(args, " "), code, errs)
	}
	return out
}
