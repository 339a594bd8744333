package routing

import "testing"

func TestTrunkOfNames(t *testing.T) {
	table, faults := NewTable(Spec{Trunks: []Trunk{
		{ID: "a", TLS: TLS{Names: []string{"SBC.a.example.", "spiffe://a.example/sbc"}}},
		{ID: "b", TLS: TLS{Names: []string{"sip:b.example", "*.b.example"}}},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a.example"}, ""},
		{[]string{"sbc.a.example"}, "a"},
		{[]string{"other.example", "Sbc.A.Example"}, "a"},
		{[]string{"spiffe://a.example/sbc"}, "a"},
		{[]string{"SPIFFE://a.example/sbc"}, ""}, // a URI is compared as it is
		{[]string{"b.example"}, "b"},
		{[]string{"one.b.example"}, ""}, // a wildcard is no pattern
		{[]string{"*.b.example"}, "b"},
		{[]string{"sbc.a.example", "b.example"}, ""}, // of two trunks: of none
	} {
		if id, ok := table.TrunkOfNames(c.names); id != c.want || ok != (c.want != "") {
			t.Errorf("%q: %q, %v, want %q", c.names, id, ok, c.want)
		}
	}
}
