package routing

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestTrunkWinsOverItsProfile(t *testing.T) {
	no := false
	table, faults := NewTable(Spec{Trunks: []Trunk{
		{ID: "plain"},
		{ID: "works", Profile: "broadworks"},
		{ID: "own", Profile: "broadworks", Identity: Identity{Asserted: ShowNobody, Diversion: &no, From: ShowNumber}},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	plain, _ := table.Trunk("plain")
	if !reflect.DeepEqual(plain, Trunk{ID: "plain"}) {
		t.Errorf("no profile, and yet %+v", plain)
	}
	works, _ := table.Trunk("works")
	if i := works.Identity; i.Asserted != ShowCaller || !On(i.Diversion) || !On(i.UserPhone) || i.From != "" {
		t.Errorf("the profile's words are not there: %+v", i)
	}
	own, _ := table.Trunk("own")
	if i := own.Identity; i.Asserted != ShowNobody || On(i.Diversion) || i.From != ShowNumber || !On(i.UserPhone) {
		t.Errorf("the trunk's words did not win: %+v", i)
	}
}

func TestUnknownProfile(t *testing.T) {
	_, faults := NewTable(Spec{Trunks: []Trunk{{ID: "a", Profile: "asterix"}}})
	if len(faults) != 1 || faults[0].Path != "trunks[0].profile" || !strings.Contains(faults[0].Msg, "allowed: asterisk, broadworks, ") {
		t.Error(faults)
	}
}

// A version is of what a trunk does, not of how that was written.
func TestVersionIsOfTheMergedTrunk(t *testing.T) {
	short, _ := NewTable(Spec{Trunks: []Trunk{{ID: "a", Profile: "asterisk"}}})
	long, _ := NewTable(Spec{Trunks: []Trunk{{ID: "a", Identity: Identity{Asserted: ShowCaller}}}})
	other, _ := NewTable(Spec{Trunks: []Trunk{{ID: "a"}}})
	if short.Version() != long.Version() || short.Version() == other.Version() {
		t.Error(short.Version(), long.Version(), other.Version())
	}
}

// eachFact calls f for every leaf that a profile sets.
func eachFact(v reflect.Value, f func(field reflect.StructField, v reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case v.Field(i).Kind() == reflect.Struct && v.Field(i).NumField() > 0 && v.Field(i).Type().Field(0).IsExported():
			eachFact(v.Field(i), f)
		case !v.Field(i).IsZero():
			f(field, v.Field(i))
		}
	}
}

// A plain bool or number in a profile could never be turned off by a trunk: its
// zero is not a word. And what no code reads is no fact.
func TestProfilesHoldOnlyFactsThatAreRead(t *testing.T) {
	read := selected(t, "../sip", "../call", ".")
	for name, p := range profiles {
		if msg := checkID(name); msg != "" {
			t.Errorf("profile %q %s", name, msg)
		}
		if p.ID != "" || p.Profile != "" || len(p.Sources) > 0 || len(p.Targets) > 0 {
			t.Errorf("profile %s names a peer; it is about a kind of them", name)
		}
		eachFact(reflect.ValueOf(p), func(field reflect.StructField, v reflect.Value) {
			if v.Kind() == reflect.Bool || v.CanInt() {
				t.Errorf("profile %s sets %s, a %s, which no trunk could turn off", name, field.Name, v.Kind())
			}
			if !read[field.Name] {
				t.Errorf("profile %s sets %s, which nobody reads", name, field.Name)
			}
		})
		if _, faults := NewTable(Spec{Trunks: []Trunk{{ID: "a", Profile: name}}}); len(faults) > 0 {
			t.Errorf("profile %s: %v", name, faults)
		}
	}
}

// selected lists every name that code outside the checks and tests selects (x.Name).
func selected(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		for _, name := range files {
			base := filepath.Base(name)
			if strings.HasSuffix(base, "_test.go") || dir == "." && (base == "profile.go" || base == "identity.go" || base == "build.go") {
				continue
			}
			f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					out[s.Sel.Name] = true
				}
				return true
			})
		}
	}
	return out
}
