//go:build unix

package dscp

import (
	"context"
	"net"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	for s, tos := range map[string]uint8{"ef": 0xb8, "EF": 0xb8, "46": 0xb8, "cs3": 0x60, "cs0": 0, "0": 0, "af31": 0x68, "AF43": 0x98, "va": 0xb0, "le": 4, "63": 0xfc} {
		c, err := Parse(s)
		if err != nil || c.TOS() != tos || c == (Class{}) {
			t.Errorf("%s: %#x, %v", s, c.TOS(), err)
		}
	}
	for _, s := range []string{"64", "-1", "+5", "cs8", "cs", "af44", "af01", "af10", "voice", "e f", "0x2e", "1000"} {
		if c, err := Parse(s); err == nil {
			t.Errorf("%q is %v", s, c)
		}
	}
	if c, err := Parse(""); err != nil || c != (Class{}) || c.Or(Signals) != Signals || Expedited.Or(Signals) != Expedited {
		t.Errorf("nothing said: %v, %v", c, err)
	}
	if Expedited.String() != "46" || (Class{}).String() != "" {
		t.Error("a class does not print as its number")
	}
}

// tos reads the mark of a socket back.
func tos(t *testing.T, conn syscall.Conn, level, option int) (got int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), level, option) })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestMark(t *testing.T) {
	four, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer four.Close()
	if err := Expedited.Mark(four); err != nil || tos(t, four.(syscall.Conn), syscall.IPPROTO_IP, syscall.IP_TOS) != 0xb8 {
		t.Errorf("IPv4: %v", err)
	}
	if err := (Class{}).Mark(four); err != nil || tos(t, four.(syscall.Conn), syscall.IPPROTO_IP, syscall.IP_TOS) != 0xb8 {
		t.Errorf("saying nothing changes it: %v", err)
	}
	if six, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		defer six.Close()
		if err := Expedited.Mark(six); err != nil || tos(t, six.(syscall.Conn), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS) != 0xb8 {
			t.Errorf("IPv6: %v", err)
		}
	}
	config := net.ListenConfig{Control: Signals.Control}
	l, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if tos(t, l.(syscall.Conn), syscall.IPPROTO_IP, syscall.IP_TOS) != 0x60 {
		t.Error("a listener is not marked")
	}
	if err := Signals.Mark(struct{}{}); err != nil {
		t.Errorf("what is no socket: %v", err)
	}
	four.Close()
	if err := Expedited.Mark(four); err == nil {
		t.Error("a closed socket is marked")
	}
}
