package relay

import (
	"net/netip"
	"reflect"
	"testing"
)

// TestFlowOfPassage: nothing of a passage is lost on its way to the kernel engine.
func TestFlowOfPassage(t *testing.T) {
	a := netip.MustParseAddrPort("192.0.2.1:4000")
	whole := passage{
		In: a, From: a, Only: true, Out: a, To: a, Types: [2]uint64{1, 2}, Timed: [2]uint64{3, 4},
		Clock: 8000, TOS: 184, Every: 5, Burst: 6, Copy: true, Tag: 7,
	}
	for i, p := 0, reflect.ValueOf(whole); i < p.NumField(); i++ {
		name := p.Type().Field(i).Name
		if p.Field(i).IsZero() {
			t.Errorf("passage.%s is not looked at here", name)
		}
		given := reflect.ValueOf(whole.flow()).FieldByName(name)
		if !given.IsValid() || given.IsZero() {
			t.Errorf("passage.%s does not reach the flow", name)
		}
	}
}
