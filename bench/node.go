//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// node is a `ringdown serve` process of our own with a configuration and data in
// a directory of its own.
type node struct {
	binary string
	dir    string
	config string
	sip    string // host:port
	http   string
	noBus  bool // it serves calls, but would rather not: /readyz says so
	child  *exec.Cmd
	exited chan struct{} // closed when the child is gone
}

// plan is what the node is configured for.
type plan struct {
	Dir, SIP, HTTP string
	Ports          string
	Calls, CPS     int
	Mode           string
	Agent          string // host:port of the callee phone
	Lines          []line
	NoBus          bool // the broker is away: events stay in the outbox
}

// line is one tracking number with a flow and a destination of its own, so that
// events and calls can be told apart by the number dialled.
type line struct{ Number, Flow, User string }

const configuration = `node:
  id: bench
  region: local
  data_dir: {{.Dir}}/data
sip:
  listen: ["udp://{{.SIP}}"]
  rate: {source: 100000, total: 100000}
media:
  address: 127.0.0.1
  ports: {{.Ports}}
http:
  listen: {{.HTTP}}
nats:
{{- if .NoBus}}
  url: nats://127.0.0.1:9 # nobody is there
{{- else}}
  embedded: true
{{- end}}
keys:
  provider: file
recordings:
  store: dir
limits: {calls: {{.Calls}}, cps: {{.CPS}}}
trunks:
  - id: carrier
    sources: [127.0.0.0/8]
    number_format: {country: NO}
accounts:
  - id: bench
    agency: bench
    recording: {mode: {{.Mode}}, channels: dual}
    retention: P1M
numbers:
{{- range .Lines}}
  - {number: "{{.Number}}", account: bench, flow: {{.Flow}}}
{{- end}}
flows:
{{- range .Lines}}
  {{.Flow}}:
    - dial: {strategy: sequential, timeout: PT20S, targets: [{uri: "sip:{{.User}}@{{$.Agent}}"}]}
{{- end}}
`

var configTemplate = template.Must(template.New("config").Parse(configuration))

// lines makes n tracking numbers that belong to nobody.
func lines(n int) []line {
	all := make([]line, n)
	for i := range all {
		all[i] = line{fmt.Sprintf("+4721%06d", i+1), fmt.Sprintf("line-%d", i), fmt.Sprintf("agent-%d", i)}
	}
	return all
}

// newNode writes the configuration and has the binary check it. An empty binary
// is built from this module first.
func newNode(ctx context.Context, binary, dir string, p plan) (*node, error) {
	n := &node{binary: binary, dir: dir, config: filepath.Join(dir, "ringdown.yaml"), noBus: p.NoBus}
	if n.binary == "" {
		n.binary = filepath.Join(dir, "ringdown")
		build := exec.CommandContext(ctx, "go", "build", "-o", n.binary, "ringdown/cmd/ringdown")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	var err error
	if n.sip, err = freePort("udp"); err != nil {
		return nil, err
	}
	if n.http, err = freePort("tcp"); err != nil {
		return nil, err
	}
	p.Dir, p.SIP, p.HTTP = dir, n.sip, n.http
	var text bytes.Buffer
	if err := configTemplate.Execute(&text, p); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.config, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if _, err := n.ask(ctx, "check", "--config", n.config); err != nil {
		return nil, err
	}
	return n, nil
}

// freePort asks the kernel for one and gives it back.
func freePort(network string) (string, error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		return c.LocalAddr().String(), c.Close()
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ask runs a command of the binary to its end and returns what it printed.
func (n *node) ask(ctx context.Context, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, n.binary, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("ringdown %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, firstLine(errs.String()))
	}
	return out.Bytes(), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// start starts the process and waits until it says it is ready.
func (n *node) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(n.dir, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	child := exec.Command(n.binary, "serve", "--config", n.config)
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive us
	if err := child.Start(); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	exited := make(chan struct{})
	go func() { // ends with the child
		child.Wait()
		close(exited)
	}()
	n.child, n.exited = child, exited
	if err := n.ready(ctx); err != nil {
		n.kill()
		return fmt.Errorf("serve: %w; the last it said: %s", err, n.lastWords())
	}
	return nil
}

// readyLimit bounds a start, recovery included.
const readyLimit = 60 * time.Second

func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	sign := "/readyz"
	if n.noBus {
		sign = "/healthz"
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+sign, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-n.exited:
			return errors.New("ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("not ready in %v: %w", readyLimit, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (n *node) pid() int { return n.child.Process.Pid }

// kill sends SIGKILL to our own child and returns when it is gone.
func (n *node) kill() {
	if n.child != nil {
		n.child.Process.Kill()
		<-n.exited
	}
}

// stop asks it to end, and cuts it when it has not after a while.
func (n *node) stop() error {
	if n.child == nil {
		return nil
	}
	n.child.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.exited:
		if code := n.child.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("serve: ended with %d; the last it said: %s", code, n.lastWords())
		}
		return nil
	case <-time.After(30 * time.Second):
		n.kill()
		return errors.New("serve: did not end in 30 s after SIGTERM")
	}
}

// lastWords is the end of its log.
func (n *node) lastWords() string {
	b, err := os.ReadFile(filepath.Join(n.dir, "serve.log"))
	if err != nil {
		return "nothing"
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return all[len(all)-1]
}
