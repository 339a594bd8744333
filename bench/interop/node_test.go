//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// node is a `ringdown serve` of our own on an address of its own.
type node struct {
	plan
	*program        // the last one started
	config   string // its file
	inside   []string
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // to its HTTP face; nil: as anybody
}

// plan is what a node is configured for.
type plan struct {
	Host    string // its address for SIP, RTP, HTTP and NATS
	Sources string // who may call in, comma-separated
	Agent   string // host:port of the destination
	Media   string // where the destination's RTP may come from; empty: as its SDP says
	Dir     string // data_dir
	Calls   int
	Carrier string // more keys of the carrier's trunk
	Trunks  string // more trunks: lines of the list
	To      string // the destination, when it is not sip:agent at Agent
	Listen  string // more of sip.listen: `, "tls://…"`
	Secure  string // sip.tls: `{cert: …}`
	Media6  string // media.address6
	Sound   string // of the account: `{beep: …}`
	Engine  string // media.engine
	Flow    string // steps of the flow, a line each as YAML; empty: a dial
	More    string // more sections of the file

	SIP, HTTP, NATS string // host:port, chosen by newNode
}

// tracking is the number that all tests call; it belongs to account demo.
const tracking = "+4721000001"

const configuration = `node: {id: edge-1, region: eu, data_dir: "{{.Dir}}"}
sip: {listen: ["udp://{{.SIP}}", "tcp://{{.SIP}}"{{.Listen}}]{{with .Secure}}, tls: {{.}}{{end}}}
media: {address: "{{.Host}}", {{with .Media6}}address6: "{{.}}", {{end}}{{with .Engine}}engine: {{.}}, {{end}}ports: 20000-20999}
http: {listen: "{{.HTTP}}"}
nats: {embedded: true, listen: "{{.NATS}}"}
keys: {provider: file}
recordings: {store: dir}
limits: {calls: {{.Calls}}, cps: 200}
trunks:
  - {id: carrier, sources: [{{.Sources}}], number_format: {country: NO}{{with .Carrier}}, {{.}}{{end}}}
{{.Trunks}}accounts:
  - {id: demo, agency: demo-agency, recording: {mode: record-from-answer, channels: dual}, {{with .Sound}}sound: {{.}}, {{end}}retention: P1M}
numbers:
  - {number: "+4721000001", account: demo, flow: sales, attribution: {source: test}}
{{.More}}flows:
  sales:
{{if .Flow}}{{.Flow}}{{else}}    - dial: {strategy: sequential, timeout: PT20S, targets: [{{if .To}}{{.To}}{{else}}{uri: "sip:agent@{{.Agent}}"}{{end}}]}
{{end}}`

var configTemplate = template.Must(template.New("config").Parse(configuration))

// newNode writes the configuration and has the binary check it. Ports not given
// are asked from the kernel.
func newNode(t *testing.T, p plan) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{plan: p, config: filepath.Join(dir, "ringdown.yaml")}
	if n.Dir == "" {
		n.Dir = filepath.Join(dir, "data")
	}
	if n.Calls == 0 {
		n.Calls = 50
	}
	for _, a := range []*string{&n.SIP, &n.HTTP, &n.NATS} {
		if *a == "" { // only where the kernel of this namespace can tell
			*a = freePort(t, n.Host)
		}
	}
	n.write(t)
	must(t, ringdown, "check", "--config", n.config)
	return n
}

func (n *node) write(t *testing.T) {
	t.Helper()
	var text bytes.Buffer
	if err := configTemplate.Execute(&text, n.plan); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.config, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite replaces pieces of the configuration, each of which must be there once,
// and has the binary check the result. It takes pairs: what stands there, what is to.
func (n *node) rewrite(t *testing.T, pairs ...string) {
	t.Helper()
	b, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("the configuration has %q %d times", pairs[i], strings.Count(text, pairs[i]))
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, ringdown, "check", "--config", n.config)
}

// wrong says whether check refuses the configuration with a piece of it replaced,
// in these words.
func (n *node) wrong(t *testing.T, piece, by, words string) {
	t.Helper()
	b, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), piece, by, 1)
	if text == string(b) {
		t.Fatalf("the configuration has no %q", piece)
	}
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	line := n.command("check", "--config", n.config)
	if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), words) {
		t.Errorf("check: %v, %s; want %q", err, out, words)
	}
}

// given are the addresses that freePort has named: the kernel may offer one
// again before it is used.
var given sync.Map

// freePort finds a port of host that is free for TCP and UDP and was not given before.
func freePort(t *testing.T, host string) string {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp4", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		c, err := net.ListenPacket("udp4", address)
		l.Close()
		if err != nil {
			continue
		}
		c.Close()
		if _, again := given.LoadOrStore(address, true); !again {
			return address
		}
	}
	t.Fatalf("%s: no port is free for TCP and UDP", host)
	return ""
}

// start starts it and waits until it is ready.
func (n *node) start(t *testing.T, flags ...string) {
	t.Helper()
	n.serve(t, flags...)
	n.says(t, "msg=ready", time.Minute)
}

// serve starts it and waits for nothing.
func (n *node) serve(t *testing.T, flags ...string) {
	t.Helper()
	line := n.command(append([]string{"serve", "--config", n.config}, flags...)...)
	n.program = launch(t, filepath.Dir(n.config), line[0], line[1:]...)
}

// command is a command line of ringdown, in the namespaces of the node.
func (n *node) command(args ...string) []string {
	return append(append(append([]string{}, n.inside...), ringdown), args...)
}

// ask runs a command of ringdown that has to succeed.
func (n *node) ask(t *testing.T, args ...string) string {
	t.Helper()
	line := n.command(append(args, "--config", n.config)...)
	return must(t, line[0], line[1:]...)
}

// stop sends SIGTERM, wants exit code 0 and no panic in the log.
func (n *node) stop(t *testing.T) {
	t.Helper()
	n.signal(t, syscall.SIGTERM)
	if code := n.code(t, 30*time.Second); code != 0 {
		t.Errorf("serve: exit %d; it said\n%s", code, n.out.tail())
	}
	n.calm(t)
}

// calm wants no panic and no data race in the log.
func (n *node) calm(t *testing.T) {
	t.Helper()
	for _, word := range []string{"panic", "goroutine ", "fatal error", "DATA RACE"} {
		if strings.Contains(n.out.String(), word) {
			t.Errorf("serve: the log holds %q:\n%s", word, n.out.tail())
		}
	}
}

// get asks its HTTP face.
func (n *node) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
	res, err := c.Get("http://" + n.HTTP + path)
	if err != nil {
		t.Errorf("GET %s: %v", path, err)
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("GET %s: %v", path, err)
	}
	return res.StatusCode, string(b)
}

// live is how many calls are up.
func (n *node) live(t *testing.T) int {
	t.Helper()
	var list struct{ Calls []json.RawMessage }
	if err := json.Unmarshal([]byte(n.ask(t, "calls", "list", "--json")), &list); err != nil {
		t.Fatalf("calls list: %v", err)
	}
	return len(list.Calls)
}

// metric is the sum of a family in /metrics over its labels.
func (n *node) metric(t *testing.T, family string) (sum float64) {
	t.Helper()
	_, text := n.get(t, "/metrics")
	found := false
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		base, _, _ := strings.Cut(name, "{")
		if base != family {
			continue
		}
		if at := strings.LastIndexByte(line, ' '); at >= 0 {
			value = strings.TrimSpace(line[at:])
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Errorf("metric %s: %v", family, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		t.Errorf("/metrics has no %s", family)
	}
	return sum
}

// uri is what callers dial.
func (n *node) uri() string { return fmt.Sprintf("sip:%s@%s", tracking, n.SIP) }
