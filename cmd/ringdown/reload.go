package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ringdown/configs"
	"ringdown/events"
	"ringdown/routing"
	"ringdown/routing/directory"
)

// reloads reads the configuration file again with each SIGHUP until ctx ends.
func (n *node) reloads(ctx context.Context, file string) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for {
		select {
		case <-again:
			n.reload(file)
		case <-ctx.Done():
			return nil
		}
	}
}

// fileChanged counts what another file changes.
func (n *node) fileChanged(before, next *routing.Table, was, is *routing.Spec) events.ConfigChangedData {
	d := events.ConfigChangedData{Source: "file", Version: next.Version(), PreviousVersion: before.Version()}
	text, err := directory.NewText(configs.Reveal)
	if err != nil {
		n.log.Error("what the file changes is not counted", "error", err)
		return d
	}
	c := text.Compare(*was, *is)
	d.Added, d.Changed, d.Removed = c.Added, c.Changed, c.Removed
	return d
}

// reload puts what the file says of trunks, accounts, numbers, flows and the rest
// of the table into use: for calls that come. A file with a fault changes
// nothing, nor does one whose invariants do not hold; what else is new in it waits for a start.
func (n *node) reload(file string) {
	c, err := configs.Prove(file, time.Now())
	var faults configs.Faults
	switch {
	case errors.As(err, &faults):
		for _, f := range faults {
			n.log.Error("configuration: " + f.String())
		}
		n.log.Error("configuration not taken: the table in use stays", "config", n.table.Load().Version(), "faults", len(faults))
		return
	case err != nil:
		n.log.Error("configuration not taken: the table in use stays", "config", n.table.Load().Version(), "error", err)
		return
	}
	for _, w := range c.Warnings() {
		n.log.Warn("configuration: " + w.String())
	}
	for _, section := range n.config.Apart(c) {
		n.log.Warn("configuration: a change of this section takes effect at the next start", "section", section)
	}
	if n.directory != nil {
		n.log.Warn("configuration read again: the table is the directory's, and is changed there", "config", n.table.Load().Version())
		return
	}
	before, next := n.table.Load(), c.Table()
	n.table.Store(next) // also when it is equal: secrets of trunks may be others
	n.sip.Renew()
	was := n.spec.Swap(&c.Spec)
	if next.Version() != before.Version() {
		n.tellOfNode(events.ConfigChanged, n.fileChanged(before, next, was, &c.Spec))
	}
	n.log.Info("configuration read again", "config", next.Version(), "before", before.Version(), "trunks", len(next.Trunks()), "numbers", next.Len())
}
