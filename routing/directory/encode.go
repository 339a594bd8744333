package directory

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// append writes v behind dst.
func (c *codec) append(dst []byte, v reflect.Value) []byte {
	t := v.Type()
	if isText(t) {
		return appendText(dst, textOf(v))
	}
	switch t.Kind() {
	case reflect.String:
		return appendText(dst, v.String())
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Uint16, reflect.Uint32:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case reflect.Float64:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case reflect.Pointer:
		if v.IsNil() { // in a list only: a field that is nil is left out
			return append(dst, "null"...)
		}
		return c.append(dst, v.Elem())
	case reflect.Slice:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = c.append(dst, v.Index(i))
		}
		return append(dst, ']')
	case reflect.Map:
		return c.appendMap(dst, v)
	}
	return c.appendStruct(dst, v)
}

func (c *codec) appendStruct(dst []byte, v reflect.Value) []byte {
	dst = append(dst, '{')
	first := true
	for _, f := range c.structs[v.Type()].fields {
		value := f.of(v)
		if value.IsZero() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendText(dst, f.name), ':')
		dst = c.append(dst, value)
	}
	return append(dst, '}')
}

func (c *codec) appendMap(dst []byte, v reflect.Value) []byte {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, key.String()), ':')
		dst = c.append(dst, v.MapIndex(key))
	}
	return append(dst, '}')
}

// textOf is how a value that reads itself from text writes itself.
func textOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		if b, err := x.MarshalText(); err == nil {
			return string(b)
		}
	case fmt.Stringer:
		return x.String()
	}
	return ""
}

// appendText writes a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("directory: a string has no JSON: " + err.Error())
			}
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
