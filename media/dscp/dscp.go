// Package dscp names the classes that routers tell packets apart by (DiffServ
// code points, RFC 2474) and marks sockets with them.
package dscp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// Class is a code point. The zero Class says nothing: what it stands for is its
// user's matter. Classes can be compared.
type Class struct {
	said  bool
	point uint8
}

// What is marked with when nothing is said.
var (
	Expedited = Class{true, 46} // EF, RFC 3246: voice
	Signals   = Class{true, 24} // CS3, RFC 4594: signalling
)

// Parse reads a class by its name (EF, VA, LE, CS0 to CS7, AF11 to AF43, in either
// case) or its number from 0 to 63. The empty string is the zero Class.
func Parse(s string) (Class, error) {
	if s == "" {
		return Class{}, nil
	}
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n <= 63 && s[0] != '+' {
		return Class{true, uint8(n)}, nil
	}
	switch name := strings.ToLower(s); {
	case name == "ef":
		return Expedited, nil
	case name == "va": // RFC 5865
		return Class{true, 44}, nil
	case name == "le": // RFC 8622
		return Class{true, 1}, nil
	case len(name) == 3 && name[:2] == "cs" && name[2] >= '0' && name[2] <= '7':
		return Class{true, (name[2] - '0') << 3}, nil
	case len(name) == 4 && name[:2] == "af" && name[2] >= '1' && name[2] <= '4' && name[3] >= '1' && name[3] <= '3':
		return Class{true, (name[2]-'0')<<3 | (name[3]-'0')<<1}, nil
	}
	return Class{}, errors.New("is no DSCP: a name such as ef, cs3 or af31, or a number from 0 to 63")
}

// Or returns the class, or another one when it says nothing.
func (c Class) Or(other Class) Class {
	if c.said {
		return c
	}
	return other
}

// TOS is the byte that stands in the IP header, without ECN; 0 when it says nothing.
func (c Class) TOS() uint8 { return c.point << 2 }

func (c Class) String() string {
	if !c.said {
		return ""
	}
	return fmt.Sprint(c.point)
}

// Markable is a conn that is no socket of the system and can be marked.
type Markable interface{ Mark(Class) }

// Mark marks what a conn or listener sends from now on; what a listener accepts
// inherits it. It is nil and does nothing for a class that says nothing and for
// what is no socket.
func (c Class) Mark(conn any) error {
	if !c.said {
		return nil
	}
	if m, ok := conn.(Markable); ok {
		m.Mark(c)
		return nil
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return c.raw(raw)
}

func (c Class) raw(raw syscall.RawConn) (err error) {
	if controlErr := raw.Control(func(fd uintptr) { err = c.MarkFD(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}

// Control is for net.Dialer and net.ListenConfig: so the first packet of a
// connection carries the mark too. It never fails: an unmarked packet is better
// than none.
func (c Class) Control(_, _ string, raw syscall.RawConn) error {
	c.raw(raw)
	return nil
}
