//go:build interop

package interop

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A wire is a network of our own: a bridge in one namespace, and on it hosts in
// namespaces of theirs. It goes with the programs that hold the namespaces.
type wire struct {
	hub  *program
	next int
	six  bool // phones plugged in from now on have IPv6 too
}

// newWire makes the bridge, which is a host itself with the first address.
func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{hub: holdNamespace(t, "--net")}
	w.do(t, w.hub, "ip", "link", "add", "br0", "type", "bridge")
	w.do(t, w.hub, "ip", "address", "add", "10.77.0.1/24", "dev", "br0")
	w.do(t, w.hub, "ip", "link", "set", "br0", "up")
	w.do(t, w.hub, "ip", "link", "set", "lo", "up")
	return w
}

// host plugs in a host with an address on the wire.
func (w *wire) host(t *testing.T, address string) *program {
	t.Helper()
	h := holdNamespace(t, "--net")
	w.next++
	plug := fmt.Sprintf("plug%d", w.next)
	w.do(t, w.hub, "ip", "link", "add", plug, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(h.pid()))
	w.do(t, w.hub, "ip", "link", "set", plug, "master", "br0", "up")
	w.do(t, h, "ip", "address", "add", address+"/24", "dev", "eth0")
	w.do(t, h, "ip", "link", "set", "eth0", "up")
	w.do(t, h, "ip", "link", "set", "lo", "up")
	return h
}

func (w *wire) do(t *testing.T, in *program, command ...string) {
	t.Helper()
	line := append(within(in, "--net"), command...)
	must(t, line[0], line[1:]...)
}

// holdNamespace starts a program that does nothing but keep a namespace.
func holdNamespace(t *testing.T, kind string, before ...string) *program {
	t.Helper()
	script := append(append([]string{"set -e"}, before...), "echo held", "exec sleep infinity")
	h := launch(t, "", "unshare", kind, "sh", "-c", strings.Join(script, "\n"))
	h.says(t, "held", 10*time.Second)
	return h
}

// within is the beginning of a command line that runs in a held namespace.
func within(h *program, kind string) []string {
	return []string{"nsenter", "--target", strconv.Itoa(h.pid()), kind, "--"}
}

// tshark asks a capture: the fields of the packets that a filter shows, a line each.
func tshark(t *testing.T, capture, filter string, fields ...string) []string {
	t.Helper()
	args := []string{"-r", capture, "-Y", filter, "-T", "fields", "-E", "separator=|",
		"-o", "rtp.heuristic_rtp:TRUE", "-d", "udp.port==5060,sip"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var lines []string
	for line := range strings.Lines(must(t, "tshark", args...)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sorted keys, for messages that stay the same.
func sorted(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
