//go:build unix

package dscp

import "syscall"

// MarkFD marks what a socket sends from now on, over whichever IP version.
func (c Class) MarkFD(fd int) error {
	if !c.said {
		return nil
	}
	err4 := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_TOS, int(c.TOS()))
	err6 := syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, int(c.TOS()))
	if err4 != nil && err6 != nil {
		return err4
	}
	return nil
}
