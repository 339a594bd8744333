//go:build netns && linux

package kernel

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests under the tag netns need root. They run in a network namespace of
// their own, which is Ringdown's machine; further ones are threads of this
// process in namespaces of theirs.

const inside = "RINGDOWN_KERNEL_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if role := os.Getenv(inside); role != "tests" {
			os.Exit(child(role))
		}
		must(settle())
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), inside+"=tests")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	err := c.Run()
	if c.ProcessState == nil {
		fmt.Println("no network namespace for the tests:", err)
		os.Exit(1)
	}
	os.Exit(c.ProcessState.ExitCode())
}

// settle prepares the network namespace of the calling thread. New interfaces
// there use their IPv6 addresses at once.
func settle() error {
	for _, name := range []string{"accept_dad", "dad_transmits"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return command("ip", "link", "set", "lo", "up")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// host is a machine beside ours: a thread in a network namespace of its own.
type host struct {
	t    *testing.T
	jobs chan func()
	ns   string // path
}

func newHost(t *testing.T) *host {
	h := &host{t: t, jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = settle()
		}
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
	return h
}

// do runs something on the host.
func (h *host) do(f func()) {
	done := make(chan struct{})
	h.jobs <- func() { defer close(done); f() }
	<-done
}

func (h *host) ip(args string) {
	h.t.Helper()
	var err error
	h.do(func() { err = command("ip", strings.Fields(args)...) })
	if err != nil {
		h.t.Fatal(err)
	}
}

// us runs ip on our own machine.
func us(t *testing.T, args string) {
	t.Helper()
	if err := command("ip", strings.Fields(args)...); err != nil {
		t.Fatal(err)
	}
}

// phone is a UDP socket.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
	at   netip.AddrPort
}

func listenAt(t *testing.T, addr string) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return &phone{t, c, netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
}

func (h *host) phone(t *testing.T, addr string) (p *phone) {
	t.Helper()
	h.do(func() { p = listenAt(t, addr) })
	return p
}

func (p *phone) send(to netip.AddrPort, pkt []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(pkt, to); err != nil {
		p.t.Fatal(err)
	}
}

// widen gives a phone room for packets that wait, in bytes.
func (p *phone) widen(room int) {
	p.t.Helper()
	raw, err := p.conn.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) })
	if err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for a packet and says where it came from.
func (p *phone) hear() ([]byte, netip.AddrPort) {
	p.t.Helper()
	pkt, from, ok := p.heard(2 * time.Second)
	if !ok {
		p.t.Fatal("nothing was heard")
	}
	return pkt, from
}

func (p *phone) heard(wait time.Duration) ([]byte, netip.AddrPort, bool) {
	buf := make([]byte, 9000)
	p.conn.SetReadDeadline(time.Now().Add(wait))
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		return nil, netip.AddrPort{}, false
	}
	return buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), true
}

// silent fails when something is heard. Who sent it has sent it before the call,
// and the kernel delivers before a send returns.
func (p *phone) silent() {
	p.t.Helper()
	if pkt, from, ok := p.heard(20 * time.Millisecond); ok {
		p.t.Fatalf("heard %x from %s", pkt, from)
	}
}

// testLog writes into the test's log.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func open(t *testing.T, c Config) *Engine {
	t.Helper()
	if c.Flows == 0 {
		c.Flows = 64
	}
	if c.RingBytes == 0 {
		c.RingBytes = 1 << 16
	}
	e, err := Open(c, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func set(t *testing.T, e *Engine, f Flow) Counts {
	t.Helper()
	before, err := e.Set(f)
	if err != nil {
		t.Fatal(err)
	}
	return before
}

// plain is a flow of G.711 and telephone events.
func plain(in, from, out, to netip.AddrPort) Flow {
	return Flow{
		In: in, From: from, Out: out, To: to,
		Types: [2]uint64{1<<0 | 1<<8, 1 << (101 - 64)}, Timed: [2]uint64{1<<0 | 1<<8}, Clock: 8000,
		Every: 5 * time.Millisecond, Burst: 100, Tag: 7,
	}
}

// rtp makes a packet of G.711 with 160 bytes of payload.
func rtp(pt uint8, seq uint16, ts, ssrc uint32) []byte {
	b := make([]byte, 172)
	b[0], b[1] = 0x80, pt
	b[2], b[3] = byte(seq>>8), byte(seq)
	for i := range 4 {
		b[4+i], b[8+i] = byte(ts>>(24-8*i)), byte(ssrc>>(24-8*i))
	}
	for i := 12; i < len(b); i++ {
		b[i] = byte(i * int(seq+1))
	}
	return b
}
