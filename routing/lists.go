package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// NumberList is a list of telephone numbers with a name: callers to treat
// apart, to block or to let in.
type NumberList struct {
	Numbers  []string `yaml:"numbers"`  // whole ones, E.164 with the +
	Prefixes []string `yaml:"prefixes"` // all numbers that begin so: "+4722"
}

// named are the things that steps refer to by their ids.
type named struct {
	lists     map[string]*numberSet
	calendars map[string]*calendar
	areas     map[string]bool
}

// mentions are the callers that a table tells apart beside its lists and areas,
// and may be there more than once: what the classes of callers are made of.
type mentions struct {
	countries []string
	heads     []number
	attested  bool // steps ask how a caller is attested
	withheld  bool // and whether he withholds his number
	trunks    bool // and by which trunk a call came
	headers   []headerMention
	tags      [][2]string // key and value
}

// numberSet is a NumberList to look into: a look-up for each length of its
// prefixes, none of which allocates.
type numberSet struct {
	id      string
	numbers map[number]struct{}
	heads   prefixes[struct{}]
}

func (s *numberSet) has(n number) bool {
	if s == nil || n == 0 {
		return false
	}
	if _, ok := s.numbers[n]; ok {
		return true
	}
	_, ok := s.heads.find(n)
	return ok
}

func (b *builder) addLists(all map[string]NumberList) {
	b.lists = make(map[string]*numberSet, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "lists")
		}
		b.lists[id] = b.list(id, all[id], "lists."+id)
	}
	b.table.lists = b.lists
}

func (b *builder) list(id string, spec NumberList, path string) *numberSet {
	set := &numberSet{id: id, numbers: make(map[number]struct{}, len(spec.Numbers))}
	for i, s := range spec.Numbers {
		n, msg := checkE164(s)
		if b.fault(msg, "%s.numbers[%d]", path, i) {
			continue
		}
		if _, twice := set.numbers[n]; twice {
			b.fault("is in the list already", "%s.numbers[%d]", path, i)
		}
		set.numbers[n] = struct{}{}
	}
	for i, s := range spec.Prefixes {
		n, msg := checkNumberPrefix(s)
		if !b.fault(msg, "%s.prefixes[%d]", path, i) && !set.heads.add(n, struct{}{}) {
			b.fault("is in the list already", "%s.prefixes[%d]", path, i)
		}
	}
	if len(spec.Numbers)+len(spec.Prefixes) == 0 {
		b.fault("is empty: a list holds numbers or prefixes", "%s", path)
	}
	return set
}

// listed returns the list that a reference at path names, nil when there is
// none, which has been told.
func (b *builder) listed(id, path string) *numberSet {
	b.refer("list", id, path, func(id string) bool { return has(b.lists, id) }, func() []string { return slices.Collect(maps.Keys(b.lists)) })
	return b.lists[id]
}

// Lists returns the ids of the lists that a number is in, in order. The number
// is E.164 with its +; what is none is in no list.
func (t *Table) Lists(e164 string) (ids []string) {
	n, _ := parseE164(strings.TrimPrefix(e164, "+"))
	return t.listsOf(n)
}

func (t *Table) listsOf(n number) (ids []string) {
	if n == 0 || len(t.lists) == 0 {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(t.lists)) {
		if t.lists[id].has(n) {
			ids = append(ids, id)
		}
	}
	return ids
}

// words are what a trace says of a list.
func (s *numberSet) words() string {
	var parts []string
	if n := len(s.numbers); n > 0 {
		parts = append(parts, plural(n, "number"))
	}
	switch n := len(s.heads.of); {
	case n == 1:
		parts = append(parts, "1 prefix")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d prefixes", n))
	}
	return "list " + s.id + " (" + strings.Join(parts, ", ") + ")"
}

// canonicalLists is the lists with their entries sorted: their order means
// nothing.
func canonicalLists(all map[string]NumberList) map[string]NumberList {
	out := make(map[string]NumberList, len(all))
	for id, l := range all {
		out[id] = NumberList{slices.Sorted(slices.Values(l.Numbers)), slices.Sorted(slices.Values(l.Prefixes))}
	}
	return out
}
