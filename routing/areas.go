package routing

import (
	"fmt"
	"maps"
	"slices"
)

// addAreas enters the areas: numbers belong to the one with the longest prefix
// that they begin with.
func (b *builder) addAreas(all map[string][]string) {
	b.areas = make(map[string]bool, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "areas")
		}
		b.areas[id] = true
		if len(all[id]) == 0 {
			b.fault("is empty: an area has prefixes", "areas.%s", id)
		}
		for i, s := range all[id] {
			path := fmt.Sprintf("areas.%s[%d]", id, i)
			n, msg := checkNumberPrefix(s)
			if b.fault(msg, "%s", path) || b.table.areas.add(n, id) {
				continue
			}
			if b.table.areas.of[n] == id {
				b.fault("is in the area already", "%s", path)
			} else {
				b.fault("is a prefix of area "+b.table.areas.of[n]+" already; a number is in one area", "%s", path)
			}
		}
	}
}

// areaList checks a list of areas.
func (b *builder) areaList(all []string, path string) (set map[string]bool) {
	set = make(map[string]bool, len(all))
	for i, id := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		b.refer("area", id, at, func(id string) bool { return b.areas[id] }, func() []string { return slices.Collect(maps.Keys(b.areas)) })
		if set[id] {
			b.fault("is in the list already", "%s", at)
		}
		set[id] = true
	}
	return set
}
