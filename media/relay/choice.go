package relay

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Engine says which engine a pool has, and why.
type Engine struct {
	Name   string // "kernel" or "portable"
	Reason string // in words of ours
}

// What media.engine may be.
const (
	engineAuto     = "auto"     // kernel where it can be had, else portable
	enginePortable = "portable" // sockets alone
	engineKernel   = "kernel"   // or no start
)

// pathOptions is what a fast path is opened with.
type pathOptions struct {
	interfaces []string
	flows      int // at most at once
	deliver    func(tag uint64, at time.Time, pkt []byte)
	log        *slog.Logger
}

// Engine is what the pool has chosen at its start.
func (p *Pool) Engine() Engine { return p.chosen }

// choose gives the pool the engine that the configuration asks for, and says so
// once; given: its sockets are not the system's. It fails only when the kernel was
// asked for by name.
func (p *Pool) choose(cfg Config, given bool, open func(pathOptions) (fastPath, string, error)) error {
	defer func() {
		if p.chosen.Name != "" {
			p.engine.log.Info("media engine", "engine", p.chosen.Name, "reason", p.chosen.Reason)
		}
	}()
	switch {
	case given:
		p.chosen = Engine{enginePortable, "sockets are given"}
		return nil
	case cfg.Engine == enginePortable:
		p.chosen = Engine{enginePortable, "asked for by media.engine"}
		return nil
	}
	o := newOffloader(p.engine.log)
	path, where, err := open(pathOptions{
		interfaces: cfg.Interfaces, flows: p.countFree(), deliver: o.deliver, log: p.engine.log,
	})
	switch {
	case err == nil:
		p.chosen = Engine{engineKernel, where}
		p.below(o, path)
		return nil
	case cfg.Engine == engineKernel:
		return fmt.Errorf("media.engine: kernel was asked for: %w", err)
	}
	p.chosen = Engine{enginePortable, err.Error()}
	return nil
}

// below has the pool use a fast path. It is for a pool without relays.
func (p *Pool) below(o *offloader, path fastPath) {
	o.path = path
	p.offload, p.beat.round = o, o.collect
}

// longestName is that of an interface, in bytes (IFNAMSIZ of Linux).
const longestName = 15

func (c Config) validateEngine(report func(path, msg string)) {
	switch c.Engine {
	case engineAuto, engineKernel, "":
	case enginePortable:
		if len(c.Interfaces) > 0 {
			report("interfaces", "is of no use with engine portable")
		}
	default:
		report("engine", fmt.Sprintf("%q is not auto, kernel or portable", c.Engine))
	}
	for i, name := range c.Interfaces {
		path := fmt.Sprintf("interfaces[%d]", i)
		switch {
		case name == "" || len(name) > longestName || strings.ContainsAny(name, "/: \t\r\n"):
			report(path, fmt.Sprintf("%q is not the name of an interface", name))
		case slices.Contains(c.Interfaces[:i], name):
			report(path, fmt.Sprintf("%s is named twice", name))
		}
	}
}
