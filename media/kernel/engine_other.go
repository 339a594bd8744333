//go:build !linux

package kernel

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
)

// Engine is for Linux alone: there is none here.
type Engine struct{}

// Open says so.
func Open(Config, *slog.Logger) (*Engine, error) {
	return nil, fmt.Errorf("%w: it needs Linux, this is %s", ErrUnsupported, runtime.GOOS)
}

// Set does nothing.
func (*Engine) Set(Flow) (Counts, error) { return Counts{}, ErrClosed }

// Remove does nothing.
func (*Engine) Remove(netip.AddrPort) (Counts, bool) { return Counts{}, false }

// Read does nothing.
func (*Engine) Read(func(tag uint64, c Counts)) {}

// Drain does nothing.
func (*Engine) Drain() {}

// Stats does nothing.
func (*Engine) Stats() Stats { return Stats{} }

// Close does nothing.
func (*Engine) Close() error { return nil }
