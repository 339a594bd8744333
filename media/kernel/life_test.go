//go:build netns && linux

package kernel

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// child is what this program does as another process of the tests: it opens an
// engine, says how that went, holds a flow between the places that the role
// names, and ends with its standard input.
func child(role string) int {
	words := strings.Fields(role)
	e, err := Open(Config{Flows: 8, RingBytes: 4096}, slog.New(slog.DiscardHandler))
	if err == nil && len(words) == 4 {
		_, err = e.Set(plain(at(words[0]), at(words[1]), at(words[2]), at(words[3])))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// start runs a child and returns what it says first. With capabilities it has
// those alone, and is nobody.
func start(t *testing.T, role string, caps ...uintptr) (*exec.Cmd, string) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	if caps != nil {
		c.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps,
		}
	}
	c.Env = append(os.Environ(), inside+"="+role)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return c, strings.TrimSpace(line)
}

// works lists how many programs are on a device.
func works(t *testing.T, device int) int {
	t.Helper()
	r, err := link.QueryPrograms(link.QueryOptions{Target: device, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Programs)
}

// eventually waits for what the kernel does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within five seconds", what)
		}
	}
}

// TestKilled: nothing of an engine outlives its process, and one beside it goes on.
func TestKilled(t *testing.T) {
	if n := works(t, loopback); n != 0 {
		t.Fatalf("%d programs on lo before the test", n)
	}
	a, b := listenAt(t, "127.0.0.1:0"), listenAt(t, "127.0.0.1:0")
	in, out := listenAt(t, "127.0.0.1:0"), listenAt(t, "127.0.0.1:0")
	in2, out2 := listenAt(t, "127.0.0.1:0"), listenAt(t, "127.0.0.1:0")

	c, said := start(t, fmt.Sprintf("%s %s %s %s", in.at, a.at, out.at, b.at))
	if said != "ready" {
		t.Fatal(said)
	}
	e := open(t, Config{})
	set(t, e, plain(in2.at, b.at, out2.at, a.at))
	if n := works(t, loopback); n != 2 {
		t.Fatalf("%d programs on lo, want two", n)
	}
	pkt := rtp(8, 1, 2, 3)
	check := func(from, over, to *phone, want *phone) {
		t.Helper()
		from.send(over.at, pkt)
		if got, src := to.hear(); !bytes.Equal(got, pkt) || src != want.at {
			t.Errorf("heard %x from %v, want it from %v", got, src, want.at)
		}
	}
	check(a, in, b, out)   // by the child
	check(b, in2, a, out2) // by us

	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	eventually(t, "the killed one's program is gone", func() bool { return works(t, loopback) == 1 })
	check(a, in, in, a) // to its socket, were it still there
	check(b, in2, a, out2)

	if _, said = start(t, fmt.Sprintf("%s %s %s %s", in.at, a.at, out.at, b.at)); said != "ready" {
		t.Fatal(said)
	}
	check(a, in, b, out) // the next process with the same flow
	e.Close()
	if n := works(t, loopback); n != 1 {
		t.Errorf("%d programs on lo after one of two was closed", n)
	}
}

// TestPrivileges: the two capabilities are enough, and what is missing is said.
func TestPrivileges(t *testing.T) {
	a, b := listenAt(t, "127.0.0.1:0"), listenAt(t, "127.0.0.1:0")
	in, out := listenAt(t, "127.0.0.1:0"), listenAt(t, "127.0.0.1:0")
	_, said := start(t, fmt.Sprintf("%s %s %s %s", in.at, a.at, out.at, b.at), unix.CAP_BPF, unix.CAP_NET_ADMIN)
	if said != "ready" {
		t.Fatalf("with CAP_BPF and CAP_NET_ADMIN: %s", said)
	}
	pkt := rtp(8, 1, 2, 3)
	a.send(in.at, pkt)
	if got, from := b.hear(); !bytes.Equal(got, pkt) || from != out.at {
		t.Errorf("heard %x from %v", got, from)
	}
	for only, want := range map[uintptr]string{
		unix.CAP_NET_ADMIN: "kernel engine not available: the process lacks CAP_BPF",
		unix.CAP_BPF:       "kernel engine not available: the process lacks CAP_NET_ADMIN",
		unix.CAP_NET_RAW:   "kernel engine not available: the process lacks CAP_BPF and CAP_NET_ADMIN",
	} {
		if _, said := start(t, "without a flow", only); said != want {
			t.Errorf("%q, want %q", said, want)
		}
	}
}

func TestNoInterface(t *testing.T) {
	_, err := Open(Config{Interfaces: []string{"none0"}}, testLog(t))
	if !errors.Is(err, ErrUnsupported) || !strings.HasSuffix(err.Error(), `none of the interfaces ["none0"] is there and up`) {
		t.Errorf("%v", err)
	}
	if n := works(t, loopback); n != 0 {
		t.Errorf("%d programs were left", n)
	}
}
