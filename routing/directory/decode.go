package directory

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ringdown/routing"
)

// Bounds of what is read.
const (
	maxNesting = 64
	maxFaults  = 100
)

// reader fills values from text. What does not fit is told with its path, and
// reading goes on behind it; what is no JSON ends it.
type reader struct {
	*codec
	in     []byte
	at     int
	path   []step
	faults []routing.Fault
	broken bool
}

// step is one part of a path: a key, or an index when key is empty.
type step struct {
	key   string
	index int
}

// decode fills v from the whole of text. Paths begin behind root.
func (c *codec) decode(text []byte, v reflect.Value, root ...string) []routing.Fault {
	r := &reader{codec: c, in: text}
	for _, key := range root {
		r.path = append(r.path, step{key: key})
	}
	if !utf8.Valid(text) {
		r.fault("is not UTF-8")
		return r.faults
	}
	r.space()
	r.value(v)
	r.space()
	if !r.broken && r.at < len(r.in) {
		r.stop("has something behind its end")
	}
	return r.faults
}

func (r *reader) fault(msg string) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, routing.Fault{Path: pathText(r.path), Msg: msg})
	}
}

// stop ends the reading: what follows has no meaning any more.
func (r *reader) stop(msg string) {
	if !r.broken {
		r.broken = true
		r.fault(msg + fmt.Sprintf(", at byte %d", r.at))
	}
}

func pathText(path []step) string {
	var b strings.Builder
	for _, s := range path {
		switch {
		case s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// shown is a key as a path may show it: one that could be a number or a name in
// the wrong place is not repeated.
func shown(key string) string {
	digits := 0
	for i := range len(key) {
		switch b := key[i]; {
		case b >= '0' && b <= '9':
			digits++
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_', b == '-':
		default:
			return "(not shown)"
		}
	}
	if key == "" || len(key) > 63 || digits > 5 {
		return "(not shown)"
	}
	return key
}

func (r *reader) space() {
	for r.at < len(r.in) && (r.in[r.at] == ' ' || r.in[r.at] == '\n' || r.in[r.at] == '\t' || r.in[r.at] == '\r') {
		r.at++
	}
}

// peek is the next byte; 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

func (r *reader) value(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch b := r.peek(); {
	case isText(v.Type()):
		r.text(v)
	case v.Kind() == reflect.Struct && b == '{':
		r.structure(v)
	case v.Kind() == reflect.Map && b == '{':
		r.mapping(v)
	case v.Kind() == reflect.Slice && b == '[':
		r.list(v)
	case v.Kind() == reflect.String && b == '"':
		v.SetString(r.str())
	case v.Kind() == reflect.Bool && (b == 't' || b == 'f'):
		v.SetBool(r.word() == "true")
	case b == '-' || b >= '0' && b <= '9':
		r.number(v)
	default:
		r.wrong("must be " + kindWord(v.Kind()))
	}
}

// wrong tells of a value of another kind and goes on behind it.
func (r *reader) wrong(msg string) {
	before := len(r.faults)
	r.skip(0)
	if !r.broken && len(r.faults) == before {
		r.fault(msg)
	}
}

func kindWord(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

func (r *reader) text(v reflect.Value) {
	if r.peek() != '"' {
		r.wrong("must be text")
		return
	}
	s := r.str()
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		r.fault(err.Error())
		return
	}
	if secret, ok := v.Addr().Interface().(*routing.Secret); ok && r.reveal != nil {
		value, msg := r.reveal(s)
		if msg != "" {
			r.fault(msg)
		}
		secret.Fill(value)
	}
}

// object reads a mapping, f each value of it. The key is only f's until it returns.
func (r *reader) object(f func(key []byte)) {
	if len(r.path) > maxNesting {
		r.stop("is nested deeper than 64 levels")
		return
	}
	r.at++ // {
	r.space()
	if r.peek() == '}' {
		r.at++
		return
	}
	for !r.broken {
		if r.peek() != '"' {
			r.stop("is not JSON: a key is missing")
			return
		}
		key := r.raw()
		r.space()
		if r.peek() != ':' {
			r.stop("is not JSON: a colon is missing")
			return
		}
		r.at++
		r.space()
		f(key)
		if r.next('}') {
			return
		}
	}
}

// next goes to the next item, or behind the end: then it returns true.
func (r *reader) next(end byte) bool {
	r.space()
	switch r.peek() {
	case end:
		r.at++
		return true
	case ',':
		r.at++
		r.space()
		return false
	}
	r.stop("is not JSON: a comma or an end is missing")
	return true
}

func (r *reader) structure(v reflect.Value) {
	l := r.structs[v.Type()]
	var seen uint64
	r.object(func(key []byte) {
		i, known := l.byName[string(key)]
		switch {
		case !known:
			r.unknown(string(key), l)
			return
		case seen>>i&1 == 1:
			r.fault("has the key " + l.fields[i].name + " twice")
			r.skip(0)
			return
		}
		seen |= 1 << i
		r.path = append(r.path, step{key: l.fields[i].name})
		r.value(l.fields[i].of(v))
		r.path = r.path[:len(r.path)-1]
	})
}

func (r *reader) unknown(key string, l *layout) {
	hint := ""
	if near := routing.Nearest(key, slices.Collect(maps.Keys(l.byName))); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	r.path = append(r.path, step{key: shown(key)})
	r.fault("unknown key" + hint)
	r.path = r.path[:len(r.path)-1]
	r.skip(0)
}

func (r *reader) mapping(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	r.object(func(raw []byte) {
		key := string(raw)
		at := reflect.ValueOf(key).Convert(v.Type().Key())
		if v.MapIndex(at).IsValid() {
			r.fault("has a key twice")
			r.skip(0)
			return
		}
		value := reflect.New(v.Type().Elem()).Elem()
		r.path = append(r.path, step{key: shown(key)})
		r.value(value)
		r.path = r.path[:len(r.path)-1]
		v.SetMapIndex(at, value)
	})
}

func (r *reader) list(v reflect.Value) {
	if len(r.path) > maxNesting {
		r.stop("is nested deeper than 64 levels")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	r.at++ // [
	r.space()
	if r.peek() == ']' {
		r.at++
		return
	}
	for i := 0; !r.broken; i++ {
		r.path = append(r.path, step{index: i})
		v.Grow(1)
		v.SetLen(i + 1)
		r.value(v.Index(i))
		r.path = r.path[:len(r.path)-1]
		if r.next(']') {
			return
		}
	}
}

func (r *reader) number(v reflect.Value) {
	word := r.word()
	if f, err := strconv.ParseFloat(word, 64); err != nil || math.IsInf(f, 0) {
		r.fault("is no number that can be kept")
		return
	}
	switch {
	case v.CanFloat():
		f, _ := strconv.ParseFloat(word, 64)
		v.SetFloat(f)
	case v.CanInt():
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil || v.OverflowInt(n) {
			r.fault("is no whole number, or out of range")
			return
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil || v.OverflowUint(n) {
			r.fault("is no whole number, or out of range")
			return
		}
		v.SetUint(n)
	default:
		r.fault("must be " + kindWord(v.Kind()))
	}
}

// word reads a number, true, false or null.
func (r *reader) word() string {
	start := r.at
	for r.at < len(r.in) && strings.IndexByte(",]} \n\t\r", r.in[r.at]) < 0 {
		r.at++
	}
	word := string(r.in[start:r.at])
	if !json.Valid([]byte(word)) {
		r.at = start
		r.stop("is not JSON")
	}
	return word
}

// str reads a string.
func (r *reader) str() string { return string(r.raw()) }

// raw reads a string; it belongs to the input where nothing in it is escaped.
func (r *reader) raw() []byte {
	start := r.at
	plain := true
	for r.at++; r.at < len(r.in); r.at++ {
		switch b := r.in[r.at]; {
		case b == '\\':
			plain = false
			r.at++
		case b == '"':
			r.at++
			if plain {
				return r.in[start+1 : r.at-1]
			}
			var s string
			if json.Unmarshal(r.in[start:r.at], &s) != nil {
				r.at = start
				r.stop("is not JSON: a string has a broken escape")
			}
			return []byte(s)
		case b < ' ':
			r.stop("is not JSON: a string holds a control character")
			return nil
		}
	}
	r.stop("is not JSON: a string has no end")
	return nil
}

// skip goes behind a value of any kind.
func (r *reader) skip(depth int) {
	if depth+len(r.path) > maxNesting {
		r.stop("is nested deeper than 64 levels")
		return
	}
	switch r.peek() {
	case '{':
		r.object(func([]byte) { r.skip(depth + 1) })
	case '[':
		r.at++
		r.space()
		if r.peek() == ']' {
			r.at++
			return
		}
		for !r.broken {
			r.skip(depth + 1)
			if r.next(']') {
				return
			}
		}
	case '"':
		r.str()
	case 0:
		r.stop("is cut short")
	default:
		r.word()
	}
}
