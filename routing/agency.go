package routing

import (
	"fmt"
	"maps"
	"slices"
)

// Agency is who has accounts: a reseller or a brand.
type Agency struct {
	ID     string `yaml:"id"`
	Limits Limits `yaml:"limits"` // of all its accounts together

	Intercept Intercept `yaml:"intercept" json:",omitzero"` // of accounts that have none of their own

	Screening *Screening `yaml:"screening" json:",omitempty"`
	Fraud     *Fraud     `yaml:"fraud" json:",omitempty"`
}

// agency is one of a table.
type agency struct {
	id     string
	limits Limits

	intercept Intercept
	screening *Screening
	fraud     *Fraud
}

// addAgencies enters the agencies, before the accounts that name them.
func (b *builder) addAgencies(all []Agency) {
	b.agencies = map[string]*agency{}
	for i, spec := range all {
		path := fmt.Sprintf("agencies[%d]", i)
		b.fault(checkID(spec.ID), "%s.id", path)
		b.limits(spec.Limits, path)
		b.screening(spec.Screening, path+".screening")
		b.fraud(spec.Fraud, path+".fraud")
		switch {
		case spec.ID == "":
		case has(b.agencies, spec.ID):
			b.fault(fmt.Sprintf("%q is the id of another agency already", spec.ID), "%s.id", path)
		default:
			b.agencies[spec.ID] = &agency{spec.ID, spec.Limits, spec.Intercept, spec.Screening, spec.Fraud}
		}
	}
}

// agencyOf checks an account's agency. Where agencies are listed it has to be one
// of them; else it is only a name, and nothing hangs on it.
func (b *builder) agencyOf(id, path string) *agency {
	switch {
	case id == "":
	case len(b.agencies) == 0:
		b.fault(checkID(id), "%s.agency", path)
	default:
		b.refer("agency", id, path+".agency", func(id string) bool { return has(b.agencies, id) },
			func() []string { return slices.Collect(maps.Keys(b.agencies)) })
	}
	if known := b.agencies[id]; known != nil {
		return known
	}
	return &agency{id: id}
}
