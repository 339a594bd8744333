package directory

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringdown/routing"
)

func mustSchema(t testing.TB) *schema {
	t.Helper()
	s, err := newSchema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every section of a routing.Spec can be written and falls into objects; a new
// kind of field fails here.
func TestSchemaKnowsTheSpec(t *testing.T) {
	s := mustSchema(t)
	for _, kind := range []string{"trunks", "accounts", "numbers"} {
		if sh := s.shapes[s.byKind[kind]]; sh.how != asList {
			t.Errorf("%s falls into %v", kind, sh.how)
		}
	}
	if s.shapes[s.byKind["flows"]].how != asMap {
		t.Error("flows do not fall into flows")
	}
}

// fill makes a value of any type, nothing of it zero where it can be helped.
func fill(t *rapid.T, v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[routing.Duration]():
		v.Set(reflect.ValueOf(routing.Seconds(rapid.IntRange(1, 9999).Draw(t, "s"))))
		return
	case v.Type() == reflect.TypeFor[routing.Secret]():
		v.Set(reflect.ValueOf(routing.NewSecret("env:NAME", "")))
		return
	case isText(v.Type()):
		return // its own tests read and write it
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(rapid.Uint16().Draw(t, "uint")))
	case reflect.Float64:
		v.SetFloat(float64(rapid.Int32().Draw(t, "float")) / 8)
	case reflect.Pointer:
		if depth > 0 && rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), depth-1)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, "items")
		if depth == 0 || n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if v.Index(i).Kind() == reflect.Pointer {
				v.Index(i).Set(reflect.New(v.Type().Elem().Elem()))
				continue
			}
			fill(t, v.Index(i), depth-1)
		}
	case reflect.Map:
		if depth == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 2).Draw(t, "entries") {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(t, value, depth-1)
			v.SetMapIndex(reflect.ValueOf(rapid.String().Draw(t, "key")).Convert(v.Type().Key()), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && (f.Anonymous || f.Tag.Get("yaml") != "" && f.Tag.Get("yaml") != "-") {
				fill(t, v.Field(i), depth-1)
			}
		}
	}
}

// What is written is JSON, reads back as what it was, and is written the same
// again: pages are named by it.
func TestCodecRoundTrip(t *testing.T) {
	s := mustSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		var spec, back routing.Spec
		fill(t, reflect.ValueOf(&spec).Elem(), 6)
		text := s.append(nil, reflect.ValueOf(spec))
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		if faults := s.decode(text, reflect.ValueOf(&back).Elem()); len(faults) > 0 {
			t.Fatalf("%v\n%s", faults, text)
		}
		again := s.append(nil, reflect.ValueOf(back))
		if !bytes.Equal(text, again) {
			t.Fatalf("%s\nreads as\n%s", text, again)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, text, "\t", "  "); err != nil {
			t.Fatal(err)
		}
		var third routing.Spec
		if faults := s.decode(spaced.Bytes(), reflect.ValueOf(&third).Elem()); len(faults) > 0 || !reflect.DeepEqual(back, third) {
			t.Fatalf("with spaces it is another: %v", faults)
		}
	})
}

// Everything that does not fit is told, with its path and without the text that
// may be a number or a secret in the wrong place.
func TestCodecFaults(t *testing.T) {
	s := mustSchema(t)
	for _, c := range []struct{ text, want string }{
		{`{"acounts":[]}`, `acounts: unknown key; did you mean "accounts"?`},
		{`{"accounts":{}}`, "accounts: must be a list"},
		{`{"accounts":[{"id":7}]}`, "accounts[0].id: must be text"},
		{`{"accounts":[{"id":"a","limits":{"calls":"many","cps":1.5}}]}`, "accounts[0].limits.calls: must be a whole number|accounts[0].limits.cps: is no whole number, or out of range"},
		{`{"accounts":[{"id":"a","retention":"a week"}]}`, "accounts[0].retention: "},
		{`{"accounts":[{"id":"a","id":"b"}]}`, "accounts[0]: has the key id twice"},
		{`{"accounts":[{"+4721000001":1},{"id":"b"}]}`, "accounts[0].(not shown): unknown key"},
		{`{"trunks":[{"auth":{"password":"hunter22"}}]}`, "trunks[0].auth.password: must be a reference"},
		{`{"numbers":[{"number":"+47"`, "is not JSON: a comma or an end is missing, at byte 27"},
		{`{"numbers":[{"number":"+47}`, "is not JSON: a string has no end"},
		{`{"numbers":nul}`, "is not JSON"},
		{`{"numbers":null}`, "numbers: must be a list"},
		{`{} {}`, "has something behind its end"},
		{``, "is cut short"},
		{"{\"accounts\":\"\xff\"}", "is not UTF-8"},
		{`{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "unknown key|is nested deeper than 64 levels"},
		{`{"trunks":[{"codecs":["a","\ud800"]}]}`, ""},
	} {
		var spec routing.Spec
		faults := s.decode([]byte(c.text), reflect.ValueOf(&spec).Elem())
		wants := strings.Split(c.want, "|")
		if c.want == "" {
			wants = nil
		}
		if len(faults) != len(wants) {
			t.Errorf("%.60s: %v", c.text, faults)
			continue
		}
		for i, f := range faults {
			line := strings.TrimPrefix(f.Path+": "+f.Msg, ": ")
			if !strings.Contains(line, wants[i]) {
				t.Errorf("%.60s: %q, want %q", c.text, line, wants[i])
			}
			if strings.Contains(line, "4721000001") || strings.Contains(line, "hunter22") {
				t.Errorf("a fault repeats what it must not: %s", line)
			}
		}
	}
}

// FuzzDecode: whatever the text, reading ends, and what is taken without a fault
// is written as something that reads the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"numbers":[{"number":"+4721000001","account":"demo","flow":"sales","attribution":{"a":"b\n"}}]}`,
		`{"flows":{"sales":[{"dial":{"timeout":"PT20S","targets":[{"uri":"sip:a@b"}]}}]}}`, `{"trunks":[{"id":"c","auth":{"password":"env:A"}}]}`, `[[[`, `{"a":{"b":[1,2,{"c":null}]}}`} {
		f.Add([]byte(seed))
	}
	s := mustSchema(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var spec, back routing.Spec
		if len(s.decode(text, reflect.ValueOf(&spec).Elem())) > 0 {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("taken, and no JSON: %q", text)
		}
		once := s.append(nil, reflect.ValueOf(spec))
		if faults := s.decode(once, reflect.ValueOf(&back).Elem()); len(faults) > 0 {
			t.Fatalf("%q was written as %q: %v", text, once, faults)
		}
		if again := s.append(nil, reflect.ValueOf(back)); !bytes.Equal(once, again) {
			t.Fatalf("%q, then %q", once, again)
		}
	})
}

// FuzzPage: whatever a page holds, reading it ends, and what is taken is written
// as what it was.
func FuzzPage(f *testing.F) {
	o := object{"numbers", "+4721000001", []byte(`{}`)}
	f.Add(packPage([]object{o}), o.key().place())
	f.Add([]byte{1, 'a', 255, 255}, 0)
	f.Fuzz(func(t *testing.T, in []byte, place int) {
		all, err := unpackPage(in, place)
		if err != nil {
			return
		}
		again, err := unpackPage(packPage(all), place)
		if err != nil || !reflect.DeepEqual(all, again) {
			t.Fatalf("%v, then %v: %v", all, again, err)
		}
	})
}

// FuzzHead: whatever a head holds, reading it ends, and what is taken names
// pages by names only.
func FuzzHead(f *testing.F) {
	f.Add((&head{Commit: 1, Pages: make([]string, Pages)}).encode())
	f.Add([]byte(`{"commit":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := decodeHead(in)
		if err != nil {
			return
		}
		for _, name := range h.Pages {
			if name != "" && !validName(name) {
				t.Fatalf("%q is no name", name)
			}
		}
	})
}
