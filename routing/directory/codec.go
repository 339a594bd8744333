package directory

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// codec turns the plain data of routing into text and back: JSON with the names
// that the configuration file has, what is zero left out, keys in the order of
// the fields, maps sorted. Equal values have equal text, which pages are named
// by. It is read only once made.
type codec struct {
	structs map[reflect.Type]*layout
	// reveal reads what a reference to a secret stands for; nil: nothing is read.
	reveal func(reference string) (secret, msg string)
}

// layout is a struct as text.
type layout struct {
	fields []field
	byName map[string]int
}

type field struct {
	name  string
	index []int
	plain int // index when the field is the struct's own; -1: it is of an embedded one
}

var (
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
	textWriter = reflect.TypeFor[encoding.TextMarshaler]()
)

// newCodec looks at everything that root is made of. What it cannot write and
// read is an error: a new kind of field in routing needs a word here.
func newCodec(root reflect.Type) (*codec, error) {
	c := &codec{structs: map[reflect.Type]*layout{}}
	return c, c.learn(root, root.String())
}

func (c *codec) learn(t reflect.Type, path string) error {
	if isText(t) {
		if !writesText(t) {
			return fmt.Errorf("directory: %s: %s reads text and writes none", path, t)
		}
		return nil
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Float64:
		return nil
	case reflect.Pointer, reflect.Slice:
		return c.learn(t.Elem(), path)
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return c.learn(t.Elem(), path)
		}
	case reflect.Struct:
		return c.learnStruct(t, path)
	}
	return fmt.Errorf("directory: %s: no way to write a %s", path, t)
}

func (c *codec) learnStruct(t reflect.Type, path string) error {
	if c.structs[t] != nil {
		return nil
	}
	l := &layout{byName: map[string]int{}}
	c.structs[t] = l // before its fields: a flow holds flows
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		plain := -1
		if len(f.Index) == 1 {
			plain = f.Index[0]
		}
		l.byName[name] = len(l.fields)
		l.fields = append(l.fields, field{name, f.Index, plain})
		if err := c.learn(f.Type, path+"."+name); err != nil {
			return err
		}
	}
	if len(l.fields) > 64 { // the reader notes in one word which it has seen
		return fmt.Errorf("directory: %s: %s has more than 64 keys", path, t)
	}
	return nil
}

func (f field) of(v reflect.Value) reflect.Value {
	if f.plain >= 0 {
		return v.Field(f.plain)
	}
	return v.FieldByIndex(f.index)
}

// isText: a value that reads itself from text.
func isText(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(textReader)
}

func writesText(t reflect.Type) bool {
	return t.Implements(textWriter) || t.Implements(reflect.TypeFor[fmt.Stringer]())
}
