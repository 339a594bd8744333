package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"ringdown/api"
	"ringdown/configs"
	"ringdown/routing"
	"ringdown/routing/directory"
)

// openDirectory opens the table of the bucket, where the configuration keeps it
// there; the last good one of the disk is in effect then.
func (n *node) openDirectory() error {
	c := n.config.Directory
	n.spec.Store(&n.config.Spec)
	if !c.Enabled {
		n.table.Store(n.config.Table())
		return nil
	}
	key := []byte(c.Key)
	if c.Key == "" {
		var err error
		if key, err = n.keys.Secret("directory"); err != nil {
			return err
		}
	}
	var err error
	n.directory, err = directory.Open(c, directory.Deps{
		JetStream: n.bus.JetStream(), Key: key, Node: n.config.Node.ID, Base: n.config.Spec, Reveal: configs.Reveal,
		Swap: n.swapped, Trouble: n.refusedTable, Sync: func() error { return n.bus.SyncStream("KV_" + c.Bucket) }, Log: n.log,
	})
	return err
}

// swapped puts a table of the directory into use: for calls that come.
func (n *node) swapped(next *routing.Table, t directory.Told) {
	n.table.Store(next)
	if n.sip != nil { // else it is opened with this one
		n.sip.Renew()
	}
	n.tellConfig(t)
}

// tableFace is the table as the HTTP face shows it, of the directory or of the file.
type tableFace struct {
	node *node
	text *directory.Text

	mu   sync.Mutex
	made *directory.Fixed // of the file's table, when somebody has looked
	of   *routing.Spec    // what it was made of
}

func newTableFace(n *node) (*tableFace, error) {
	text, err := directory.NewText(configs.Reveal)
	if err != nil {
		return nil, err
	}
	return &tableFace{node: n, text: text}, nil
}

// fixed is the table of the file as it was read last.
func (f *tableFace) fixed() (*directory.Fixed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	spec := f.node.spec.Load()
	if f.of == spec {
		return f.made, nil
	}
	key, err := f.node.keys.Secret("directory")
	if err != nil {
		return nil, err
	}
	made, err := directory.NewFixed(*spec, key)
	if err != nil {
		return nil, err
	}
	f.made, f.of = made, spec
	return made, nil
}

func (f *tableFace) Status() api.DirectoryStatus {
	d := f.node.directory
	if d == nil {
		s := api.DirectoryStatus{Source: "file", Version: f.node.table.Load().Version(), Counts: map[string]int{}}
		if fixed, err := f.fixed(); err == nil {
			s.Counts = fixed.Counts()
		}
		return s
	}
	in := d.Status()
	s := api.DirectoryStatus{Source: in.Source, Version: in.Table, Commit: in.Commit, Node: in.Node, By: in.By, Counts: in.Counts, Saved: in.Saved,
		Since: api.DirectoryCounter{Applied: in.Applied, Committed: in.Committed, Conflicts: in.Conflicts, Refused: in.Refused}}
	if !in.At.IsZero() {
		s.At = &in.At
	}
	if s.Counts == nil {
		s.Counts = map[string]int{}
	}
	if in.Fault != "" {
		s.Fault = &api.DirectoryFault{Kind: in.Fault, Message: in.FaultText, Since: in.FaultSince}
	}
	return s
}

func (f *tableFace) Change(ctx context.Context, in api.DirectoryChange) (api.ChangeResult, error) {
	if f.node.directory == nil {
		return api.ChangeResult{}, api.ErrTableInFile
	}
	c, err := f.read(in)
	if err != nil {
		return api.ChangeResult{}, err
	}
	r, err := f.node.directory.Commit(ctx, c, in.Dry)
	return resultOf(r, in.Dry), faceError(err)
}

// read reads the body of a change.
func (f *tableFace) read(in api.DirectoryChange) (c directory.Change, err error) {
	var faults []routing.Fault
	if in.YAML {
		c, faults = configs.ReadChange(in.Body)
	} else {
		c, faults = f.text.Change(in.Body)
	}
	if len(faults) > 0 {
		return c, faceError(directory.Invalid(faults))
	}
	return c, nil
}

func (f *tableFace) Restore(ctx context.Context) (api.ChangeResult, error) {
	if f.node.directory == nil {
		return api.ChangeResult{}, api.ErrTableInFile
	}
	r, err := f.node.directory.Restore(ctx, "")
	return resultOf(r, false), faceError(err)
}

func resultOf(r directory.Result, dry bool) api.ChangeResult {
	return api.ChangeResult{Commit: r.Commit, Previous: r.Previous, Version: r.Table, Before: r.Before, Dry: dry,
		Added: r.Changed.Added, Changed: r.Changed.Changed, Removed: r.Changed.Removed}
}

// faceError gives the directory's errors their answers.
func faceError(err error) error {
	var invalid directory.Invalid
	if errors.As(err, &invalid) {
		faults := make(api.ChangeFaults, len(invalid))
		for i, f := range invalid {
			faults[i] = api.ChangeFault{Path: f.Path, Message: f.Msg}
		}
		return faults
	}
	for _, pair := range [][2]error{{directory.ErrConflict, api.ErrConflict}, {directory.ErrWhole, api.ErrWhole},
		{directory.ErrDoubt, api.ErrInDoubt}, {directory.ErrUnavailable, api.ErrNoChangesNow}, {directory.ErrMark, api.ErrMark}} {
		if errors.Is(err, pair[0]) {
			return fmt.Errorf("%w: %w", pair[1], err)
		}
	}
	return err
}

func (f *tableFace) Numbers(in api.NumberFilter) (out api.NumberPage, err error) {
	filter := directory.NumberFilter{Account: in.Account, Flow: in.Flow, State: in.State, After: in.After, Limit: in.Limit}
	var page []routing.TrackingNumber
	if d := f.node.directory; d != nil {
		page, out.Next, err = d.Numbers(filter)
	} else {
		fixed, fault := f.fixed()
		if fault != nil {
			return out, fault
		}
		page, out.Next, err = fixed.Numbers(filter)
	}
	for _, n := range page {
		out.Numbers = append(out.Numbers, json.RawMessage(f.text.Number(n)))
	}
	return out, faceError(err)
}

func (f *tableFace) History(ctx context.Context) (all []api.DirectoryCommit, err error) {
	if f.node.directory == nil {
		return nil, api.ErrTableInFile
	}
	history, err := f.node.directory.History(ctx)
	for _, c := range history {
		all = append(all, api.DirectoryCommit{Commit: c.Commit, At: c.At, Node: c.Node, By: c.By, Note: c.Note, Version: c.Table,
			Added: c.Changed.Added, Changed: c.Changed.Changed, Removed: c.Changed.Removed})
	}
	return all, faceError(err)
}

func (f *tableFace) Export(w io.Writer) error {
	if d := f.node.directory; d != nil {
		return faceError(d.Export(w))
	}
	fixed, err := f.fixed()
	if err != nil {
		return err
	}
	return fixed.Export(w)
}

// directoryMetrics are those of the table.
func (n *node) directoryMetrics(m *api.Metrics) {
	if n.directory == nil {
		return
	}
	s := n.directory.Status()
	m.Gauge("ringdown_directory_commit", "Commit of the routing table in use.", float64(s.Commit))
	m.Gauge("ringdown_directory_saved_commit", "Commit of the routing table that lies on the disk.", float64(s.Saved))
	m.Counter("ringdown_directory_applied_total", "Tables put into use.", float64(s.Applied))
	m.Counter("ringdown_directory_committed_total", "Changes made by this node.", float64(s.Committed))
	m.Counter("ringdown_directory_conflicts_total", "Changes made again because another node was first.", float64(s.Conflicts))
	m.Counter("ringdown_directory_refused_total", "Commits that could not be used here.", float64(s.Refused))
	m.Counter("ringdown_directory_save_faults_total", "Times the table could not be written to the disk.", float64(s.SaveFaults))
	for _, kind := range []string{directory.FaultBroker, directory.FaultEmpty, directory.FaultHead, directory.FaultPages, directory.FaultTable} {
		value := 0.0
		if s.Fault == kind {
			value = 1
		}
		m.Gauge("ringdown_directory_fault", "1 for why the newest commit of the routing table is not in use here.", value, "kind", kind)
	}
}
