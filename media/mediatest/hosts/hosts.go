//go:build linux

// Package hosts gives tests machines of their own: network namespaces, joined by
// virtual cables. The process itself is one of them, after [Main]. It needs root
// and is imported by tests only.
package hosts

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside says to a test process that it is in its namespace already.
const inside = "RINGDOWN_TEST_HOST"

// Main runs the tests of a package on a machine that has a loopback interface and
// nothing else. It is called by TestMain and does not return.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := run("ip", "link", "set", "lo", "up"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := c.Run(); c.ProcessState == nil {
		fmt.Println("no network namespace for the tests:", err)
		os.Exit(1)
	}
	os.Exit(c.ProcessState.ExitCode())
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// Host is a machine: a thread in a network namespace. Our own has no thread.
type Host struct {
	t      *testing.T
	jobs   chan func()
	ns     string // path
	cables int    // at least as many as end here
}

// Us is the machine that the tests themselves run on.
func Us(t *testing.T) *Host { return &Host{t: t, ns: "/proc/self/ns/net"} }

// New makes a machine, which is gone at the end of the test.
func New(t *testing.T) *Host {
	t.Helper()
	h := &Host{t: t, jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		h.ns = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ready <- err
		for job := range h.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(h.jobs) })
	h.Run("ip link set lo up")
	return h
}

// Do runs something on the host: sockets that it opens are the host's for good,
// and so are programs that it starts.
func (h *Host) Do(f func()) {
	if h.jobs == nil {
		f()
		return
	}
	done := make(chan struct{})
	h.jobs <- func() { defer close(done); f() }
	<-done
}

// Run runs a command on the host; words are separated by spaces.
func (h *Host) Run(line string) {
	h.t.Helper()
	words := strings.Fields(line)
	var err error
	h.Do(func() { err = run(words[0], words[1:]...) })
	if err != nil {
		h.t.Fatal(err)
	}
}

// Listen opens a UDP socket on the host.
func (h *Host) Listen(at netip.AddrPort) (c *net.UDPConn, err error) {
	h.Do(func() { c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)) })
	return c, err
}

// Cable joins two hosts. Each end gets its addresses, as "10.0.0.1/24", and is up
// when Cable returns; the names of the ends are returned.
func Cable(a *Host, addrsA string, b *Host, addrsB string) (endA, endB string) {
	a.t.Helper()
	n := a.cables + b.cables // no end of either has this number, as yet
	a.cables, b.cables = n+1, n+1
	endA, endB = fmt.Sprintf("rd%da", n), fmt.Sprintf("rd%db", n)
	a.Run(fmt.Sprintf("ip link add %s type veth peer name %s netns %s", endA, endB, b.ns))
	for _, end := range []struct {
		h           *Host
		name, addrs string
	}{{a, endA, addrsA}, {b, endB, addrsB}} {
		for _, addr := range strings.Fields(end.addrs) {
			nodad := ""
			if strings.Contains(addr, ":") {
				nodad = " nodad"
			}
			end.h.Run(fmt.Sprintf("ip addr add %s dev %s%s", addr, end.name, nodad))
		}
		end.h.Run("ip link set " + end.name + " up")
	}
	if a.jobs == nil {
		a.t.Cleanup(func() { run("ip", "link", "del", endA) })
	}
	return endA, endB
}
