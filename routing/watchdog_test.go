package routing

import (
	"testing"
	"time"
)

// TestWatchdog: what a trunk says of silence reaches its legs, both ways.
func TestWatchdog(t *testing.T) {
	spec := Spec{
		Trunks: []Trunk{{ID: "one", Sources: []string{"192.0.2.1"}, Targets: []TrunkTarget{{URI: "sip:192.0.2.1"}},
			NumberFormat: NumberFormat{Country: "NO"}, Watchdog: Watchdog{Initial: "PT10S", Steady: "off"}}},
		Accounts: []Account{{ID: "demo"}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales"}},
		Flows: map[string]Flow{"sales": {{Dial: &Dial{Targets: []Destination{
			{Number: "+4791234567", Trunk: "one"}, {URI: "sip:x@192.0.2.7", Trunk: "one"}, {URI: "sip:x@192.0.2.8"}}}}}},
	}
	table, faults := NewTable(spec)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := Silence{Initial: 10 * time.Second, Steady: -1}
	d := table.Decide(Request{Trunk: "one", To: "+4721000001"})
	if d.Reject != "" || len(d.Targets) != 3 {
		t.Fatalf("%+v", d)
	}
	if got := d.MediaSources.Silence; got != want {
		t.Errorf("the caller: %+v", got)
	}
	for i, w := range []Silence{want, want, {}} {
		if got := d.Targets[i].Media.Silence; got != w {
			t.Errorf("target %d: %+v, want %+v", i, got, w)
		}
	}
	for _, bad := range []string{"30s", "PT4S", "P1M", "PT25H", "never"} {
		spec.Trunks[0].Watchdog.Held = bad
		if _, faults := NewTable(spec); len(faults) != 1 || faults[0].Path != "trunks[0].watchdog.held" {
			t.Errorf("held: %s: %v", bad, faults)
		}
	}
}
