//go:build !unix

package outbox

import (
	"errors"
	"os"
	"syscall"
)

// flock does nothing here: only one process may be told of the folder.
func flock(*os.File) error { return nil }

// spaceGone reports whether err says that the volume is full.
func spaceGone(err error) bool { return errors.Is(err, syscall.ENOSPC) }
