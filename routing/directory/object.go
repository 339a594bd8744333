package directory

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"ringdown/routing"
)

// object is the smallest thing that is changed: one account, number, flow; or a
// section that is only there as a whole.
type object struct {
	kind string // key of the section: "numbers"
	id   string // empty: the section as a whole
	body []byte // of the codec
}

func (o object) key() key { return key{o.kind, o.id} }

// key names an object. That of a number is the number, and behind an @ the
// moment it is valid from, where there is one.
type key struct{ kind, id string }

// whichNumber reads how a change names a number that is to go, as routing does:
// "+47…" all its validities, "+47…@" the one without a beginning, and with a date
// or time behind the @ the one that begins then. It comes back as the beginning
// of an id, or with a last @ as exactly one.
func whichNumber(id string) key {
	number, from, exact := strings.Cut(id, "@")
	if !exact {
		return key{numbers, number + every}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, from); err == nil {
			from = t.UTC().Format(time.RFC3339)
			break
		}
	}
	return key{numbers, strings.TrimSuffix(number+"@"+from, "@")}
}

// every behind a number stands for all its validities. No id holds one.
const every = "@*"

// means reports whether a key that is to go is that of an object.
func (k key) means(o key) bool {
	if number, all := strings.CutSuffix(k.id, every); all && k.kind == numbers {
		return o.kind == numbers && (o.id == number || strings.HasPrefix(o.id, number+"@"))
	}
	return k == o
}

func compareKeys(a, b key) int {
	return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.id, b.id))
}

// shape says how a section of a [routing.Spec] falls into objects.
type shape struct {
	kind  string
	field []int
	how   shapeKind
	ids   [][]int // of an item: the fields whose texts are its id
}

type shapeKind int

const (
	asWhole shapeKind = iota
	asList
	asMap
)

// schema knows every section of a routing.Spec, those to come included: lists of
// what has an id or a number, mappings from ids, and wholes.
type schema struct {
	*codec
	shapes []shape
	byKind map[string]int
}

func newSchema() (*schema, error) {
	t := reflect.TypeFor[routing.Spec]()
	c, err := newCodec(reflect.TypeFor[Change]()) // a Spec is part of it
	if err != nil {
		return nil, err
	}
	s := &schema{codec: c, byKind: map[string]int{}}
	for _, f := range c.structs[t].fields {
		of := shape{kind: f.name, field: f.index}
		switch section := t.FieldByIndex(f.index).Type; section.Kind() {
		case reflect.Map:
			of.how = asMap
		case reflect.Slice:
			if of.ids = c.idsOf(section.Elem()); of.ids != nil {
				of.how = asList
			}
		}
		s.byKind[f.name] = len(s.shapes)
		s.shapes = append(s.shapes, of)
	}
	return s, nil
}

// idsOf are the fields that name an item of a list; nil when none does.
func (c *codec) idsOf(item reflect.Type) (ids [][]int) {
	l := c.structs[item]
	if l == nil {
		return nil
	}
	for _, name := range []string{"id", "number"} {
		if i, ok := l.byName[name]; ok {
			ids = append(ids, l.fields[i].index)
			break
		}
	}
	if i, ok := l.byName["valid_from"]; ok && ids != nil {
		ids = append(ids, l.fields[i].index)
	}
	return ids
}

func idOf(item reflect.Value, ids [][]int) string {
	id := item.FieldByIndex(ids[0]).String()
	for _, index := range ids[1:] {
		if v := item.FieldByIndex(index); !v.IsZero() {
			id += "@" + textOf(v)
		}
	}
	return id
}

// known reports whether there is a section of that name.
func (s *schema) known(kind string) bool {
	_, ok := s.byKind[kind]
	return ok
}

// objects takes a Spec apart, in the order of its sections. What has no id or
// one that is there already is told: nothing could tell the two apart.
func (s *schema) objects(spec *routing.Spec, root string) (all []object, faults []routing.Fault) {
	v := reflect.ValueOf(spec).Elem()
	for _, sh := range s.shapes {
		section := v.FieldByIndex(sh.field)
		if section.IsZero() {
			continue
		}
		switch sh.how {
		case asWhole:
			all = append(all, object{sh.kind, "", s.append(nil, section)})
		case asMap:
			for _, id := range section.MapKeys() {
				all = append(all, object{sh.kind, id.String(), s.append(nil, section.MapIndex(id))})
			}
		case asList:
			first := make(map[string]int, section.Len())
			for i := range section.Len() {
				item := section.Index(i)
				id := idOf(item, sh.ids)
				at, dup := first[id]
				switch {
				case id == "":
					faults = append(faults, routing.Fault{Path: fmt.Sprintf("%s%s[%d]", root, sh.kind, i), Msg: "has no id"})
				case dup:
					faults = append(faults, routing.Fault{Path: fmt.Sprintf("%s%s[%d]", root, sh.kind, i), Msg: fmt.Sprintf("is at %s[%d] already", sh.kind, at)})
				}
				first[id] = i
				all = append(all, object{sh.kind, id, s.append(nil, item)})
			}
		}
	}
	return all, faults
}

// put adds an object to a Spec. The error says what is wrong with the object and
// repeats nothing of it.
func (s *schema) put(spec *routing.Spec, o object) error {
	i, ok := s.byKind[o.kind]
	if !ok {
		return fmt.Errorf("a section %q is not known here: it is of a newer Ringdown", shown(o.kind))
	}
	sh := s.shapes[i]
	section := reflect.ValueOf(spec).Elem().FieldByIndex(sh.field)
	item := section
	switch sh.how {
	case asList:
		section.Grow(1)
		section.SetLen(section.Len() + 1)
		item = section.Index(section.Len() - 1)
		item.SetZero()
	case asMap:
		item = reflect.New(section.Type().Elem()).Elem()
	}
	if faults := s.decode(o.body, item, o.kind); len(faults) > 0 {
		return fmt.Errorf("%s: %s", faults[0].Path, faults[0].Msg)
	}
	switch sh.how {
	case asList:
		if idOf(item, sh.ids) != o.id {
			return fmt.Errorf("%s: is stored under the name of another", o.kind)
		}
	case asMap:
		if section.IsNil() {
			section.Set(reflect.MakeMap(section.Type()))
		}
		section.SetMapIndex(reflect.ValueOf(o.id).Convert(section.Type().Key()), item)
	}
	return nil
}

// number reads a tracking number.
func (s *schema) number(n *routing.TrackingNumber, o object) error {
	v := reflect.ValueOf(n).Elem()
	if faults := s.decode(o.body, v, numbers); len(faults) > 0 {
		return fmt.Errorf("%s: %s", faults[0].Path, faults[0].Msg)
	}
	if idOf(v, s.shapes[s.byKind[numbers]].ids) != o.id {
		return fmt.Errorf("%s: is stored under the name of another", numbers)
	}
	return nil
}

// sorted puts objects into the order that pages have.
func sorted(all []object) []object {
	slices.SortFunc(all, func(a, b object) int { return compareKeys(a.key(), b.key()) })
	return all
}

// difference says what leads from one list to another; both are sorted.
func difference(from, to []object) (put []object, gone []key) {
	for len(from) > 0 || len(to) > 0 {
		order := 0
		switch {
		case len(from) == 0:
			order = 1
		case len(to) == 0:
			order = -1
		default:
			order = compareKeys(from[0].key(), to[0].key())
		}
		switch {
		case order < 0:
			gone, from = append(gone, from[0].key()), from[1:]
		case order > 0:
			put, to = append(put, to[0]), to[1:]
		default:
			if !bytes.Equal(from[0].body, to[0].body) {
				put = append(put, to[0])
			}
			from, to = from[1:], to[1:]
		}
	}
	return put, gone
}

// join adds the objects of one Spec to another; a whole section replaces.
func (s *schema) join(to, from *routing.Spec) {
	into, part := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for _, sh := range s.shapes {
		dst, src := into.FieldByIndex(sh.field), part.FieldByIndex(sh.field)
		switch {
		case src.IsZero():
		case sh.how == asList:
			dst.Set(reflect.AppendSlice(dst, src))
		case sh.how == asMap && !dst.IsNil():
			for _, id := range src.MapKeys() {
				dst.SetMapIndex(id, src.MapIndex(id))
			}
		default:
			dst.Set(src)
		}
	}
}

// sections are the kinds that a Spec says anything about.
func (s *schema) sections(spec *routing.Spec) (kinds []string) {
	v := reflect.ValueOf(spec).Elem()
	for _, sh := range s.shapes {
		if !v.FieldByIndex(sh.field).IsZero() {
			kinds = append(kinds, sh.kind)
		}
	}
	return kinds
}
