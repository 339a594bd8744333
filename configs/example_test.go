package configs

import (
	"encoding"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"

	"ringdown/routing"
)

// example.yaml mentions every key that a Config has.
func TestExampleMentionsEveryKey(t *testing.T) {
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{file: "example.yaml"}
	if !s.parse(data) {
		t.Fatal(s.faults)
	}
	d := newDecoder(s)
	keys := 0
	within := map[reflect.Type]bool{} // a step's branches need not show every step again
	var walk func(typ reflect.Type, nodes []ast.Node, path string)
	walk = func(typ reflect.Type, nodes []ast.Node, path string) {
		if within[typ] {
			return
		}
		within[typ] = true
		defer delete(within, typ)
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		var below []ast.Node
		switch {
		case reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), typ == reflect.TypeFor[time.Duration]():
		case typ.Kind() == reflect.Slice:
			for _, n := range nodes {
				below = append(below, n.(*ast.SequenceNode).Values...)
			}
			if typ == reflect.TypeFor[routing.Flow]() { // a step may be shown in the branch of another
				found := stepFinder{known: d.fieldsOf(reflect.TypeFor[routing.Step]())}
				for _, n := range below {
					ast.Walk(&found, n)
				}
				below = found.steps
			}
			walk(typ.Elem(), below, path+"[]")
		case typ.Kind() == reflect.Map:
			for _, n := range nodes {
				pairs, _ := entries(n)
				for _, e := range pairs {
					below = append(below, e.Value)
				}
			}
			walk(typ.Elem(), below, path+".*")
		case typ.Kind() == reflect.Struct:
			for key, index := range d.fieldsOf(typ) {
				var below []ast.Node
				for _, n := range nodes {
					if next, _, _ := child(n, key); next != nil {
						below = append(below, next)
					}
				}
				keys++
				if len(below) == 0 {
					t.Errorf("%s is not in example.yaml", join(path, key))
					continue
				}
				walk(typ.FieldByIndex(index).Type, below, join(path, key))
			}
		}
	}
	walk(reflect.TypeFor[Config](), []ast.Node{s.root}, "")
	if keys < 60 {
		t.Errorf("only %d keys were looked for", keys)
	}
}

// stepFinder collects the steps of a flow and of all its branches.
type stepFinder struct {
	known map[string][]int
	steps []ast.Node
}

func (f *stepFinder) Visit(n ast.Node) ast.Visitor {
	pairs, _ := entries(n)
	if len(pairs) == 1 {
		if key, _ := textOf(pairs[0].Key); f.known[key] != nil {
			f.steps = append(f.steps, n)
		}
	}
	return f
}

// The values that example.yaml calls defaults are the defaults.
func TestExampleShowsDefaults(t *testing.T) {
	t.Setenv("RINGDOWN_HTTP_TOKEN", strings.Repeat("h", 40))
	t.Setenv("RINGDOWN_DIRECTORY_KEY", strings.Repeat("d", 40))
	t.Setenv("RINGDOWN_NATS_TOKEN", strings.Repeat("n", 40))
	t.Setenv("RINGDOWN_CARRIER_PASSWORD", "hunter2")
	t.Setenv("RINGDOWN_CARRIER_USER_PASSWORD", "hunter3")
	t.Setenv("RINGDOWN_PHONE_AGENT", "hunter4")
	t.Setenv("RINGDOWN_HOOK_SECRET", "hunter5")
	example, err := Load("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Load(filepath.Join("testdata", "minimal.good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	bare.HTTP.Token, bare.NATS.Token, bare.NATS.Listen = example.HTTP.Token, example.NATS.Token, example.NATS.Listen
	bare.NATS.Embedded, bare.Directory.Key = true, example.Directory.Key
	bare.SIP.Networks, bare.Media.Addresses, bare.Hooks.Networks = example.SIP.Networks, example.Media.Addresses, example.Hooks.Networks
	if len(example.SIP.DNS.Servers) == 0 { // an empty list and none are the same
		example.SIP.DNS.Servers = nil
	}
	bare.SIP.STIR.Allow = example.SIP.STIR.Allow
	for name, section := range bare.sections() {
		if got := example.sections()[name]; !reflect.DeepEqual(got, section) {
			t.Errorf("%s: the example has\n%+v, the defaults are\n%+v", name, got, section)
		}
	}
}

// Whatever a Config holds, the decoder can read.
func TestDecoderKnowsEveryKind(t *testing.T) {
	seen := map[reflect.Type]bool{} // steps hold flows, which are lists of steps
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		if typ.Kind() == reflect.Struct && seen[typ] {
			return
		}
		seen[typ] = true
		switch {
		case reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
			return
		case typ.Kind() == reflect.Slice, typ.Kind() == reflect.Pointer:
			walk(typ.Elem(), path+"[]")
			return
		case typ.Kind() == reflect.Map:
			if typ.Key().Kind() != reflect.String {
				t.Errorf("%s: %s is not a mapping from ids", path, typ)
			}
			walk(typ.Elem(), path+".*")
			return
		case typ.Kind() == reflect.Struct:
			for key, index := range newDecoder(&source{}).fieldsOf(typ) {
				walk(typ.FieldByIndex(index).Type, join(path, key))
			}
			return
		}
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s: %v", path, r)
			}
		}()
		setScalar(&ast.StringNode{Value: "x"}, reflect.New(typ).Elem(), "x", true)
	}
	walk(reflect.TypeFor[Config](), "")
}
