package routing

import "testing"

func TestHeadersListed(t *testing.T) {
	tests := []struct {
		names []string
		path  string // of the fault; empty: none
	}{
		{[]string{"X-Campaign", "user-to-user", "x-a_1"}, ""},
		{[]string{"P-Asserted-Identity"}, "trunks[0].headers.in[0]"},
		{[]string{"Via"}, "trunks[0].headers.in[0]"},
		{[]string{"X-"}, "trunks[0].headers.in[0]"},
		{[]string{"X-One", "X-Two:"}, "trunks[0].headers.in[1]"},
		{[]string{"X-One", "x-one"}, "trunks[0].headers.in[1]"},
		{[]string{"X-One\r\nVia"}, "trunks[0].headers.in[0]"},
	}
	for _, tt := range tests {
		_, faults := NewTable(Spec{Trunks: []Trunk{{ID: "a", Headers: Headers{In: tt.names}}}})
		switch {
		case tt.path == "" && len(faults) > 0, tt.path != "" && (len(faults) != 1 || faults[0].Path != tt.path):
			t.Errorf("%q: %v", tt.names, faults)
		}
	}
	var many []string
	for range maxCrossing + 1 {
		many = append(many, "X-"+string(rune('A'+len(many))))
	}
	if _, faults := NewTable(Spec{Trunks: []Trunk{{ID: "a", Headers: Headers{Out: many}}}}); len(faults) != 1 || faults[0].Path != "trunks[0].headers.out" {
		t.Error(faults)
	}
}
