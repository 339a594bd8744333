package routing

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Change is what is to become of a table, all of it or nothing: objects that are
// new or stand in the place of those with their id, and objects that go.
type Change struct {
	Put    Spec    `yaml:"put"`
	Remove Removal `yaml:"remove"`
}

// Removal lists ids by section, "flows": ["old"]. A number is written as
// "+4721000001" for all of its validities, and as "+4721000001@2026-01-01" for
// the one that begins then; "+4721000001@" for the one without a beginning. A
// section that holds one thing without an id goes with an empty list.
type Removal map[string][]string

// IsZero reports whether nothing is to change.
func (c Change) IsZero() bool { return len(c.Remove) == 0 && reflect.ValueOf(c.Put).IsZero() }

// merging makes a Spec of an old one and a change, but for the numbers.
type merging struct {
	put    map[string]map[string]int // by section and id: where it stands in the change
	order  map[string][]string       // ids of the lists as merged
	faults []Fault
	any    bool // something but numbers changes
}

// sectionsOf are the sections of a Spec by their names.
func sectionsOf(s *Spec) map[string]reflect.Value {
	v := reflect.ValueOf(s).Elem()
	all := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		all[name] = v.Field(i)
	}
	return all
}

// merge leaves the old Spec as it is, and returns another without numbers.
func (m *merging) merge(old Spec, c Change) Spec {
	m.put, m.order = map[string]map[string]int{}, map[string][]string{}
	merged := old
	to, from := sectionsOf(&merged), sectionsOf(&c.Put)
	for _, name := range slices.Sorted(maps.Keys(c.Remove)) {
		if _, ok := to[name]; !ok {
			m.fault("is not a section"+suggest(name, slices.Collect(maps.Keys(to))), "remove.%s", showSection(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if name == "numbers" {
			continue
		}
		gone, remove := c.Remove[name]
		if from[name].IsZero() && !remove {
			m.list(name, to[name])
			continue
		}
		m.any = true
		switch v := to[name]; {
		case isList(v):
			m.mergeList(name, v, from[name], gone)
		case v.Kind() == reflect.Map:
			m.mergeMap(name, v, from[name], gone)
		case remove && len(gone) > 0:
			m.fault("has no ids: an empty list removes it", "remove.%s", name)
		default: // one thing: the new one, or none
			v.Set(from[name])
		}
	}
	merged.Numbers = nil
	return merged
}

// showSection keeps what may be a number or a name out of a message.
func showSection(name string) string {
	if checkID(name) != "" {
		return "(not shown)"
	}
	return name
}

// isList reports a list of things that have an id.
func isList(v reflect.Value) bool {
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.Struct {
		return false
	}
	_, ok := v.Type().Elem().FieldByName("ID")
	return ok
}

func (m *merging) fault(msg, path string, args ...any) {
	m.faults = append(m.faults, Fault{fmt.Sprintf(path, args...), msg})
}

// list notes the order of a list.
func (m *merging) list(name string, v reflect.Value) {
	if isList(v) {
		for i := range v.Len() {
			m.order[name] = append(m.order[name], v.Index(i).FieldByName("ID").String())
		}
	}
}

// removals checks the ids that are to go.
func (m *merging) removals(name string, gone []string, known func(string) bool, all func() []string) map[string]bool {
	out := map[string]bool{}
	for i, id := range gone {
		path := fmt.Sprintf("remove.%s[%d]", name, i)
		_, put := m.put[name][id]
		switch {
		case out[id]:
			m.fault("is removed twice", "%s", path)
		case put:
			m.fault("is put as well", "%s", path)
		default:
			if msg := checkRef(strings.TrimSuffix(name, "s"), id, known, all); msg != "" {
				m.fault(msg, "%s", path)
			}
		}
		out[id] = true
	}
	return out
}

func (m *merging) mergeList(name string, v, put reflect.Value, gone []string) {
	m.put[name] = map[string]int{}
	for i := range put.Len() {
		id := put.Index(i).FieldByName("ID").String()
		if first, twice := m.put[name][id]; twice {
			m.fault(fmt.Sprintf("is the id of put.%s[%d] already", name, first), "put.%s[%d].id", name, i)
		}
		m.put[name][id] = i
	}
	m.list(name, v)
	had := m.order[name]
	known := func(id string) bool { return slices.Contains(had, id) }
	remove := m.removals(name, gone, known, func() []string { return had })
	next, order, placed := reflect.MakeSlice(v.Type(), 0, v.Len()+put.Len()), []string(nil), map[string]bool{}
	for i, id := range had {
		if remove[id] {
			continue
		}
		item := v.Index(i)
		if j, ok := m.put[name][id]; ok {
			item, placed[id] = put.Index(j), true
		}
		next, order = reflect.Append(next, item), append(order, id)
	}
	for i := range put.Len() {
		if id := put.Index(i).FieldByName("ID").String(); !placed[id] {
			placed[id] = true
			next, order = reflect.Append(next, put.Index(i)), append(order, id)
		}
	}
	if next.Len() == 0 {
		next = reflect.Zero(v.Type())
	}
	v.Set(next)
	m.order[name] = order
}

func (m *merging) mergeMap(name string, v, put reflect.Value, gone []string) {
	m.put[name] = map[string]int{}
	next := reflect.MakeMapWithSize(v.Type(), v.Len()+put.Len())
	for key, value := range v.Seq2() {
		next.SetMapIndex(key, value)
	}
	for key, value := range put.Seq2() {
		m.put[name][key.String()] = 0
		next.SetMapIndex(key, value)
	}
	ids := func() (all []string) {
		for _, key := range v.MapKeys() {
			all = append(all, key.String())
		}
		return all
	}
	for id := range m.removals(name, gone, func(id string) bool { return v.MapIndex(reflect.ValueOf(id)).IsValid() }, ids) {
		next.SetMapIndex(reflect.ValueOf(id), reflect.Value{})
	}
	if next.Len() == 0 {
		next = reflect.Zero(v.Type())
	}
	v.Set(next)
}

// item is a thing of a list of the Spec in a path or in words.
var item = regexp.MustCompile(`(^|[^.\w])([a-z]+)\[(\d+)\]`)

// renamed words a fault of the merged Spec in terms of the change: what it puts
// by its place there, all else by its id.
func (m *merging) renamed(f Fault) Fault {
	name := func(s string) string {
		return item.ReplaceAllStringFunc(s, func(s string) string {
			match := item.FindStringSubmatch(s)
			before, section := match[1], match[2]
			if section == "numbers" {
				return fmt.Sprintf("%sput.numbers[%s]", before, match[3])
			}
			ids := m.order[section]
			i, err := strconv.Atoi(match[3])
			if err != nil || i >= len(ids) {
				return s
			}
			if j, put := m.put[section][ids[i]]; put {
				return fmt.Sprintf("%sput.%s[%d]", before, section, j)
			}
			return before + section + "." + ids[i]
		})
	}
	section, rest, _ := strings.Cut(f.Path, ".")
	if key, _, _ := strings.Cut(rest, "."); len(m.order[section]) == 0 {
		key, _, _ = strings.Cut(key, "[")
		if _, put := m.put[section][key]; put {
			f.Path = "put." + f.Path
			return Fault{f.Path, name(f.Msg)}
		}
	}
	return Fault{name(f.Path), name(f.Msg)}
}
