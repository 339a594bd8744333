package main

import (
	"time"

	"ringdown/events"
	"ringdown/routing/directory"
)

// tellConfig tells the account of the system that calls are routed by another
// table. The one that a start found on the disk was told of when it came.
func (n *node) tellConfig(t directory.Told) {
	if t.Source == directory.SourceDisk {
		return
	}
	n.tellOfNode(events.ConfigChanged, events.ConfigChangedData{
		Source: t.Source, Version: t.Table, PreviousVersion: t.Before, Commit: t.Commit, PreviousCommit: t.Previous, Node: t.Node, By: t.By,
		Added: t.Changed.Added, Changed: t.Changed.Changed, Removed: t.Changed.Removed,
	})
}

// refusedTable tells that the newest table cannot be used. That the broker is
// away is told by nobody who needs it to be told.
func (n *node) refusedTable(kind, text string) {
	if kind == directory.FaultBroker {
		return
	}
	data := events.ConfigRefusedData{Reason: kind, Text: text}
	if d := n.directory; d != nil {
		s := d.Status()
		data.Version, data.Commit = s.Table, s.Commit
	}
	n.tellOfNode(events.ConfigRefused, data)
}

// tellOfNode publishes what belongs to no call.
func (n *node) tellOfNode(kind string, data any) {
	now := time.Now()
	n.outbox.Publish(events.Event{Account: events.System, Call: events.NewID(events.NodeID, now), Type: kind, Time: now, Data: data}, nil)
}
