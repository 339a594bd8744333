package configs

import (
	"maps"
	"reflect"
	"slices"
)

// Apart returns the sections that say something else in another configuration,
// in order: not those of the routing table, which may change while a node runs.
func (c *Config) Apart(other *Config) (sections []string) {
	mine, theirs := c.sections(), other.sections()
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		if !reflect.DeepEqual(mine[name], theirs[name]) {
			sections = append(sections, name)
		}
	}
	return sections
}
