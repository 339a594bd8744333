package directory

import (
	"fmt"
	"slices"

	"ringdown/routing"
)

// whole builds the table of a snapshot from nothing.
func (d *Directory) whole(s *snapshot) (*routing.Table, []routing.Fault, error) {
	spec, err := d.ring.spec(d.schema, s)
	if err != nil {
		return nil, nil, err
	}
	if faults := d.overlaps(d.schema.sections(&spec)); len(faults) > 0 {
		return nil, faults, nil
	}
	d.schema.join(&spec, &d.deps.Base)
	table, faults := routing.NewTable(spec)
	if len(faults) > 0 {
		return nil, faults, nil
	}
	return table, d.check(table), nil
}

func (d *Directory) check(table *routing.Table) []routing.Fault {
	if d.deps.Check == nil {
		return nil
	}
	return d.deps.Check(table)
}

// overlaps refuses sections that stand in the node's own file too: two places
// for one truth.
func (d *Directory) overlaps(kinds []string) (faults []routing.Fault) {
	own := d.schema.sections(&d.deps.Base)
	for _, kind := range kinds {
		if slices.Contains(own, kind) {
			faults = append(faults, routing.Fault{Path: kind, Msg: fmt.Sprintf("stand in the file of node %s too; a section is in one place", d.deps.Node)})
		}
	}
	return faults
}

// follow builds the table that a delta makes of the one in effect.
func (d *Directory) follow(now *state, next *snapshot, change delta) (*routing.Table, []routing.Fault, error) {
	return d.whole(next)
}
