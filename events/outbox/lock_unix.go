//go:build unix

package outbox

import (
	"errors"
	"os"
	"syscall"
)

// flock takes f for this process; the lock goes with the process.
func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// spaceGone reports whether err says that the volume is full.
func spaceGone(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
