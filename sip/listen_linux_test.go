package sip

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"syscall"
)

// TestListenTakesABurst: what waits in the kernel is more than its default, as
// far as the system lets us.
func TestListenTakesABurst(t *testing.T) {
	limit := func(name string) int {
		b, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil {
			t.Skip(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Skip(err)
		}
		return n
	}
	conns, _, err := Listen(Config{Listen: []string{"udp://127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conns[0].Close()
	raw, err := conns[0].(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	if err := raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF) }); err != nil {
		t.Fatal(err)
	}
	if want := min(limit("rmem_max"), receiveBuffer); got < want {
		t.Errorf("receive buffer of %d bytes, want %d (the default is %d)", got, want, limit("rmem_default"))
	}
}
