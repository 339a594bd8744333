package configs

import (
	"encoding"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"ringdown/routing"
)

// scalar fills v from a single value: text, a whole number, true or false, a
// duration, or a type that reads itself from text.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	text, isText := textOf(n)
	if isText && strings.ContainsFunc(text, unicode.IsControl) {
		d.fail(n, path, "holds a control character")
		return
	}
	if msg := setScalar(n, v, text, isText); msg != "" {
		d.fail(n, path, msg)
		return
	}
	if v.Kind() != reflect.String && v.IsZero() {
		d.zeros = append(d.zeros, zero{v, lineOf(n), path})
	}
	if s, ok := v.Addr().Interface().(*routing.Secret); ok {
		secret, msg := resolve(text)
		if msg != "" {
			d.fail(n, path, msg)
		}
		s.Fill(secret)
	}
	if d.secrets[path] {
		secret, msg := resolve(text)
		if msg != "" {
			d.fail(n, path, msg)
		}
		v.SetString(secret)
	}
}

// overruled reports each 0 and false of the file that the defaults have taken
// for something left out: nobody is to get 500 calls who asked for none.
func (d *decoder) overruled() {
	for _, z := range d.zeros {
		switch {
		case z.value.IsZero():
		case z.value.Kind() == reflect.Bool:
			d.fault(z.line, z.path, "cannot be false with what else is given")
		default:
			d.fault(z.line, z.path, "cannot be 0; leave the key out for the default")
		}
	}
}

// setScalar fills v and says what is wrong with the value, if anything is.
func setScalar(n ast.Node, v reflect.Value, text string, isText bool) string {
	switch v.Interface().(type) {
	case time.Duration, routing.Duration:
		if !isText {
			return `must be an ISO 8601 duration such as "PT20S", is ` + kindOf(n)
		}
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		length, err := routing.ParseDuration(text)
		if err != nil {
			return err.Error()
		}
		exact, ok := length.Exact()
		if !ok {
			return "must not have months or years: they have no fixed length"
		}
		v.SetInt(int64(exact))
		return ""
	}
	if reader, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if !isText {
			return "must be text, is " + kindOf(n)
		}
		if err := reader.UnmarshalText([]byte(text)); err != nil {
			return err.Error()
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		if !isText {
			return wantText(n)
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			return "must be true or false, is " + kindOf(n)
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint16:
		return setInt(n, v)
	default:
		panic("configs: no way to read a " + v.Type().String())
	}
	return ""
}

// wantText says why a scalar is not text, where text is wanted.
func wantText(n ast.Node) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return "must be text; put it in quotes, YAML reads it as " + kindOf(n)
	case *ast.MappingNode, *ast.MappingValueNode:
		return "must be text, is a mapping; text with a colon inside braces needs quotes"
	}
	return "must be text, is " + kindOf(n)
}

func setInt(n ast.Node, v reflect.Value) string {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return "must be a whole number, is " + kindOf(n)
	}
	var value int64
	switch got := i.Value.(type) {
	case int64:
		value = got
	case uint64:
		if got > math.MaxInt64 {
			return "is out of range"
		}
		value = int64(got)
	default:
		return "is out of range"
	}
	if v.CanUint() {
		if value < 0 || v.OverflowUint(uint64(value)) {
			return "is out of range"
		}
		v.SetUint(uint64(value))
		return ""
	}
	if v.OverflowInt(value) {
		return "is out of range"
	}
	v.SetInt(value)
	return ""
}

// textOf returns the text of a plain, quoted or block scalar.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode:
		return "a whole number"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case nil, *ast.NullNode:
		return "nothing"
	}
	return "something else"
}
