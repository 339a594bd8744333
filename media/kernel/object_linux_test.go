package kernel

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func spec(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLayout holds the structures of Go against those of C, field by field.
func TestLayout(t *testing.T) {
	s := spec(t)
	for _, c := range []struct {
		name string
		c    btf.Type
		g    reflect.Type
	}{
		{"place", s.Maps["ringdown_ports"].Key, reflect.TypeFor[place]()},
		{"rule", s.Maps["ringdown_rules"].Value, reflect.TypeFor[rule]()},
		{"state", s.Maps["ringdown_states"].Value, reflect.TypeFor[state]()},
	} {
		sameLayout(t, c.name, c.c, c.g)
	}
	data := member(t, s.Maps["ringdown_desk"].Value, "data")
	if size, err := btf.Sizeof(data.Type); data.Offset.Bytes() != recordHeader || size != Longest {
		t.Errorf("%d bytes of a packet from %d on in a record (%v), not %d from %d on", size, data.Offset.Bytes(), err, Longest, recordHeader)
	}
}

func sameLayout(t *testing.T, name string, c btf.Type, g reflect.Type) {
	t.Helper()
	if size, err := btf.Sizeof(c); err != nil || size != int(g.Size()) {
		t.Errorf("%s: %d bytes in C (%v), %d in Go", name, size, err, g.Size())
	}
	members := structOf(t, c).Members
	if len(members) != g.NumField() {
		t.Fatalf("%s: %d fields in C, %d in Go", name, len(members), g.NumField())
	}
	for i, m := range members {
		f := g.Field(i)
		if plain := strings.ReplaceAll(m.Name, "_", ""); f.Name != "_" && !strings.EqualFold(plain, f.Name) {
			t.Errorf("%s: field %d is %s in C, %s in Go", name, i, m.Name, f.Name)
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil || m.Offset.Bytes() != uint32(f.Offset) || size != int(f.Type.Size()) {
			t.Errorf("%s.%s: %d bytes at %d in C (%v), %d at %d in Go", name, m.Name, size, m.Offset.Bytes(), err, f.Type.Size(), f.Offset)
		}
		inner := f.Type
		if a, ok := btf.As[*btf.Array](m.Type); ok && inner.Kind() == reflect.Array {
			if st, ok := btf.As[*btf.Struct](a.Type); ok {
				sameLayout(t, name+"."+m.Name, st, inner.Elem())
			}
		} else if st, ok := btf.As[*btf.Struct](m.Type); ok && inner.Kind() == reflect.Struct {
			sameLayout(t, name+"."+m.Name, st, inner)
		}
	}
}

func structOf(t *testing.T, c btf.Type) *btf.Struct {
	t.Helper()
	s, ok := btf.As[*btf.Struct](c)
	if !ok {
		t.Fatalf("%v is no structure", c)
	}
	return s
}

func member(t *testing.T, c btf.Type, name string) btf.Member {
	t.Helper()
	for _, m := range structOf(t, c).Members {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no field %s", name)
	return btf.Member{}
}

// TestObject: what is embedded is what it says, and tells nothing of who built it.
func TestObject(t *testing.T) {
	s := spec(t)
	for _, name := range []string{"ringdown_ether", "ringdown_bare"} {
		p := s.Programs[name]
		if p == nil {
			t.Fatalf("no program %s", name)
		}
		if p.Type != ebpf.SchedCLS || p.License != "Apache-2.0" {
			t.Errorf("%s: %v under %q", name, p.Type, p.License)
		}
	}
	var maps []string
	for name := range s.Maps {
		maps = append(maps, name)
	}
	slices.Sort(maps)
	if want := []string{"ringdown_desk", "ringdown_ports", "ringdown_rules", "ringdown_states", "ringdown_tap"}; !slices.Equal(maps, want) {
		t.Errorf("maps %v, want %v", maps, want)
	}
	for _, path := range []string{"/home", "/tmp", "/work", "/root", "/usr"} {
		if bytes.Contains(object, []byte(path)) {
			t.Errorf("the object has a path of the machine that built it: %s…", path)
		}
	}
}
