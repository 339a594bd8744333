//go:build unix

package relay

import "syscall"

// readable reports whether a non-blocking socket has a packet, or an error, to
// be read. Nothing is taken from it.
func readable(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), nil, syscall.MSG_PEEK)
	return err != syscall.EAGAIN
}
