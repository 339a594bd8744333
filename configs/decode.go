package configs

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"ringdown/routing"
)

// maxUnfolded is the most values that aliases may stand for in one file.
const maxUnfolded = 10_000

// decoder fills Go values from the tree and reports everything that does not
// fit. The library's own decoder stops at the first fault; this one goes on.
//
// It knows the kinds of value a Config is made of: structs with yaml tags
// (embedded ones are inline), lists, mappings from ids, text, whole numbers,
// true and false, ISO 8601 durations and whatever reads itself from text.
type decoder struct {
	*source
	anchors  map[string]ast.Node
	within   map[string]bool // anchors being read
	aliases  int             // being unfolded
	unfolded int             // values seen through aliases
	fields   map[reflect.Type]map[string][]int
	failed   map[string]bool // paths whose value could not be taken
	touched  map[string]bool // what those lie in
	secrets  map[string]bool // paths of values that are references to secrets
	zeros    []zero
}

// zero is a 0 or false that stands in the file.
type zero struct {
	value reflect.Value
	line  int
	path  string
}

func newDecoder(s *source, secrets ...string) *decoder {
	d := &decoder{
		source: s, anchors: map[string]ast.Node{}, within: map[string]bool{},
		fields: map[reflect.Type]map[string][]int{}, failed: map[string]bool{}, touched: map[string]bool{}, secrets: map[string]bool{},
	}
	for _, path := range secrets {
		d.secrets[path] = true
	}
	ast.Walk(anchorFinder(d.anchors), s.root)
	return d
}

type anchorFinder map[string]ast.Node

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		f[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// fail reports a value that cannot be taken.
func (d *decoder) fail(n ast.Node, path, msg string) {
	d.fault(lineOf(n), path, msg)
	d.blame(path)
}

// blame notes that the value at path is not what was meant.
func (d *decoder) blame(path string) {
	d.failed[path] = true
	for end := range len(path) {
		if path[end] == '.' || path[end] == '[' {
			d.touched[path[:end]] = true
		}
	}
}

// blamed reports whether the value at path, something in it or something it
// lies in was refused already: a second fault would only be a consequence.
func (d *decoder) blamed(path string) bool {
	for end := range len(path) {
		if (path[end] == '.' || path[end] == '[') && d.failed[path[:end]] {
			return true
		}
	}
	return d.failed[path] || d.touched[path]
}

// value fills v, a settable value, from n.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	if d.aliases > 0 {
		if d.unfolded++; d.unfolded > maxUnfolded {
			if d.unfolded == maxUnfolded+1 {
				d.fail(n, path, fmt.Sprintf("aliases stand for more than %d values; write them out", maxUnfolded))
			}
			return
		}
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		d.anchored(n.Name.GetToken().Value, n.Value, v, path)
		return
	case *ast.AliasNode:
		d.alias(n, v, path)
		return
	case *ast.TagNode:
		d.fail(n, path, "has a YAML tag (!), which is not read")
		return
	case nil, *ast.NullNode:
		d.fail(n, path, "has no value; give it one or leave the key out")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			d.scalar(n, v, path)
			return
		}
		d.structure(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// alias decodes what the alias stands for, in place.
func (d *decoder) alias(n *ast.AliasNode, v reflect.Value, path string) {
	name := n.Value.GetToken().Value
	target, known := d.anchors[name]
	switch {
	case !known:
		d.fail(n, path, "is an alias of an anchor that is not there")
	case d.within[name]:
		d.fail(n, path, "is an alias of something it is part of")
	default:
		d.aliases++
		d.anchored(name, target, v, path)
		d.aliases--
	}
}

// anchored decodes what bears a name, which must not contain itself.
func (d *decoder) anchored(name string, n ast.Node, v reflect.Value, path string) {
	d.within[name] = true
	d.value(n, v, path)
	delete(d.within, name)
}

// entries returns the key-value pairs of a mapping; false for any other node.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// each calls f for each key of a mapping, once; duplicates and keys that are no
// text are faults.
func (d *decoder) each(n ast.Node, path string, f func(key string, e *ast.MappingValueNode)) {
	pairs, ok := entries(n)
	if !ok {
		d.fail(n, path, "must be a mapping, is "+kindOf(n))
		return
	}
	first := map[string]int{}
	for _, e := range pairs {
		switch key := e.Key.(type) {
		case *ast.MergeKeyNode:
			d.fault(lineOf(key), path, "has a merge key (<<), which is not read; write the keys out")
		case *ast.StringNode:
			if line, dup := first[key.Value]; dup {
				d.fault(lineOf(key), path, fmt.Sprintf("has the key %s twice, first on line %d", showKey(key.Value), line))
				continue
			}
			first[key.Value] = lineOf(key)
			f(key.Value, e)
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			d.fail(key, path, "has a key that is not text; put it in quotes")
		default:
			d.fault(lineOf(e.Key), path, "has a key that is not text")
		}
	}
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	known := d.fieldsOf(v.Type())
	d.each(n, path, func(key string, e *ast.MappingValueNode) {
		at := join(path, key)
		if index, ok := known[key]; ok {
			d.value(e.Value, v.FieldByIndex(index), at)
			return
		}
		words := slices.Sorted(maps.Keys(known))
		hint := ""
		if near := routing.Nearest(key, words); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
			d.blame(join(path, near))
		} else if len(words) > 0 {
			hint = "; known here: " + strings.Join(words, ", ")
		}
		d.blame(at)
		if showKey(key) == hidden {
			at = path
		}
		d.fault(lineOf(e.Key), at, "unknown key"+hint)
	})
}

// fieldsOf maps the keys of a struct to its fields.
func (d *decoder) fieldsOf(t reflect.Type) map[string][]int {
	if known := d.fields[t]; known != nil {
		return known
	}
	known := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && name != "-" && f.IsExported() {
			known[name] = f.Index
		}
	}
	d.fields[t] = known
	return known
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, path, "must be a list, is "+kindOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// mapping fills a map whose keys are ids, or keys of a telephone.
func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	pressed := v.Type().Key() == reflect.TypeFor[routing.Keys]()
	d.each(n, path, func(key string, e *ast.MappingValueNode) {
		switch {
		case pressed && !routing.Keys(key).Valid():
			d.fault(lineOf(e.Key), path, `has a key that is not what can be pressed: 1 to 16 of 0 to 9, * and #, in quotes`)
			return
		case !pressed && (showKey(key) == hidden || !routing.ValidID(key)):
			d.fault(lineOf(e.Key), path, "has a key that is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit, no telephone number")
			return
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, value, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
	})
}
