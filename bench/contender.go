//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// contender is a relay under test. It is started for one run and stopped after it.
type contender interface {
	start(ctx context.Context, dir string, calls int) error
	// open makes a call between the generator's two addresses and tells where each
	// of them has to send.
	open(caller, callee netip.AddrPort) (toCaller, toCallee netip.AddrPort, err error)
	pid() int // 0: there is no process
	stop() error
}

// firstPort is where relays begin that cannot be told which port to take.
const firstPort = 10000

// direct is no relay: the two phones speak to each other. What all others cost is
// counted from here.
type direct struct{}

func (direct) start(context.Context, string, int) error { return nil }
func (direct) pid() int                                 { return 0 }
func (direct) stop() error                              { return nil }

func (direct) open(caller, callee netip.AddrPort) (netip.AddrPort, netip.AddrPort, error) {
	return callee, caller, nil
}

// process is a child that is told to end by SIGTERM, or by the end of its input.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
}

func (p *process) launch(ctx context.Context, name string, args ...string) error {
	p.cmd = exec.CommandContext(ctx, name, args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.Stderr = &p.errs
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewReader(out)
	return p.cmd.Start()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end waits for the child, which was told to end; an exit by our own signal is none
// of its faults.
func (p *process) end(signal os.Signal) error {
	p.in.Close()
	if signal != nil {
		p.cmd.Process.Signal(signal)
	}
	late := time.AfterFunc(20*time.Second, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && signal != nil {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == signal {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Path), err, lastLine(p.errs.String()))
	}
	return nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// ours is the product's own media path, in bench/bare.
type ours struct {
	process
	binary string
	args   []string
	record bool
}

func (o *ours) start(ctx context.Context, dir string, _ int) error {
	args := o.args
	if o.record {
		args = append(args[:len(args):len(args)], "-record", dir)
	}
	return o.launch(ctx, o.binary, args...)
}

// ask sends one order and reads its answer.
func (o *ours) ask(order string, answer any) error {
	if _, err := io.WriteString(o.in, order+"\n"); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(o.errs.String()))
	}
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w: %s", err, lastLine(o.errs.String()))
	}
	var refused struct{ Error string }
	if err := json.Unmarshal(line, &refused); err == nil && refused.Error != "" {
		return errors.New(refused.Error)
	}
	return json.Unmarshal(line, answer)
}

// opened is the answer to an open call.
type opened struct {
	ID             int
	Caller, Callee netip.AddrPort
}

func (o *ours) call(caller, callee netip.AddrPort) (a opened, err error) {
	err = o.ask(fmt.Sprintf(`{"open":{"caller":%q,"callee":%q}}`, caller, callee), &a)
	return a, err
}

func (o *ours) open(caller, callee netip.AddrPort) (netip.AddrPort, netip.AddrPort, error) {
	a, err := o.call(caller, callee)
	return a.Caller, a.Callee, err
}

func (o *ours) stop() error { return o.end(nil) }

// reference is the relay in C of media/reference.
type reference struct {
	process
	binary string
	calls  int
}

func (r *reference) start(ctx context.Context, _ string, calls int) error {
	if err := r.launch(ctx, r.binary, fmt.Sprint(calls), fmt.Sprint(firstPort)); err != nil {
		return err
	}
	if line, err := r.out.ReadString('\n'); err != nil || line != "ready\n" {
		return fmt.Errorf("reference did not start: %q %w", line, errors.Join(err, r.stop()))
	}
	return nil
}

func (r *reference) open(_, _ netip.AddrPort) (netip.AddrPort, netip.AddrPort, error) {
	at := uint16(firstPort + 4*r.calls)
	r.calls++
	host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return netip.AddrPortFrom(host, at), netip.AddrPortFrom(host, at+2), nil
}

func (r *reference) stop() error {
	r.calls = 0
	return r.end(syscall.SIGTERM)
}
