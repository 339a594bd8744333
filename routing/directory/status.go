package directory

import (
	"time"
)

// Kinds of what may be wrong while the last good table is in use.
const (
	FaultBroker = "broker" // it is not reached, or refuses
	FaultEmpty  = "empty"  // the bucket has lost its head
	FaultHead   = "head"   // the newest head is not ours, damaged or an old one
	FaultPages  = "pages"  // pages of the newest commit are missing or damaged
	FaultTable  = "table"  // the newest commit makes no valid table on this node
)

// Status is what the directory looks like from this node.
type Status struct {
	Commit uint64
	At     time.Time // of the commit
	Node   string    // that wrote it
	By     string
	Table  string // version; empty: there is no table
	Source string // SourceDisk, SourceNATS
	Counts map[string]int
	Saved  uint64 // commit on the disk

	Fault      string // why the newest commit is not in use: a word of the above, empty when it is
	FaultText  string
	FaultSince time.Time

	Applied, Committed, Conflicts, Refused uint64 // since the start
	Saves, SaveFaults                      uint64
}

// Status tells how things are. It does not wait.
func (d *Directory) Status() Status {
	c := &d.counts
	s := Status{Saved: d.saved.Load(), Applied: c.applied.Load(), Committed: c.committed.Load(), Conflicts: c.conflicts.Load(),
		Refused: c.refused.Load(), Saves: c.saves.Load(), SaveFaults: c.saveFaults.Load()}
	if now := d.now.Load(); now != nil {
		s.Commit, s.At, s.Node, s.By = now.head.Commit, now.head.At, now.head.Node, now.head.By
		s.Table, s.Source, s.Counts = now.table.Version(), now.source, now.head.Counts
	}
	if t := d.fault.Load(); t != nil {
		s.Fault, s.FaultText, s.FaultSince = t.kind, t.text, t.since
	}
	return s
}

// tell notes why the newest commit is not in use, and says it once.
func (d *Directory) tell(bucket string, seq uint64, kind string, err error) {
	text := err.Error()
	before := d.fault.Load()
	if before != nil && before.kind == kind && before.bucket == bucket && before.seq == seq && before.text == text {
		return
	}
	since := time.Now()
	if before != nil && before.kind == kind {
		since = before.since
	}
	if kind == FaultBroker && before != nil && before.kind != FaultBroker {
		return // what is wrong with the commit says more
	}
	d.fault.Store(&trouble{since, bucket, seq, kind, text})
	if kind != FaultBroker {
		d.counts.refused.Add(1)
	}
	level := d.log.Error
	if kind == FaultBroker {
		level = d.log.Warn
	}
	level("directory: the last good table stays", "fault", kind, "error", text, "commit", d.commit())
	if d.deps.Trouble != nil {
		d.deps.Trouble(kind, text)
	}
}

// calm notes that the newest commit is in use.
func (d *Directory) calm() {
	if d.fault.Swap(nil) != nil {
		d.log.Info("directory: the newest commit is in use again", "commit", d.commit())
	}
}

// commit is the number of the one in use.
func (d *Directory) commit() uint64 {
	if now := d.now.Load(); now != nil {
		return now.head.Commit
	}
	return 0
}
