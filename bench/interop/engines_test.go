//go:build interop

package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The machines of TestEngines: a carrier, Ringdown, and a PBX behind a NAT that
// gives each of its streams a port of its own choice.
//
//	carrier 198.51.100.2 ── .1 edge (192.0.2.1) 203.0.113.1 ── .5 nat 192.168.7.1 ── .2 pbx
const (
	edgeIP, carrierIP, natIP, pbxIP = "192.0.2.1", "198.51.100.2", "203.0.113.5", "192.168.7.2"
	nattedHost                      = "203.0.113.0/24"
)

type internet struct{ edge, carrier, nat, pbx *program }

func newInternet(t *testing.T) (w internet) {
	t.Helper()
	w = internet{holdNamespace(t, "--net"), holdNamespace(t, "--net"), holdNamespace(t, "--net"), holdNamespace(t, "--net")}
	on := func(h *program, lines ...string) {
		t.Helper()
		for _, line := range lines {
			command := append(within(h, "--net"), strings.Fields(line)...)
			must(t, command[0], command[1:]...)
		}
	}
	cable := func(a *program, nameA, addrA string, b *program, nameB, addrB string) {
		t.Helper()
		on(a, fmt.Sprintf("ip link add %s type veth peer name %s netns %d", nameA, nameB, b.pid()),
			"ip address add "+addrA+"/24 dev "+nameA, "ip link set "+nameA+" up")
		on(b, "ip address add "+addrB+"/24 dev "+nameB, "ip link set "+nameB+" up")
	}
	for _, h := range []*program{w.edge, w.carrier, w.nat, w.pbx} {
		on(h, "ip link set lo up")
	}
	cable(w.edge, "wan0", "198.51.100.1", w.carrier, "eth0", carrierIP)
	cable(w.edge, "wan1", "203.0.113.1", w.nat, "eth0", natIP)
	cable(w.nat, "lan0", "192.168.7.1", w.pbx, "eth0", pbxIP)
	on(w.edge, "ip address add "+edgeIP+"/32 dev lo")
	on(w.carrier, "ip route add default via 198.51.100.1")
	on(w.nat, "ip route add default via 203.0.113.1", "sysctl -q -w net.ipv4.ip_forward=1",
		"nft add table ip nat",
		"nft add chain ip nat out { type nat hook postrouting priority 100 ; }",
		"nft add rule ip nat out oifname eth0 masquerade random",
		"nft add chain ip nat in { type nat hook prerouting priority -100 ; }",
		"nft add rule ip nat in iifname eth0 udp dport 5060 dnat to "+pbxIP)
	on(w.pbx, "ip route add default via 192.168.7.1")
	return w
}

// into is a way to connect from a namespace. The thread comes back from there: with
// its end the programs that it started would end.
func into(h *program) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (c net.Conn, err error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			return nil, err
		}
		defer home.Close()
		there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.pid()))
		if err != nil {
			return nil, err
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			return nil, err
		}
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			panic(back) // what follows on this thread would be in the wrong namespace
		}
		return c, err
	}
}

// TestEngines has sipp as a carrier call sipp as a PBX behind a NAT, through
// Ringdown on a third machine, recorded, on each engine; a kernel engine that is
// asked for and not to be had is no start.
func TestEngines(t *testing.T) {
	for _, engine := range []string{"portable", "kernel"} {
		t.Run(engine, func(t *testing.T) { behindNAT(t, engine) })
	}
	t.Run("kernel, without the privilege", func(t *testing.T) {
		n := newNode(t, plan{Host: "127.0.41.1", Sources: "127.0.41.2", Agent: "127.0.41.3:5060", Engine: "kernel"})
		n.inside = []string{"setpriv", "--bounding-set", "-bpf,-sys_admin,-net_admin", "--inh-caps", "-bpf,-sys_admin,-net_admin", "--"}
		n.serve(t)
		if code := n.code(t, 30*time.Second); code == 0 {
			t.Errorf("serve: exit %d", code)
		}
		said := strings.TrimSpace(n.out.String())
		if lines := strings.Split(said, "\n"); !strings.Contains(lines[len(lines)-1], "media.engine: kernel was asked for") {
			t.Errorf("it said\n%s", said)
		}
		n.calm(t)
	})
	t.Run("auto, without the privilege", func(t *testing.T) {
		n := newNode(t, plan{Host: "127.0.42.1", Sources: "127.0.42.2", Agent: "127.0.42.3:5060"})
		n.inside = []string{"setpriv", "--bounding-set", "-bpf,-sys_admin,-net_admin", "--inh-caps", "-bpf,-sys_admin,-net_admin", "--"}
		n.start(t)
		if said := n.out.String(); strings.Count(said, `msg="media engine" engine=portable`) != 1 {
			t.Errorf("it said\n%s", said)
		}
		_, ready := n.get(t, "/readyz")
		if !strings.Contains(ready, "portable engine: ") {
			t.Errorf("/readyz: %s", ready)
		}
		n.stop(t)
	})
}

func behindNAT(t *testing.T, engine string) {
	const calls = 10
	w := newInternet(t)
	n := newNode(t, plan{
		Host: edgeIP, Sources: carrierIP, Calls: 50, Engine: engine,
		SIP: edgeIP + ":5060", HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222",
		To: `{uri: "sip:agent@` + natIP + `:5060", media_rule: latch, media_sources: [` + nattedHost + `]}`,
	})
	n.inside, n.dial = within(w.edge, "--net"), into(w.edge)
	n.start(t)
	if _, ready := n.get(t, "/readyz"); !strings.Contains(ready, engine+" engine: ") {
		t.Errorf("/readyz: %s", ready)
	}
	dir := sippDir(t)
	sippOn := func(h *program, scenario, host, port string, more ...string) *program {
		line := append(within(h, "--net"), "sipp", "-sf", scenario, "-i", host, "-mi", host, "-p", port, "-mp", "30000", "-nostdin", "-trace_err")
		return launch(t, dir, line[0], append(line[1:], more...)...)
	}
	uas := sippOn(w.pbx, "destination.xml", pbxIP, "5060", "-t", "u1", "-aa")
	uac := sippOn(w.carrier, "carrier.xml", carrierIP, "5060", "-t", "u1", "-m", strconv.Itoa(calls), "-l", strconv.Itoa(calls), "-r", "10", n.SIP)
	if engine == "kernel" { // those of the PBX when nobody can take its place any more
		eventually(t, talk, "every direction in the kernel", func() bool {
			return n.metric(t, "ringdown_media_kernel_directions") == 2*calls
		})
	}
	if code := uac.code(t, talk+time.Minute); code != 0 {
		t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
	}
	all := n.settled(t, calls)
	if left := n.metric(t, "ringdown_media_kernel_directions"); left != 0 {
		t.Errorf("%v directions are left in the kernel", left)
	}
	var own, other span[float64]
	for _, s := range all {
		s.completed(t)
		end := s.last("call.ended")
		for side, flow := range map[string]flow{"caller": end.Media.Caller, "callee": end.Media.Callee} {
			if flow.Packets < 385 || flow.Packets > 405 || flow.Drops["source"] > 5 || len(flow.Drops) > 1 {
				t.Errorf("%s: %d packets of the %s, dropped %v", s.id, flow.Packets, side, flow.Drops)
			}
		}
		channels := n.export(t, s, filepath.Join(dir, "out.wav"))
		if len(channels) != 2 {
			t.Fatalf("%s: %d channels", s.id, len(channels))
		}
		hz := []float64{callerHz, calleeHz}
		for side, piece := range channels {
			mine, his := heard(piece, hz[side], hz[1-side])
			own.add(mine)
			other.add(his)
			if mine < 0.98 || his > 0.01 {
				t.Errorf("%s: channel %d: own tone in %.4f of its frames, the other's in up to %.6f of one", s.id, side+1, mine, his)
			}
		}
	}
	uas.kill()
	n.stop(t)
	t.Logf("%d calls by the %s engine: own tone in at least %.4f of the frames, the other's at most %.6f of one", len(all), engine, own.least, other.most)
}
