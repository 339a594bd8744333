//go:build !linux

package outbox

import "os"

func datasync(f *os.File) error { return f.Sync() }

func allocate(f *os.File, off, size int64) error { return allocateZeros(f, off, size) }
